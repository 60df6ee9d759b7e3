"""The bundled model as an adapter: its identity, its untrained copies, and the folders that training writes of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hiergeo import adapters
from hiergeo.adapters import tiny

TEXTS = [
    "",
    "   ",
    "a DOG",
    "na\u00efve caf\u00e9 \u2014 \u00bd price",
    "\U0001f98a & co. &amp;amp; &lt;b&gt;",
    "word " * 60,
]


@pytest.fixture(scope="module")
def model() -> adapters.Model:
    return adapters.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def whole(model) -> adapters.Model:
    """The same model with a network, tokenizer and transform of open_clip."""
    return model.trainable()


def test_stored_results_and_indexes_stay_valid(model):
    """The fingerprint covers preprocessing, activations and weights; it is in every index and result."""
    by_spec = adapters.load(f"open_clip:{tiny.register()}/{tiny.weights()}", device="cpu")
    assert model.fingerprint() == by_spec.fingerprint() == "6e037db663fe6460"
    assert torch.allclose(model.encode_text(TEXTS), by_spec.encode_text(TEXTS), rtol=0, atol=1e-6)


@given(text=st.text(max_size=60), width=st.integers(2, 150), height=st.integers(2, 150), seed=st.integers(0, 9))
def test_plain_towers_give_what_open_clip_gives(model, whole, text, width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for kind, item in (("text", text), ("image", pixels)):
        made, expected = (getattr(each, f"encode_{kind}")([item]) for each in (model, whole))
        assert torch.allclose(made, expected, rtol=0, atol=1e-6)
    assert torch.equal(model.tokens([text]), whole.tokens([text]))
    assert torch.equal(*(each.transform(Image.fromarray(pixels)) for each in (model, whole)))


def test_untrained_copies_are_those_of_earlier_versions(model):
    assert adapters.untrained(model, 5).fingerprint() == "ad0017afdcd45e7e"


@pytest.fixture
def saved(model, tmp_path) -> Path:
    """A folder that the tower of the model wrote, as training does."""
    adapters.tower_of(model).export(tmp_path, tmp_path)
    return tmp_path


def test_what_training_wrote_loads(model, saved):
    again = adapters.load(f"open_clip:local-dir:{saved}", device="cpu")
    assert torch.equal(again.encode_text(TEXTS), model.trainable().encode_text(TEXTS))
    assert adapters.tower_of(again).activations == adapters.tower_of(model).activations


def test_a_folder_brings_its_own_settings(saved):
    before = adapters.load(f"open_clip:local-dir:{saved}", device="cpu").fingerprint()
    config = json.loads((saved / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "squash"
    (saved / "open_clip_config.json").write_text(json.dumps(config))
    assert adapters.load(f"open_clip:local-dir:{saved}", device="cpu").fingerprint() != before
