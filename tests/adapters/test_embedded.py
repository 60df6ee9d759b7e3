"""Arrays as a model: equal to a file of them and to the model that made them, refused in one sentence where wrong."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hiergeo
from hiergeo import adapters, datasets, search
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.datasets import Hierarchy, ImageRef, chains
from hiergeo.errors import InputError, UnavailableError

DIM = 6
CAPTIONS = ["animal", "dog", "brown dog", "cat", "old cat"]
IDS = ["a/1.jpg", "b/1.jpg", "c.png", "1"]


def arrays(norm: float = 1.0) -> dict[str, Any]:
    draws = np.random.default_rng(0)
    sizes = {"text": (len(CAPTIONS), DIM), "image": (len(IDS), DIM), "root": (DIM,)}
    rows = {name: draws.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    unit = {name: norm * row / np.linalg.norm(row, axis=-1, keepdims=True) for name, row in rows.items()}
    return {**unit, "captions": CAPTIONS, "image_id": IDS}


@pytest.fixture(scope="module")
def tiny():
    return adapters.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def scenes():
    """As files hold them, which do not know what is true of a picture."""
    return replace(datasets.load("scenes", rows=40), truth=None)


@pytest.fixture(scope="module")
def mine(tiny, scenes):
    """The embeddings of scenes by the bundled model, as arrays."""
    image = tiny.encode_image(scenes.images).numpy()
    ids = [f"{image.image_id}.png" for image in scenes.images]
    return hiergeo.embedded(tiny.encode_text(scenes.texts), scenes.texts, image, ids, tiny.root())


def written(path: Path, scenes: Hierarchy) -> Hierarchy:
    """The scenes as a table of chains, without any picture."""
    with path.open("w", newline="") as handle:
        rows = [
            (" => ".join(row.positive), " => ".join(row.negative or ()), f"{row.image_id}.png") for row in scenes.rows
        ]
        csv.writer(handle).writerows([("positive", "negative", "image"), *rows])
    return datasets.load(f"chains:{path}")


def test_every_measurement_is_that_of_the_model_that_made_the_arrays(tiny, scenes, mine, tmp_path):
    data = written(tmp_path / "own.csv", scenes)
    assert (data.images, len(data.absent), len(data.take(3).absent)) == ((), len(scenes.images), 3)
    for protocol in ("re", "traversal", "pairs"):
        expected = hiergeo.evaluate(tiny, scenes, "lorentz:-1", protocol, samples=10).metrics
        assert hiergeo.evaluate(mine, data, "lorentz:-1", protocol, samples=10).metrics == expected
    assert hiergeo.audit(mine, data, "lorentz:-1").numbers == hiergeo.audit(tiny, scenes, "lorentz:-1").numbers
    head = Head(HeadShape(tiny.dim, 8), seed=1)
    expected = hiergeo.evaluate(HeadModel(tiny, head), scenes, samples=10).metrics
    assert hiergeo.evaluate(HeadModel(mine, head), data, samples=10).metrics == expected


def test_images_that_neither_a_file_nor_the_model_has_are_left_out(tiny, scenes, mine, tmp_path):
    data = written(tmp_path / "own.csv", scenes)
    text_only = hiergeo.embedded(mine.encode_text(mine.captions), mine.captions, root=tiny.root())
    for model, why in ((tiny, "40 images .* first 0.png"), (text_only, "40 images")):
        result = hiergeo.evaluate(model, data, samples=10)
        assert "precision" not in result.metrics
        assert re.search(why, result.left_out["precision"])
    for protocol in ("traversal", "hyper3"):
        with pytest.raises(InputError, match=r"first 0\.png"):
            hiergeo.evaluate(tiny, data, protocol=protocol)
    first = mine.encode_image(["0.png"])
    some = hiergeo.embedded(mine.encode_text(mine.captions), mine.captions, first, ["0"], tiny.root())
    with pytest.raises(InputError, match=r"39 of 40 images; the first is 1\.png"):
        hiergeo.evaluate(some, data)


def test_a_file_made_of_arrays_has_their_images_too(mine, scenes, tmp_path):
    data = written(tmp_path / "own.csv", scenes)
    adapters.embed(mine, data, tmp_path / "mine.npz")
    expected = hiergeo.evaluate(mine, data, samples=10).metrics
    assert hiergeo.evaluate(f"npz:{tmp_path / 'mine.npz'}", data, samples=10).metrics == pytest.approx(expected)


def test_an_index_of_arrays_is_searched_by_them_again(scenes, mine, tmp_path):
    search.build(tmp_path / "index", mine, mine.captions)
    index = search.open(tmp_path / "index")
    row = mine.encode_text(mine.captions[3:4]).numpy()
    assert index.neighbours(row[0], k=1).hits[0].caption == mine.captions[3]
    assert [answer.hits[0].caption for answer in index.neighbours(row, k=1)] == [mine.captions[3]]
    with pytest.raises(InputError, match=r"arrays:mine.*hiergeo\.embedded"):
        index.neighbours("a shape")
    again = search.open(tmp_path / "index", model=mine)
    assert again.neighbours(mine.captions[5], k=1).hits[0].caption == mine.captions[5]
    assert again.neighbours(Path("0.png"), k=1) == again.neighbours(mine.encode_image(["0.png"])[0], k=1)
    with pytest.raises(InputError, match="other captions"):
        again.neighbours("nothing of the sort")


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "lists", "strided", "swapped", "chains"])
def test_rows_of_every_kind_are_those_of_a_file(kind, tmp_path):
    given = arrays()
    stored = {name: given[name] for name in ("text", "root", "image")}
    np.savez(tmp_path / "a.npz", **stored, caption=np.array(CAPTIONS), image_id=np.array(IDS))
    changed = {
        "float64": lambda rows: rows.astype(np.float64),
        "float16": lambda rows: torch.tensor(rows).half(),
        "bfloat16": lambda rows: torch.tensor(rows, requires_grad=True).bfloat16(),
        "lists": lambda rows: list(rows),
        "strided": lambda rows: np.asfortranarray(rows)[..., ::-1][..., ::-1],
        "swapped": lambda rows: rows.astype(">f4"),
        "chains": lambda rows: rows,
    }[kind]
    labels = np.array(CAPTIONS[:4]).reshape(2, 2) if kind == "chains" else np.array(CAPTIONS)
    text = given["text"][:4].reshape(2, 2, DIM) if kind == "chains" else given["text"]
    model = hiergeo.embedded(changed(text), labels, changed(given["image"]), IDS, changed(given["root"]))
    file = adapters.load(f"npz:{tmp_path / 'a.npz'}")
    error = {"bfloat16": 2e-2, "float16": 2e-3}.get(kind, 1e-7)
    assert model.captions == file.captions[: labels.size]
    torch.testing.assert_close(model.encode_text(model.captions), file.encode_text(model.captions), atol=error, rtol=0)
    torch.testing.assert_close(model.encode_image(IDS), file.encode_image(IDS), atol=error, rtol=0)
    torch.testing.assert_close(model.root(), file.root(), atol=error, rtol=0)


def test_the_root_is_given_or_the_empty_caption_or_else_the_mean():
    given = arrays()
    empty = hiergeo.embedded(given["text"], ["", *CAPTIONS[1:]])
    np.testing.assert_allclose(empty.root().numpy(), given["text"][0], atol=1e-7)
    with pytest.warns(UserWarning, match="no root"):
        mean = hiergeo.embedded(given["text"], CAPTIONS)
    expected = given["text"].astype(np.float64).mean(0)
    np.testing.assert_allclose(mean.root().numpy(), expected / np.linalg.norm(expected), atol=1e-6)
    assert hiergeo.embedded(**given).name == "arrays:mine"
    assert mean.name == "arrays:mine@mean"


def test_norms_are_divided_out_with_a_word_or_kept():
    given = arrays()
    given["text"] *= np.arange(1, len(CAPTIONS) + 1, dtype=np.float32)[:, None]
    with pytest.warns(UserWarning, match="norms='keep'") as warned:
        unit = hiergeo.embedded(**given)
    assert [warning.filename for warning in warned] == [__file__]
    kept = hiergeo.embedded(**given | {"root": np.zeros(DIM)}, norms="keep")
    np.testing.assert_allclose(unit.encode_text(CAPTIONS).norm(dim=1).numpy(), 1, atol=1e-6)
    np.testing.assert_array_equal(kept.encode_text(CAPTIONS).numpy(), given["text"])
    assert hiergeo.evaluate(kept, chains.from_lists([CAPTIONS[:3]])).metrics["tau_d"] == 1.0


def test_the_fingerprint_is_that_of_the_content():
    given = arrays()
    first = hiergeo.embedded(**given).fingerprint()
    same = {"captions": np.array(CAPTIONS), "image_id": tuple(map(Path, IDS)), "text": torch.tensor(given["text"])}
    assert hiergeo.embedded(**given | same, name="other").fingerprint() == first
    for name, value in {"root": -given["root"], "captions": CAPTIONS[::-1], "image_id": IDS[::-1]}.items():
        assert hiergeo.embedded(**given | {name: value}).fingerprint() != first


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"captions": CAPTIONS[:-1]}, r"\(4,\) captions for rows of shape \(5, 6\)"),
        ({"captions": "animal"}, "captions .* not of str"),
        ({"captions": [*CAPTIONS[:-1], 7]}, "captions .* int"),
        ({"captions": [*CAPTIONS[:-1], ["a"]]}, "captions .* list"),
        ({"captions": [*CAPTIONS[:-1], "animal "]}, "two different embeddings of the text 'animal'"),
        ({"text": None}, "'text' holds object"),
        ({"text": np.zeros((5, 6), int)}, "'text' holds int64"),
        ({"text": np.ones(6, np.float32)}, r"'text' has shape \(6,\)"),
        ({"text": [[1.0], [1.0, 2.0]]}, "text is no dense array"),
        ({"text": torch.eye(5).to_sparse()}, "text is no dense array"),
        ({"text": np.full((5, 6), np.nan)}, "rows 0, 1, 2, 3, 4 hold NaN"),
        ({"text": np.zeros((5, 6))}, "norm zero"),
        ({"text": np.zeros((0, 6)), "captions": []}, "'text' has shape .* empty"),
        ({"root": np.ones(5)}, r"'root' has shape \(5,\)"),
        ({"image": None}, "only one of 'image'"),
        ({"image_id": None}, "only one of 'image'"),
        ({"image": np.ones((3, 5))}, r"'image' has shape \(3, 5\)"),
        ({"image_id": IDS[:2]}, r"'image_id' has shape \(2,\)"),
        ({"image_id": [IDS]}, r"'image_id' has shape \(1, 4\)"),
        ({"image_id": [1, 2, "c"]}, "image_id .* int, str"),
        ({"image_id": [0.5, 1, 2]}, "image_id .* float"),
        ({"image_id": [True, False, True]}, "image_id .* bool"),
        ({"image_id": ["a", "b", "a", "c"]}, "two different embeddings of the image 'a'"),
        ({"norms": "kept"}, "did you mean 'keep'"),
    ],
)
def test_wrong_arrays_get_one_sentence(change, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        hiergeo.embedded(**{**arrays(), **change})
    assert "\n" not in str(caught.value)


def test_other_captions_are_told_from_some_that_are_missing():
    model = hiergeo.embedded(**arrays())
    with pytest.raises(InputError, match=r"5 captions, the first 'animal'.* 0 of 2 are there, the first is 'table'"):
        model.encode_text(["table", "chair"])
    with pytest.raises(InputError, match=r"lacks 1 of 3 texts; the first is 'cow': embed"):
        model.encode_text(["dog", "cow", ""])
    with pytest.raises(InputError, match=r"lacks 2 of 2 texts; .*2 of them .* letter case or spacing"):
        model.encode_text(["Brown  Dog", "OLD CAT"])


@pytest.mark.parametrize(
    ("name", "row"),
    [("a/1.jpg", 0), ("x/b/1.jpg", 1), (r"x\b\1.jpg", 1), ("http://h/c.png", 2), ("1.jpg", 3), ("c.jpg", None)],
)
def test_an_image_is_the_longest_end_of_its_path_that_is_stored(name, row):
    given = arrays()
    model = hiergeo.embedded(**given)
    images = [name, ImageRef(7, open=lambda: None, address=name), ImageRef(7, open=lambda: None, path=Path(name))]
    assert [model.stores([image]) for image in images] == [int(row is not None)] * 3
    if row is None:
        with pytest.raises(InputError, match=r"lacks 3 of 3 images; the first is c\.jpg"):
            model.encode_image(images)
    else:
        np.testing.assert_allclose(model.encode_image(images).numpy(), given["image"][[row] * 3], atol=1e-6)


def test_numbers_name_images_and_one_number_names_one():
    given = arrays()
    model = hiergeo.embedded(**{**given, "image_id": torch.tensor([7, 8, 9, 10])})
    data = chains.from_lists([CAPTIONS[:2], CAPTIONS[3:]], image=[8, "9.jpg"])
    np.testing.assert_allclose(model.encode_image(data.absent).numpy(), given["image"][1:3], atol=1e-6)
    assert not model.stores(chains.from_lists([CAPTIONS[:2]], image=["dog.jpg"]).absent)
    with pytest.raises(InputError, match="both '8'"):
        model.encode_image(chains.from_lists([CAPTIONS[:2]] * 2, image=["a/8.jpg", "b/8.jpg"]).absent)


def test_a_name_is_no_spec_that_loads_arrays():
    with pytest.raises(InputError, match=r"hiergeo\.embedded.*npz:FILE"):
        adapters.load(hiergeo.embedded(**arrays()).name)
    with pytest.raises(InputError, match="arrays in memory"):
        adapters.loading.check_spec("arrays:mine@mean")


WORDS = st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(lambda text: text.strip() == text)


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.data())
def test_every_caption_gets_its_own_row(captions, data):
    rows = np.eye(len(captions), dtype=np.float32)
    model = hiergeo.embedded(rows, captions, rows, [f"p/{at}.jpg" for at in range(len(rows))], np.ones(len(rows)))
    order = data.draw(st.permutations(range(len(captions))))
    np.testing.assert_array_equal(model.encode_text([f" {captions[at]}\n" for at in order]).numpy(), rows[order])
    np.testing.assert_array_equal(model.encode_image([f"p/{at}.jpg" for at in order]).numpy(), rows[order])


def test_lists_of_chains_are_those_of_a_file(scenes, tmp_path):
    file = written(tmp_path / "own.csv", scenes)
    names = [f"{row.image_id}.png" for row in scenes.rows]
    lists = chains.from_lists([r.positive for r in scenes.rows], [r.negative for r in scenes.rows], names)
    assert lists.rows == file.rows
    assert [image.address for image in lists.absent] == [image.address for image in file.absent]
    scenes.images[0].open().save(tmp_path / "here.png")
    there = chains.from_lists([["a", "b"], ["a", "c"]], image=[tmp_path / "here.png", None])
    assert (len(there.images), there.images[0].open().mode, there.rows[1].image_id) == (1, "RGB", None)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"positive": []}, "empty"),
        ({"positive": ["animal => dog"]}, "chain 0"),
        ({"positive": [["a", "b"], ["a", " "]]}, "chain 1"),
        ({"positive": [["a", "b"], ["a"]]}, "row 1"),
        ({"positive": [["a", "b"]], "negative": []}, "1 chains and 0 contradicting"),
        ({"positive": [["a", "b"]], "image": [1, 2]}, "1 chains and 2 images"),
        ({"positive": [["a", "b"], np.nan]}, "chain 1"),
        ({"positive": [["a", "b"]], "image": [np.nan]}, "chain 0 .* nan"),
    ],
)
def test_lists_that_are_no_chains(given, complaint):
    with pytest.raises(InputError, match=complaint):
        chains.from_lists(**given)


def test_an_absent_image_says_so_when_it_is_opened():
    with pytest.raises((InputError, UnavailableError), match=r"nowhere\.jpg"):
        chains.from_lists([["a", "b"]], image=["nowhere.jpg"]).absent[0].open()


def test_points_of_a_hyperboloid_are_read_where_they_are_named() -> None:
    vectors = arrays(0.7)["text"].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) * np.linspace(0.5, 2.0, len(vectors))[:, None]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * lengths
    points = np.concatenate([np.cosh(lengths), vectors * (np.sinh(lengths) / lengths)], axis=1)
    with pytest.raises(InputError):
        hiergeo.embedded(points, CAPTIONS, root=points[0])
    model = hiergeo.embedded(points, CAPTIONS, coordinates="hyperboloid", curvature=-1.0)
    torch.testing.assert_close(model.encode_text(CAPTIONS).double(), torch.from_numpy(vectors), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.root().double(), torch.zeros(DIM, dtype=torch.float64))
