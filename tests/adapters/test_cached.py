"""The embedding cache: rows of the model itself, computed once, shared, and rebuilt where an entry is damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.adapters.store import cached
from tests.training.suite.suite_common import DIM, TEXTS, Toy, toys  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def model(tmp_path) -> Model:
    return cached(Toy("a"), tmp_path)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.npz"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_rows_are_those_of_the_model(model, dtype, batch_size):
    for _ in range(2):
        assert torch.equal(
            model.encode_text(TEXTS, dtype=dtype, batch_size=batch_size),
            Toy("a").encode_text(TEXTS, dtype=dtype, batch_size=batch_size),
        )
    assert torch.equal(model.root(), Toy("a").root())
    assert (model.dim, model.fingerprint(), model.name) == (DIM, Toy("a").fingerprint(), "toy:a")


def test_another_process_finds_them(model, tmp_path):
    model.encode_text(TEXTS)
    Toy.embedded = 0
    cached(Toy("a"), tmp_path).encode_text(TEXTS, dtype="bfloat16")
    assert Toy.embedded == 0


def test_other_weights_texts_and_preprocessing_are_other_entries(model, tmp_path):
    model.encode_text(TEXTS)
    Toy.embedded = 0
    other = Toy("a")
    other.preprocessing = "lower case"
    cached(other, tmp_path).encode_text(TEXTS)
    cached(Toy("b"), tmp_path).encode_text(TEXTS)
    model.encode_text(TEXTS[::-1])
    assert Toy.embedded == 3 * len(TEXTS)
    assert len(entries(tmp_path)) == 4


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "swapped", "nonsense"])
def test_a_damaged_entry_is_rebuilt_aloud(model, damage, tmp_path):
    wanted = model.encode_text(TEXTS)
    model.encode_text(TEXTS[:5])
    paths = entries(tmp_path)
    contents = [path.read_bytes() for path in paths]
    for path, content, other in zip(paths, contents, reversed(contents), strict=True):
        half = len(content) // 2
        path.write_bytes(
            {
                "cut": content[:half],
                "flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
                "empty": b"",
                "swapped": other,
                "nonsense": b"nonsense",
            }[damage]
        )
    fresh = cached(Toy("a"), tmp_path)
    with pytest.warns(UserWarning, match="cache is damaged"):
        assert torch.equal(fresh.encode_text(TEXTS), wanted)
    assert torch.equal(cached(Toy("a"), tmp_path).encode_text(TEXTS), wanted)


def test_bad_rows_are_not_kept(tmp_path):
    class Broken(Toy):
        def text_rows(self, texts):
            return super().text_rows(texts) * np.nan

    model = cached(Broken("a"), tmp_path)
    with pytest.raises(InputError, match="NaN"):
        model.encode_text(TEXTS)
    assert not entries(tmp_path)


def test_a_head_shares_the_rows_of_its_model(tmp_path):
    base = Toy("a")
    cached(base, tmp_path).encode_text(TEXTS)
    Toy.embedded = 0
    head = HeadModel(base, Head(HeadShape(DIM, 3), 1))
    behind = cached(head, tmp_path)
    assert torch.equal(behind.encode_text(TEXTS), head.encode_text(TEXTS))
    Toy.embedded = 0
    behind.encode_text(TEXTS)
    assert Toy.embedded == 0
    assert behind.fingerprint() == head.fingerprint()


def test_images_are_known_by_their_pixels(tmp_path):
    tiny = adapters.load("tiny", device="cpu")
    first, other = datasets.load("scenes", count=2).images, datasets.load("scenes", count=2, seed=1).images
    assert [image.image_id for image in first] == [image.image_id for image in other]
    model = cached(tiny, tmp_path)
    assert torch.equal(model.encode_image(first), tiny.encode_image(first))
    assert torch.equal(model.encode_image(other), tiny.encode_image(other))
    pictures = [image.open() for image in first]
    assert torch.equal(model.encode_image(pictures), model.encode_image(first))
    assert len(entries(tmp_path)) == 2


def test_an_untrained_copy_of_a_model_does_not_have_its_rows(tmp_path):
    tiny = adapters.load("tiny", device="cpu")
    images = datasets.load("scenes", count=2).images
    model = cached(tiny, tmp_path)
    model.root()
    fresh, wanted = (adapters.untrained(each, 0) for each in (model, tiny))
    assert torch.equal(fresh.encode_text(TEXTS), wanted.encode_text(TEXTS))
    assert torch.equal(fresh.encode_image(images), wanted.encode_image(images))
    assert torch.equal(fresh.root(), wanted.root())


def test_stored_embeddings_are_not_stored_again(tmp_path):
    np.savez(tmp_path / "x.npz", text=np.eye(3, dtype="f4"), caption=np.array(["a", "b", "c"]), root=np.ones(3, "f4"))
    model = adapters.load(f"npz:{tmp_path / 'x.npz'}")
    assert cached(model, tmp_path) is model
