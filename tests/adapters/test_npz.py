"""Stored embeddings: look-up, and one sentence for each way a file can be wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo._core.storage.archives import write
from hiergeo.datasets.hierarchy import ImageRef

DIM = 6


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Three rows of four tiers, the first tier shared, and two images; no row is of norm one."""
    draws = np.random.default_rng(0)
    text = draws.normal(size=(3, 4, DIM)).astype(np.float32)
    text[:, 0] = text[0, 0]
    caption = np.array([["animal", f"dog {row}", f"brown dog {row}", f"old brown dog {row}"] for row in range(3)])
    return {
        "text": text,
        "caption": caption,
        "root": draws.normal(size=DIM).astype(np.float32),
        "image": draws.normal(size=(2, DIM)).astype(np.float32),
        "image_id": np.array([139, 285]),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stored.npz"


def _load(path: Path, arrays: dict[str, Any]) -> adapters.Model:
    np.savez(path, **arrays)
    return adapters.load(f"npz:{path}")


def _unit(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    return wide / np.sqrt((wide**2).sum(-1, keepdims=True))


def test_texts_are_looked_up_by_stripped_string(path, arrays):
    model = _load(path, arrays)
    found = model.encode_text(["  brown dog 2 ", "animal", ""])
    expected = _unit(np.stack([arrays["text"][2, 2], arrays["text"][1, 0], arrays["root"]]))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-7)
    np.testing.assert_allclose(model.root().numpy(), _unit(arrays["root"]), atol=1e-7)
    assert (model.dim, model.has_images, model.name) == (DIM, True, f"npz:{path}")


def test_images_are_looked_up_by_id_from_references_and_file_names(path, arrays):
    model = _load(path, arrays)
    reference = ImageRef(285, open=lambda: pytest.fail("a stored image was opened"), path=Path("absent/17.jpg"))
    found = model.encode_image([reference, "x/COCO_val2014_000000000139.jpg", Path("285.png")])
    np.testing.assert_allclose(found.numpy(), _unit(arrays["image"])[[1, 0, 1]], atol=1e-7)


@pytest.mark.parametrize("name", ["holiday-2-139.jpg", "COCO_val2014_139_cut.jpg", "img139.png", f"{'1' * 19}.jpg"])
def test_an_id_is_not_guessed(path, arrays, name):
    with pytest.raises(InputError, match="no COCO id"):
        _load(path, arrays).encode_image([name])


def test_flat_half_precision_and_extra_arrays_are_accepted(path, arrays):
    flat = {
        "text": arrays["text"].reshape(-1, DIM).astype(np.float16),
        "caption": arrays["caption"].ravel(),
        "root": arrays["root"].astype(np.float16),
        "heldout": np.array([True]),
    }
    model = _load(path, flat)
    assert not model.has_images
    np.testing.assert_allclose(model.encode_text(["dog 1"])[0].numpy(), _unit(arrays["text"][1, 1]), atol=1e-3)
    with pytest.raises(InputError, match="texts only"):
        model.encode_image(["139.jpg"])


def test_what_is_not_stored_is_counted_and_the_first_named(path, arrays):
    model = _load(path, arrays)
    with pytest.raises(InputError, match=r"lacks 2 of 3 texts; the first is 'cat'"):
        model.encode_text(["animal", "cat", "mouse"])
    with pytest.raises(InputError, match=r"lacks 1 of 2 images; the first is 7"):
        model.encode_image(["COCO_139.jpg", "7.jpg"])
    with pytest.raises(InputError, match=r"no\.jpg, which holds no COCO id"):
        model.encode_image(["no.jpg"])
    with pytest.raises(InputError, match="pass its path"):
        model.encode_image([Image.new("RGB", (2, 2))])


def _with(**changes: Any):
    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        changed = {key: value(arrays[key]) if callable(value) else value for key, value in changes.items()}
        return {key: value for key, value in {**arrays, **changed}.items() if value is not None}

    return change


def _put(value: float | str, *at: int):
    def place(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[at] = value
        return array

    return place


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_with(text=None), "no array 'text'"),
        (_with(text=None, caption=None, captions=np.array(["a"])), "no array 'text'"),
        (_with(caption=None), "does not say which texts"),
        (_with(root=None), "no array 'root'"),
        (_with(image=None), "only one of 'image'"),
        (_with(image_id=None), "only one of 'image'"),
        (_with(text=lambda a: a[:0], caption=lambda a: a[:0]), r"'text' has shape \(0, 4, 6\)"),
        (_with(text=lambda a: a[0, 0]), r"'text' has shape \(6,\)"),
        (_with(text=lambda a: a.astype(np.int64)), "'text' holds int64"),
        (_with(caption=lambda a: a[:2]), r"'caption' has shape \(2, 4\)"),
        (_with(caption=np.zeros((3, 4))), "'caption' holds float64"),
        (_with(root=lambda a: a[:5]), r"'root' has shape \(5,\)"),
        (_with(root=lambda a: np.zeros_like(a)), "root embeddings .* norm zero"),
        (_with(text=_put(np.nan, 1, 2, 0)), "text embeddings .* rows 6 hold NaN"),
        (_with(text=_put(0, 2, 3)), "text embeddings .* rows 11 have norm zero"),
        (_with(image=_put(np.inf, 1, 0)), "image embeddings .* rows 1 hold NaN or Inf"),
        (_with(image=lambda a: a[:, :5]), r"'image' has shape \(2, 5\)"),
        (_with(image_id=lambda a: a[:1]), r"'image_id' has shape \(1,\)"),
        (_with(image_id=lambda a: a.astype(float)), "'image_id' holds float64"),
        (_with(caption=lambda a: a.astype(object)), "Object arrays cannot be loaded"),
        (_with(caption=_put("animal ", 1, 1)), "two different embeddings of the text 'animal'"),
        (_with(caption=_put("", 1, 1)), "two different embeddings of the text ''"),
        (_with(image_id=np.array([139, 139])), "two different embeddings of the image 139"),
    ],
)
def test_wrong_files_get_one_sentence(path, arrays, change, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        _load(path, change(arrays))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(path, arrays, kept):
    np.savez(path, **arrays)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=r"stored\.npz is"):
        adapters.load(f"npz:{path}")


def test_the_content_hash_is_verified_when_there(path, arrays):
    write(path, arrays)
    adapters.load(f"npz:{path}")
    with np.load(path) as archive:
        stored = dict(archive)
    stored["root"] = -stored["root"]
    with pytest.raises(InputError, match="altered"):
        _load(path, stored)


def test_a_file_without_a_root_and_a_folder_are_told_what_to_write(path, arrays):
    with pytest.raises(InputError, match=r"stored\.npz@mean"):
        _load(path, {name: array for name, array in arrays.items() if name != "root"})
    with pytest.raises(InputError, match="is a folder"):
        adapters.load(f"npz:{path.parent}")


def test_the_fingerprint_tells_files_apart(path, arrays):
    first = _load(path, arrays).fingerprint()
    assert first == _load(path, arrays).fingerprint()
    assert first != _load(path, {**arrays, "root": -arrays["root"]}).fingerprint()


def test_the_mean_root_stands_in_for_a_stored_empty_caption(path, arrays):
    np.savez(path, **_with(caption=_put("", 1, 1))(arrays))
    model = adapters.load(f"npz:{path}@mean")
    mean = _unit(_unit(arrays["text"].reshape(-1, DIM)).mean(0))
    np.testing.assert_allclose(model.encode_text([""])[0].numpy(), mean, atol=1e-6)


def test_norms_that_are_divided_out_are_told_and_may_be_kept(path, arrays):
    with pytest.warns(UserWarning, match=r"norms from .* divided out"):
        unit = _load(path, arrays)
    names = arrays["caption"].ravel().tolist()
    rows = arrays["text"].reshape(-1, DIM)
    kept = adapters.load(f"npz:{path}?norms=keep")
    np.testing.assert_array_equal(kept.encode_text(names).numpy(), rows)
    np.testing.assert_array_equal(kept.encode_text([""])[0].numpy(), arrays["root"])
    np.testing.assert_allclose(unit.encode_text(names).numpy(), _unit(rows), atol=1e-6)
    assert (unit.normalised, kept.normalised) == (True, False)
    assert kept.name == f"npz:{path}?norms=keep"
    mean = adapters.load(f"npz:{path}@mean?norms=keep")
    np.testing.assert_allclose(mean.encode_text([""])[0].numpy(), rows.mean(0), atol=1e-6)
    assert len({each.fingerprint() for each in (unit, kept, mean)}) == 3


def test_rows_whose_norms_are_kept_may_be_zero_and_agree_in_length_too(path, arrays):
    np.savez(path, **{**arrays, "root": np.zeros(DIM, np.float32)})
    assert not adapters.load(f"npz:{path}?norms=keep").root().any()
    with pytest.raises(InputError, match="norm zero"):
        adapters.load(f"npz:{path}")
    arrays["text"][1, 0] *= 2
    np.savez(path, **arrays)
    adapters.load(f"npz:{path}")
    with pytest.raises(InputError, match="two different embeddings"):
        adapters.load(f"npz:{path}?norms=keep")


def test_files_of_one_name_are_not_the_same_image(path, arrays):
    model = _load(path, {**arrays, "image_id": np.array(["x", "y.png"])})
    found = model.encode_image(["dog/x.jpg", "dog/../dog/x.jpg", "y.png"])
    np.testing.assert_allclose(found.numpy(), _unit(arrays["image"])[[0, 0, 1]], atol=1e-7)
    with pytest.raises(InputError, match=r"dog/x\.jpg and cat/x\.png"):
        model.encode_image(["dog/x.jpg", "cat/x.png"])
    with pytest.raises(InputError, match="lacks 1 of 1 images"):
        model.encode_image(["y.jpg"])
    both = _load(path, {**arrays, "image_id": np.array(["x.jpg", "x.png"])})
    np.testing.assert_allclose(both.encode_image(["x.png", "x.jpg"]).numpy(), _unit(arrays["image"])[[1, 0]], atol=1e-7)
