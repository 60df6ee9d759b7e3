"""The interface of every model: batching, normalisation, refusals, pictures and the registry."""

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torch import Tensor

from hiergeo import adapters
from hiergeo._core import plugins
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters import Model
from hiergeo.adapters.model import ImageLike, unit_rows
from hiergeo.datasets.pictures import open_rgb


class Letters(Model):
    """Counts of the letters a, b, c plus one at the end, so that no text has norm zero; remembers its batches."""

    name = "letters"
    has_images = False
    preprocessing = "none"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def fingerprint(self) -> str:
        return "letters"

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images: Sequence[ImageLike]) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        self.batches.append(list(texts))
        scale = [float("nan") if "nan" in text else 0.0 if "zero" in text else 1.0 for text in texts]
        counts = torch.tensor([[*map(text.count, "abc"), 1] for text in texts], dtype=torch.float16)
        return counts * torch.tensor(scale)[:, None]

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        raise AssertionError("a text-only model was asked for images")


def test_texts_are_stripped_batched_and_normalised_in_order():
    model = Letters()
    rows = model.encode_text([" ab\n", "c", "aaa", "", "b"], batch_size=2)
    assert model.batches == [["ab", "c"], ["aaa", ""], ["b"]]
    expected = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [3, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1]], dtype=np.float64)
    expected /= np.sqrt((expected**2).sum(1, keepdims=True))
    assert rows.dtype == torch.float32
    np.testing.assert_allclose(rows.numpy(), expected, atol=1e-7)


def test_root_is_the_embedding_of_the_empty_caption_and_cannot_be_spoiled():
    model = Letters()
    model.root().zero_()
    assert model.root().tolist() == [0, 0, 0, 1]
    assert model.dim == 4
    assert model.batches == [[""]]


@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(-1e30, 1e30, allow_subnormal=False)))
def test_unit_rows_have_norm_one_at_every_scale(values):
    rows = torch.from_numpy(values)
    if (rows.norm(dim=1) == 0).any():
        with pytest.raises(InputError, match="norm zero"):
            unit_rows(rows, "the rows")
    else:
        np.testing.assert_allclose(unit_rows(rows, "the rows").double().norm(dim=1), 1, atol=3e-7)


def test_defective_rows_are_named_up_to_five_across_batches():
    texts = ["a"] * 20
    for row in (1, 4, 7, 8, 15, 16, 19):
        texts[row] = "nan"
    with pytest.raises(InputError, match=r"text embeddings of letters .* rows 1, 4, 7, 8, 15 and 2 more hold NaN"):
        Letters().encode_text(texts, batch_size=3)
    with pytest.raises(InputError, match=r"rows 2 have norm zero"):
        Letters().encode_text(["a", "b", "zero"])


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "empty"),
        ("a dog", "list of strings"),
        (["a", None], "list of strings.*NoneType"),
        (np.array([["a", "b"]]), r"list of strings.*\(1, 2\)"),
        (np.array([1, 2]), "list of strings"),
        (np.array(["a", None], dtype=object), "list of strings"),
        (["a", "b\ud800"], "text 1 .*surrogate"),
    ],
)
def test_wrong_texts_are_refused_before_any_work(texts, complaint):
    model = Letters()
    with pytest.raises(InputError, match=complaint):
        model.encode_text(texts)
    assert model.batches == []


def test_text_only_models_say_so():
    with pytest.raises(InputError, match="letters embeds texts only"):
        Letters().encode_image([Path("any.jpg")])


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I"])
def test_every_mode_becomes_rgb_with_its_brightness(mode):
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    deep = {"I": np.int32, "I;16": np.uint16}
    source = (
        Image.fromarray((ramp * 65535).astype(deep[mode]))
        if mode in deep
        else Image.fromarray((ramp * 255).astype(np.uint8)).convert(mode)
    )
    rgb = open_rgb(source)
    assert rgb.mode == "RGB"
    grey = np.asarray(rgb).astype(float).mean(axis=2)
    np.testing.assert_allclose(grey, 255 * ramp, atol=2)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("open_clap:ViT-B-32/openai", "did you mean 'open_clip'"),
        ("sentence-transformer:x", "did you mean 'sentence-transformers'"),
        ("tinny", "did you mean 'tiny'"),
        ("npz", "ends too early"),
        ("hf:", "ends too early"),
        ("tiny:x", "takes no arguments"),
    ],
)
def test_wrong_specs_are_refused(spec, complaint):
    with pytest.raises(InputError, match=complaint):
        adapters.load(spec)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_unusable_devices_are_refused(device):
    with pytest.raises(InputError, match=f"'{device}' cannot be used"):
        adapters.load("npz:any.npz", device=device)


def test_third_party_adapters_come_through_entry_points(monkeypatch):
    def load_letters(rest: str, *, device: torch.device) -> object:
        return Letters() if rest == "good" else rest

    monkeypatch.setattr(Letters, "build", staticmethod(load_letters), raising=False)
    entries = [
        EntryPoint("alphabet", f"{__name__}:Letters.build", "hiergeo.adapters"),
        EntryPoint("broken", "no_such_package:load", "hiergeo.adapters"),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [e for e in entries if e.group == group])
    assert isinstance(adapters.load("alphabet:good"), Model)
    with pytest.raises(InputError, match="returned a str"):
        adapters.load("alphabet:bad")
    with pytest.raises(UnavailableError, match="no_such_package"):
        adapters.load("broken:x")
    with pytest.raises(InputError, match="did you mean 'alphabet'"):
        adapters.load("alphabat:x")
