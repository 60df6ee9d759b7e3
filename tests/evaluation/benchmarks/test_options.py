"""Options of benchmarks: types, and the data that published figures are of."""

import json

import pytest

from hiergeo._core.errors import InputError
from hiergeo.evaluation.benchmarks import benchmark_named, measure


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("hyperlex", {"data": 3}, "data"),
        ("hyperlex", {"missing": ["skip"]}, "missing"),
        ("breeds", {"split": ["x"]}, "split"),
        ("breeds", {"images": None}, "images"),
        ("retrieval", {"split": 3}, "split"),
        ("zero_shot", {"averaging": {}}, "averaging"),
        ("hierarcaps", {"protocol": 1}, "protocol"),
        ("audit", {"data": b"scenes"}, "data"),
    ],
)
def test_an_option_of_another_type_is_named(name, options, named):
    with pytest.raises(InputError, match=f"option {named} of {name}"):
        measure("tiny", name, **options)


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("zero_shot", {}, 0),
        ("trees", {}, 0),
        ("hyperlex", {}, 3),
        ("hyperlex", {"data": "demo"}, 0),
        ("hyperlex", {"missing": "skip"}, 0),
        ("retrieval", {}, 10),
        ("retrieval", {"data": "my/coco"}, 10),
        ("retrieval", {"data": "a/dataset_coco.json"}, 2),
        ("retrieval", {"data": "scenes"}, 0),
        ("retrieval", {"take": 100}, 0),
        ("retrieval", {"first": 1}, 0),
        ("retrieval", {"split": "train2017"}, 0),
        ("hierarcaps", {}, 13),
        ("hierarcaps", {"steps": 20}, 0),
    ],
)
def test_published_figures_need_their_data_and_options(name, options, shown):
    assert len(benchmark_named(name, **options).published) == shown


def test_a_folder_of_other_classes_has_no_published_figures(tmp_path):
    for name in ("cat", "n02084071"):
        (tmp_path / name).mkdir()
    assert not benchmark_named("zero_shot", data=str(tmp_path)).published
    for number in range(999):
        (tmp_path / f"n{number:08d}").mkdir()
    assert len(benchmark_named("zero_shot", data=str(tmp_path)).published) == 6
    assert len(benchmark_named("trees", data=str(tmp_path), tree="imagenet_isa.txt").published) == 9
    assert not benchmark_named("zero_shot", data=str(tmp_path), averaging="normalised").published
    assert not benchmark_named("trees", data=str(tmp_path), tree="demo").published


@pytest.mark.parametrize("data", ["a.csv", "coco", "clip_flickr8k", "a.npz", "scene"])
def test_himo_takes_no_independent_captions(data):
    with pytest.raises(InputError, match="JSON Lines"):
        benchmark_named("himo", data=data)


def test_himo_refuses_an_image_on_two_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"image": name, "parts": ["a dog", "at night"]} for name in ("a.png", "b.png", "./a.png")]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match=r"row 2 \(the first is 0\).*a\.png"):
        benchmark_named("himo", data=str(path)).load()
