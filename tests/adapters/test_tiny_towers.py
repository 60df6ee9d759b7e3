"""The plain towers, tokenizer and pictures of the bundled model against those of open_clip, which loads its files."""

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.adapters import tiny
from hiergeo.adapters.model import weights_digest
from hiergeo.adapters.open_clip import load_open_clip
from hiergeo.adapters.pixels import STATISTICS, square
from hiergeo.adapters.tiny.network import CLIP
from hiergeo.adapters.transformer import Blocks, TextTransformer, Transformer

open_clip = pytest.importorskip("open_clip")

ODD = [
    "",
    "   ",
    "a DOG",
    "A man's surf-board, 7 ft. long!",
    "it's 'S they'll 'LL'd",
    "na\u00efve caf\u00e9 \u2014 \u00bd price, \u201cquoted\u201d \u2019tis",
    "\u65e5\u672c\u306e\u732b",
    "\U0001f98a & co. &amp;amp; &lt;b&gt;",
    "<start_of_text>a dog<END_OF_TEXT><end_of_text>",
    "s\u00c3\u00b3 \u00e2\u20ac\u2122",
    "\ufb01ne \uff21\uff22 \u0130\u1e9e\u00df",
    "'\u017f \u0345a\u0345 x\u0301",
    "\x00a\x1b[31mb\x7f\r\nc\td\x85e\u3000f\u200bg",
    "\u0663\u2167\u00b2\U0001d7d8" * 3,
    "word " * 60,
    "z" * 500,
]


@pytest.fixture(scope="module")
def plain() -> adapters.Model:
    return adapters.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def theirs() -> adapters.Model:
    """The same files, built, tokenised and prepared by open_clip."""
    return adapters.load(f"open_clip:{tiny.register()}/{tiny.weights()}", device="cpu")


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(32, 32), (64, 64), (640, 427), (31, 33), (33, 31), (35, 32), (1, 1), (5, 200), (200, 5), (100, 99)]
    return [Image.fromarray(random.integers(0, 256, (high, wide, 3), dtype=np.uint8)) for wide, high in sizes]


def test_loading_needs_nothing_of_open_clip(plain):
    """Its classes are those of hiergeo, so that the other tests here compare two implementations."""
    assert type(plain.network).__module__ == "hiergeo.adapters.tiny.network"


def test_texts_images_and_root_are_those_of_open_clip(plain, theirs):
    torch.testing.assert_close(plain.encode_text(ODD), theirs.encode_text(ODD), atol=1e-6, rtol=0)
    torch.testing.assert_close(plain.encode_image(pictures()), theirs.encode_image(pictures()), atol=1e-6, rtol=0)
    torch.testing.assert_close(plain.root(), theirs.root(), atol=1e-6, rtol=0)


def test_stored_results_and_indexes_stay_valid(plain, theirs):
    """The fingerprint covers preprocessing, types and order of layers, and weights; it is in every index and result."""
    assert plain.fingerprint() == theirs.fingerprint() == "78005324dcaf3a08"


def test_untrained_copies_are_drawn_alike(plain, theirs):
    ours, other = (adapters.untrained(model, 5).network.state_dict() for model in (plain, theirs))
    assert list(ours) == list(other)
    assert all(torch.equal(weight, other[name]) for name, weight in ours.items())


def known(text: str) -> bool:
    """Whether the Unicode of this Python has every letter; open_clip's pattern has tables of its own."""
    return all(unicodedata.category(letter) != "Cn" for letter in text)


LETTERS = st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=20)
PIECES = st.lists(st.sampled_from([*ODD[:-2], "-", "'", "&", "#9;", "1", "\u0345", " "]), max_size=6).map("".join)


@given(LETTERS | PIECES)
@example("&#847;\u0345\u017f'\u017f")
def test_tokens_are_those_of_open_clip(text):
    tokens = tiny.tokenizer()
    found = tokens([text])
    assert found.dtype == torch.int64
    if known(text):
        assert torch.equal(found, open_clip.get_tokenizer(tiny.register())([text]))


def test_the_vocabulary_is_that_of_open_clip():
    tokens, other = tiny.tokenizer(), open_clip.get_tokenizer(tiny.register())
    assert tokens.ids == other.encoder
    assert tokens.vocabulary == other.vocab_size == tiny.config()["text_cfg"]["vocab_size"]


def test_remembered_words_change_nothing(monkeypatch):
    tokens = tiny.tokenizer()
    first = tokens(ODD)
    assert torch.equal(tokens(ODD), first)
    monkeypatch.setattr("hiergeo.adapters.byte_pairs.CACHED", 0)
    assert torch.equal(tiny.tokenizer()(ODD), first)


@pytest.mark.parametrize(("images", "mode"), [("crop", "shortest"), ("squash", "squash")])
@pytest.mark.parametrize("side", [32, 33])
def test_pixels_are_those_of_open_clip(images, mode, side):
    mean, std = STATISTICS["siglip" if side == 33 else "clip"]
    transform = open_clip.transform.image_transform(
        side, is_train=False, mean=mean, std=std, resize_mode=mode, interpolation="bicubic"
    )
    for picture in pictures():
        assert torch.equal(square(side, mean, std, images)(picture), transform(picture)), picture.size


@pytest.mark.parametrize("quick", [False, True])
def test_transformers_are_those_of_open_clip(quick):
    from open_clip import transformer as other

    activation = other.QuickGELU if quick else torch.nn.GELU
    with torch.random.fork_rng():
        torch.manual_seed(2)
        ours = TextTransformer(Blocks(24, 3, 4, 60, quick_gelu=quick), 9, 50).eval()
        torch.manual_seed(2)
        built = other.TextTransformer(9, 50, 24, 4, 3, 2.5, proj_type="none", act_layer=activation).eval()
    assert weights_digest(ours, "") == weights_digest(built, "")
    tokens = torch.arange(27).view(3, 9) % 50
    torch.testing.assert_close(ours(tokens), built(tokens), atol=1e-6, rtol=0)
    both = torch.randn(2, 5, 24)
    bare = other.Transformer(24, 3, 4, 2.5, act_layer=activation).eval()
    bare.load_state_dict(ours.transformer.state_dict())
    assert isinstance(ours.transformer, Transformer)
    torch.testing.assert_close(ours.transformer(both), bare(both), atol=1e-6, rtol=0)


def test_a_residual_network_of_more_blocks_is_that_of_open_clip():
    config = tiny.config() | {"quick_gelu": True}
    config["vision_cfg"] |= {"layers": [2, 1, 1, 3], "image_size": 64}
    del config["text_cfg"]["tokenizer_kwargs"]
    with torch.random.fork_rng():
        torch.manual_seed(4)
        ours = CLIP(**config).eval()
        torch.manual_seed(4)
        other = open_clip.CLIP(**config).eval()
    assert weights_digest(ours, "") == weights_digest(other, "")
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.encode_image(pixels), other.encode_image(pixels), atol=1e-5, rtol=0)


@pytest.fixture
def saved(plain, tmp_path) -> Path:
    """A folder that the tower of the model wrote, as training does."""
    adapters.tower_of(plain).export(tmp_path, tmp_path)
    return tmp_path


def test_what_training_wrote_loads_without_open_clip(plain, saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    again = adapters.load(f"open_clip:local-dir:{saved}", device="cpu")
    assert again.fingerprint() == plain.fingerprint()
    assert torch.equal(again.encode_text(ODD), plain.encode_text(ODD))
    assert adapters.tower_of(again).activations == adapters.tower_of(plain).activations


@pytest.mark.parametrize("change", ["size", "pictures", "merges", "tokenizer"])
def test_a_folder_that_differs_is_left_to_open_clip(saved, change, monkeypatch):
    config = json.loads((saved / "open_clip_config.json").read_text())
    if change == "merges":
        (saved / tiny.MERGES).write_bytes(b"other")
    elif change == "size":
        config["model_cfg"]["text_cfg"]["layers"] = 1
    elif change == "pictures":
        config["preprocess_cfg"]["resize_mode"] = "squash"
    else:
        config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["clean"] = "canonicalize"
    (saved / "open_clip_config.json").write_text(json.dumps(config))
    loaded = []
    monkeypatch.setattr("hiergeo.adapters.open_clip._from_folder", lambda *given: loaded.append(given))
    load_open_clip(f"local-dir:{saved}", device=torch.device("cpu"))
    assert len(loaded) == 1


def test_a_damaged_folder_names_the_weight(saved):
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / "open_clip_model.safetensors")
    weights["ln_final.weight"][3] = torch.nan
    save_file(weights, saved / "open_clip_model.safetensors")
    with pytest.raises(InputError, match=r"ln_final\.weight"):
        adapters.load(f"open_clip:local-dir:{saved}")
    del weights["ln_final.weight"]
    save_file(weights, saved / "open_clip_model.safetensors")
    with pytest.raises(InputError, match=r"ln_final\.weight"):
        adapters.load(f"open_clip:local-dir:{saved}")
