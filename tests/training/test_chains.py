"""What may be trained on: chains that teach something, and none of the test data."""

import numpy as np
import pytest
import torch

from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.datasets import Hierarchy, Row
from hiergeo.training import from_file, from_hierarchy, held_out_of, unseen_rows
from tests.training.training_common import DIM, ITEMS, TIERS, captions, embeddings, stored


def arrays(**changes):
    rows, root = embeddings()
    index = np.arange(rows[..., 0].numel(), dtype=np.int32).reshape(2, ITEMS, -1)
    whole = {"text": rows.flatten(0, 2).numpy(), "root": root.numpy(), "positive": index[0], "negative": index[1]}
    return {name: array for name, array in (whole | changes).items() if array is not None}


def save(path, **changes):
    np.savez(path, **arrays(**changes))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"negative": None}, "no array 'negative'"),
        ({"positive": np.zeros((0, 4), int), "negative": np.zeros((0, 4), int)}, "is empty"),
        ({"positive": np.zeros((3, 1), int), "negative": np.ones((3, 1), int)}, "1 tier: at least 2"),
        ({"positive": np.array([[0, 1]] * 3), "negative": np.array([[2, 3]] * 3)}, "one and the same row 3 times"),
        ({"positive": np.array([[0, 1], [4, 5]]), "negative": np.array([[2, 3], [6, 5]])}, "1 rows with a negative id"),
        ({"positive": np.array([[0, 9999]]), "negative": np.array([[2, 3]])}, "beyond its"),
        ({"positive": np.array([[0, 1]])}, "both must be"),
        ({"positive": np.zeros((3, 4))}, "not integers"),
        ({"root": np.ones(DIM + 1, np.float32)}, "not .U, D. and .D,."),
        ({"text": np.full((480, DIM), np.nan, np.float32)}, "NaN or Inf"),
        ({"image_id": np.arange(3)}, "not one for each"),
    ],
)
def test_refused_files(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        from_file(save(tmp_path / "a.npz", **changes))


def test_a_dataset_is_embedded_once():
    scenes, model = datasets.load("scenes", "train", count=12), adapters.load("tiny")
    made = from_hierarchy(scenes, model)
    assert made.positive.shape == (12, 4)
    assert made.base == ("tiny", model.fingerprint())
    row = scenes.rows[3]
    torch.testing.assert_close(made.text[made.positive[3]], model.encode_text(row.positive), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.text[made.negative[3]], model.encode_text(row.negative), atol=1e-5, rtol=0)


def test_embeddings_are_made_once_and_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    scenes, model = datasets.load("scenes", "train", count=60), adapters.load("tiny")
    calls, embed = [], model.text_rows

    def rows(texts):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(texts)

    model.text_rows, model.text_batch = rows, 16
    with pytest.raises(KeyboardInterrupt):
        from_hierarchy(scenes, model, cache=tmp_path)
    first = from_hierarchy(scenes, model, cache=tmp_path)
    assert sum(calls) == len(scenes.texts) + calls[2] + 1  # the root
    again, count = from_hierarchy(scenes, model, cache=tmp_path), len(calls)
    assert torch.equal(again.text, first.text)
    assert len(calls) == count
    plain = from_hierarchy(scenes, adapters.load("tiny"))
    torch.testing.assert_close(again.text, plain.text, atol=1e-5, rtol=0)


def test_test_images_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    ids = np.arange(ITEMS)
    ids[:2] = 139, 776
    with pytest.raises(InputError, match=f"2 of {ITEMS} rows describe test images"):
        from_file(save(tmp_path / "a.npz", image_id=ids))
    assert len(from_file(save(tmp_path / "b.npz", image_id=np.arange(ITEMS)))) == ITEMS


def test_chains_without_images_are_compared_by_their_captions_where_the_test_split_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    path = save(tmp_path / "a.npz", caption=np.array(captions()))
    with pytest.warns(UserWarning, match="cannot be compared with the test captions"):
        from_file(path)
    tested = " => ".join(captions()[:TIERS])
    table = tmp_path / "hierarcaps" / "hierarcaps_test.csv"
    table.parent.mkdir()
    url = "http://images.cocodataset.org/val2014/COCO_val2014_000000000139.jpg"
    table.write_text(f"captions,image_url\n{tested},{url}\n")
    with pytest.raises(InputError, match=f"1 of {ITEMS} rows describe test images"):
        from_file(path)
    spaced = save(tmp_path / "b.npz", caption=np.array([f" {caption}\n" for caption in captions()]))
    with pytest.raises(InputError, match=f"1 of {ITEMS} rows describe test images"):
        from_file(spaced)


@pytest.mark.parametrize("wrong", [-1, 1 << 40], ids=["negative", "beyond"])
def test_positions_that_point_nowhere_are_refused_with_captions_too(tmp_path, wrong):
    positive = arrays()["positive"].astype(np.int64)
    positive[0, 0] = wrong
    with pytest.raises(InputError, match="point beyond"):
        from_file(save(tmp_path / "a.npz", positive=positive, caption=np.array(captions())))


def test_held_out_images_are_those_that_the_file_marks(tmp_path):
    model = stored(tmp_path / "model.npz")
    assert held_out_of(model) is None
    with np.load(tmp_path / "model.npz") as old:
        whole = {name: old[name] for name in old.files if name != "content_sha256"}
    np.savez(tmp_path / "model.npz", **whole, heldout=np.arange(ITEMS) < 3)
    assert held_out_of(model) == {0, 1, 2}
    np.savez(tmp_path / "model.npz", **whole, heldout=np.ones(4, bool))
    with pytest.raises(InputError, match="held-out"):
        held_out_of(model)


def test_unseen_rows_are_those_without_trained_captions():
    scenes = datasets.load("scenes", "test", count=5)
    assert unseen_rows(frozenset(scenes.texts), scenes) is None
    assert unseen_rows(frozenset([scenes.rows[0].positive[3]]), scenes).sum() == sum(
        scenes.rows[0].positive[3] not in row.positive for row in scenes.rows
    )


def test_rows_that_a_model_cuts_before_they_differ_are_left_out():
    long = " ".join(["red"] * 40)
    rows = [
        Row(0, ("shape", "red shape", f"{long} circle"), ("dot", "blue shape", f"{long} square")),
        Row(1, ("shape", "red shape", "a red circle"), ("dot", "blue shape", "a red square")),
    ]
    tiny = adapters.load("tiny")
    with pytest.warns(UserWarning, match="1 of 2 rows"):
        kept = from_hierarchy(Hierarchy("mine", "train", tuple(rows)), tiny)
    assert kept.positive.tolist() == [[0, 1, 3]]
    with pytest.raises(InputError, match="every row"):
        from_hierarchy(Hierarchy("mine", "train", tuple(rows[:1])), tiny)
