"""Embedding a dataset into a file: what is written, and that an interruption loses no finished batch."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model, embed
from hiergeo.adapters.model import ImageLike
from hiergeo.datasets.hierarchy import Hierarchy, ImageRef, Row

DIM = 5


class Counting(Model):
    """A random vector for each input, and a count of what was embedded; `interrupt_at` stops it in that batch."""

    name = "counting"
    has_images = True
    preprocessing = "none"

    def __init__(self, *, interrupt_at: int | None = None, fingerprint: str = "f00d") -> None:
        self.seen: list[str] = []
        self._calls = 0
        self._interrupt_at = interrupt_at
        self._fingerprint = fingerprint

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images: Sequence[ImageLike]) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return self._rows(list(texts))

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._rows([str(image.image_id) for image in images])

    def _rows(self, names: list[str]) -> Tensor:
        if names != [""]:
            self._calls += 1
            if self._calls == self._interrupt_at:
                raise KeyboardInterrupt
            self.seen += names
        return torch.stack([_vector(name) for name in names])


def _vector(name: str) -> Tensor:
    seed = sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 2**31
    return torch.randn(DIM, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def hierarchy() -> Hierarchy:
    rows = tuple(
        Row(
            i,
            ("thing", f"thing {i}", f"big thing {i}", f"big red thing {i}"),
            ("thing", "none", f"no {i}", f"nor {i}"),
            i,
        )
        for i in range(6)
    )
    images = tuple(ImageRef(i, open=lambda: Image.new("RGB", (4, 4))) for i in range(6))
    return Hierarchy("things", "test", rows, images)


def _expected(names: Sequence[str]) -> np.ndarray:
    rows = np.stack([_vector(name).double().numpy() for name in names])
    return rows / np.sqrt((rows**2).sum(1, keepdims=True))


def test_the_file_holds_distinct_texts_images_root_and_its_origin(tmp_path, hierarchy):
    out = tmp_path / "new" / "things.npz"
    assert embed(Counting(), hierarchy, out, batch_size=4) == out
    with np.load(out, allow_pickle=False) as stored:
        assert stored["caption"].tolist() == list(hierarchy.texts)
        assert len(set(stored["caption"].tolist())) == 1 + 18 + 1 + 12
        np.testing.assert_allclose(stored["text"], _expected(hierarchy.texts), atol=1e-6)
        np.testing.assert_allclose(stored["image"], _expected([str(i) for i in range(6)]), atol=1e-6)
        assert stored["image_id"].tolist() == list(range(6))
        np.testing.assert_allclose(stored["root"], _expected([""])[0], atol=1e-6)
        origin = {key: str(stored[key]) for key in ("model", "fingerprint", "normalisation", "dataset", "split")}
    assert origin == {
        "model": "counting",
        "fingerprint": "f00d",
        "normalisation": "l2",
        "dataset": "things",
        "split": "test",
    }
    assert sorted(p.name for p in out.parent.iterdir()) == ["things.npz"]


def test_the_file_loads_as_a_model(tmp_path, hierarchy):
    out = embed(Counting(), hierarchy, tmp_path / "things.npz")
    model = adapters.load(f"npz:{out}")
    np.testing.assert_allclose(model.encode_text(["none"]).numpy(), _expected(["none"]), atol=1e-6)
    np.testing.assert_allclose(model.encode_image([hierarchy.images[3]]).numpy(), _expected(["3"]), atol=1e-6)


@pytest.mark.parametrize("interrupt_at", [1, 3, 8, 9, 10])
def test_after_an_interrupt_only_unfinished_batches_are_computed(tmp_path, hierarchy, interrupt_at):
    out = tmp_path / "things.npz"
    stopped = Counting(interrupt_at=interrupt_at)
    with pytest.raises(KeyboardInterrupt):
        embed(stopped, hierarchy, out, batch_size=4)
    assert not out.exists()
    resumed = Counting()
    embed(resumed, hierarchy, out, batch_size=4)
    everything = [*hierarchy.texts, *map(str, range(6))]
    assert stopped.seen == everything[: len(stopped.seen)]
    assert stopped.seen + resumed.seen == everything
    uninterrupted = embed(Counting(), hierarchy, tmp_path / "again.npz", batch_size=4)
    assert out.read_bytes() == uninterrupted.read_bytes()


class OtherImages(Counting):
    """The same model on other images of the same ids."""

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._rows([f"other {image.image_id}" for image in images])


def test_batches_of_another_run_are_never_mixed_in(tmp_path, hierarchy):
    rows = tuple(replace(row, positive=("x", *row.positive[1:])) for row in hierarchy.rows)
    others = [
        (Counting(fingerprint="beef", interrupt_at=9), hierarchy, 4),
        (OtherImages(interrupt_at=10), replace(hierarchy, rows=rows), 4),
        (Counting(interrupt_at=3), hierarchy.take(5), 4),
        (Counting(interrupt_at=3), hierarchy, 8),
    ]
    wanted = embed(Counting(), hierarchy, tmp_path / "again.npz", batch_size=4).read_bytes()
    for model, data, batch_size in others:
        out = tmp_path / "things.npz"
        with pytest.raises(KeyboardInterrupt):
            embed(model, data, out, batch_size=batch_size)
        assert embed(Counting(), hierarchy, out, batch_size=4).read_bytes() == wanted
        out.unlink()


def test_unusable_destinations_are_refused_before_any_work(tmp_path, hierarchy):
    model = Counting()
    (tmp_path / "folder.npz").mkdir()
    for out, complaint in ((tmp_path / "things.csv", "name the file"), (tmp_path / "folder.npz", "is a folder")):
        with pytest.raises(InputError, match=complaint):
            embed(model, hierarchy, out)
    with pytest.raises(InputError, match="batch size"):
        embed(model, hierarchy, tmp_path / "things.npz", batch_size=0)
    assert model.seen == []


def test_what_is_done_is_not_done_again_and_not_replaced_unasked(tmp_path, hierarchy):
    out = embed(Counting(), hierarchy, tmp_path / "things.npz", batch_size=4)
    before = out.read_bytes()
    again = Counting()
    embed(again, hierarchy, out, batch_size=4)
    other = Counting(fingerprint="beef")
    with pytest.raises(InputError, match=r"things\.npz is there already"):
        embed(other, hierarchy, out, batch_size=4)
    assert (again.seen, other.seen, out.read_bytes()) == ([], [], before)
    embed(other, hierarchy, out, batch_size=4, overwrite=True)
    assert out.read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["things.npz"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, hierarchy):
    mine = tmp_path / "things.npz.partial" / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"thesis\.tex"):
            embed(Counting(), hierarchy, tmp_path / "things.npz", overwrite=overwrite)
    assert mine.read_text() == "mine"
