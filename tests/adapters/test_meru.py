"""MERU and its descendants: towers, tokens, pictures and spaces against a forward pass in numpy, float64."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import adapters, datasets
from hiergeo.evaluation import evaluate
from hiergeo.testing import AdapterConformance
from tests.adapters import meru_common as meru

TEXTS = ["a red circle", "", "Two Dogs, playing!", "dog " * 100]
SOT, EOT = 49406, 49407
FAMILIES = {
    "meru": {},
    "uncha": {
        "curv": math.log(2.5),
        "visual_alpha": -0.5,
        "textual_alpha": -0.9,
        **{f"{kind}_logit_scale": 1.0 for kind in ("global", "local", "global_local")},
    },
    "meru-clip": {"logit_scale": 1.0},
    "phyclip": {
        "logit_scale": 1.0,
        **{f"curvs.{k}": math.log(0.5 + k / 64) for k in range(64)},
        **{f"visual_concept_alphas.{k}": -1 - k / 64 for k in range(64)},
        **{f"textual_concept_alphas.{k}": -0.5 + k / 640 for k in range(64)},
    },
}


@pytest.fixture(scope="module")
def weights():
    return meru.state()


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    return meru.write(tmp_path_factory.mktemp("meru") / "model.pth", weights)


@pytest.fixture(scope="module")
def model(file):
    return adapters.load(f"meru:{file}{meru.OPTIONS}", device="cpu")


def pictures(side=meru.SIDE, count=3):
    return (np.random.default_rng(0).random((count, side, side, 3)) * 255).astype(np.uint8)


def pixels(images):
    return images.transpose(0, 3, 1, 2) / 255


def test_texts_are_embedded_as_the_format_says(model, weights):
    tokens = model.tokenizer([text.strip() for text in TEXTS]).numpy()
    expected = meru.text_rows(meru.arrays(weights), tokens) * math.exp(meru.TEXTUAL_ALPHA)
    assert np.abs(model.encode_text(TEXTS).numpy() - expected).max() < 1e-5
    quick = meru.text_rows(meru.arrays(weights), tokens, meru.quick_gelu) * math.exp(meru.TEXTUAL_ALPHA)
    assert np.abs(quick - expected).max() > 1e-3


def test_images_are_embedded_as_the_format_says(model, weights):
    images = pictures()
    expected = meru.image_rows(meru.arrays(weights), pixels(images)) * math.exp(meru.VISUAL_ALPHA)
    assert np.abs(model.encode_image(list(images)).numpy() - expected).max() < 1e-5


def test_every_layer_norm_has_the_epsilon_of_torch(model):
    norms = [module for module in model.network.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(norms) == 2 * meru.LAYERS + 2 * meru.TEXT_LAYERS + 2
    assert {norm.eps for norm in norms} == {1e-5}


def test_tokens_are_those_of_openai(model):
    tokens = model.tokenizer(["", "a cat", "A CAT", "cat " * 200])
    assert tokens.shape == (4, meru.CONTEXT)
    assert tokens[0].tolist() == [SOT, EOT] + [0] * (meru.CONTEXT - 2)
    assert torch.equal(tokens[1], tokens[2])
    assert tokens[1].tolist()[:5] == [SOT, 320, 2368, EOT, 0]
    assert tokens[3, -1] == EOT
    assert tokens[3].argmax() == meru.CONTEXT - 1


def test_the_empty_caption_is_not_the_origin(model):
    assert model.root().norm() > 0.1
    assert not model.native_space().root.any()


@pytest.mark.parametrize(
    ("options", "resized"), [("", (64, 32)), ("&images=crop", (64, 32)), ("&images=squash", (32, 32))]
)
def test_pictures_are_cropped_or_squashed(file, weights, options, resized):
    wide = Image.fromarray(pictures(side=64, count=1)[0][:32])
    assert wide.size == (64, 32)
    whole = np.asarray(wide.resize(resized, Image.Resampling.BICUBIC))
    left = (whole.shape[1] - meru.SIDE) // 2
    expected = meru.image_rows(meru.arrays(weights), pixels(whole[None, :, left : left + meru.SIDE]))
    rows = adapters.load(f"meru:{file}{meru.OPTIONS}{options}").encode_image([wide]).numpy()
    assert np.abs(rows - expected * math.exp(meru.VISUAL_ALPHA)).max() < 1e-4


def test_hycoclip_is_the_same_layout_and_preprocessing_is_part_of_the_fingerprint(file, model):
    same = adapters.load(f"hycoclip:{file}{meru.OPTIONS}")
    assert torch.equal(same.encode_text(TEXTS), model.encode_text(TEXTS))
    assert same.fingerprint() == model.fingerprint()
    assert adapters.load(f"meru:{file}{meru.OPTIONS}&images=squash").fingerprint() != model.fingerprint()


def test_the_small_model_has_twelve_heads_where_timm_has_six(tmp_path):
    file = meru.write(tmp_path / "s.pth", meru.state(width=384))
    small = adapters.load(f"meru:{file}?text_heads=2")
    assert {block.attn.num_heads for block in small.network.visual.blocks} == {12}


def made(family, folder, seed=0, **beside):
    weights = meru.state(512 if family == "phyclip" else meru.DIM, seed, **FAMILIES[family])
    if family == "uncha":
        weights["textual.min_radius_head.0.weight"] = torch.ones(1, meru.TEXT_WIDTH)
        weights["textual.min_radius_head.0.bias"] = torch.ones(1)
    return weights, f"{family}:{meru.write(folder / 'a.pth', weights, **beside)}{meru.OPTIONS}"


def test_uncha_is_a_meru_whose_long_texts_keep_their_end(tmp_path):
    weights, spec = made("uncha", tmp_path)
    model = adapters.load(spec)
    assert model.native_space().geometry.value == pytest.approx(-2.5)
    assert model.tokenizer(["dog " * 100])[0, -1] == EOT
    tokens = model.tokenizer(TEXTS).numpy()
    expected = meru.text_rows(meru.arrays(weights), tokens) * math.exp(-0.9)
    assert np.abs(model.encode_text(TEXTS).numpy() - expected).max() < 1e-5


def test_clip_baselines_have_unit_rows_around_the_root_that_is_stored(tmp_path):
    root = torch.linspace(-1, 1, meru.DIM)
    weights, spec = made("meru-clip", tmp_path, root=root)
    model = adapters.load(spec)
    rows = meru.text_rows(meru.arrays(weights), model.tokenizer(TEXTS).numpy())
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.abs(model.encode_text(TEXTS).numpy() - expected).max() < 1e-5
    space = model.native_space()
    assert space.geometry.spec == "euclidean"
    assert torch.equal(space.root, root)
    _, without = made("meru-clip", tmp_path)
    assert adapters.load(without).native_space() is None


def test_phyclip_is_a_product_of_64_spaces(tmp_path):
    weights, spec = made("phyclip", tmp_path)
    model = adapters.load(spec)
    rows = meru.text_rows(meru.arrays(weights), model.tokenizer(TEXTS).numpy())
    scale = np.exp([-0.5 + k / 640 for k in range(64)]).repeat(8)
    assert np.abs(model.encode_text(TEXTS).numpy() - rows * scale).max() < 1e-5
    geometry = model.native_space().geometry
    assert geometry.norm == "l1"
    curvatures = [factor.value for factor, _ in geometry.parts(512)]
    assert curvatures == pytest.approx([-(0.5 + k / 64) for k in range(64)])
    result = evaluate(model, datasets.load("scenes", "test", count=4), samples=5)
    assert result.settings["root"] == "origin"


def test_rows_stop_where_the_exponential_map_of_these_models_does(tmp_path):
    weights = meru.state(logit_scale=1.0, curv=0.0, visual_alpha=0.0, textual_alpha=6.0)
    model = adapters.load(f"meru:{meru.write(tmp_path / 'a.pth', weights)}{meru.OPTIONS}")
    assert model.encode_text(TEXTS).norm(dim=1).numpy() == pytest.approx(math.asinh(2**15), rel=1e-6)


def test_heads_are_part_of_the_fingerprint(file, model):
    """Files of one content and other numbers of heads are other models, in the image tower and in that of texts."""
    for options in ("?heads=8&text_heads=2", "?heads=4&text_heads=4"):
        other = adapters.load(f"meru:{file}{options}")
        assert all(torch.equal(other.network.state_dict()[n], w) for n, w in model.network.state_dict().items())
        assert other.fingerprint() != model.fingerprint()


@pytest.mark.parametrize("family", FAMILIES)
def test_untrained_copies_keep_the_space_and_forget_the_weights(tmp_path, family):
    _, spec = made(family, tmp_path)
    model = adapters.load(spec)
    one, again, other = (adapters.untrained(model, seed) for seed in (0, 0, 1))
    assert torch.equal(one.encode_text(TEXTS), again.encode_text(TEXTS))
    for rows in ((model.encode_text(TEXTS), one), (other.encode_text(TEXTS), one)):
        assert not torch.allclose(rows[0], rows[1].encode_text(TEXTS), atol=1e-3)
    assert one.native_space() == model.native_space()
    images = list(pictures())
    assert not torch.allclose(one.encode_image(images), model.encode_image(images), atol=1e-3)
    blocks = one.network.visual.blocks
    assert {block.attn.num_heads for block in blocks} == {meru.HEADS}
    assert not blocks[0].mlp.fc1.bias.any()  # as timm starts
    assert float(blocks[0].mlp.fc1.weight.std()) == pytest.approx(0.02, rel=0.05)
    assert float(one.network.textual.token_embedding.weight.std()) == pytest.approx(0.02, rel=0.05)


class TestMeru(AdapterConformance):
    @pytest.fixture(autouse=True)
    def _file(self, file):
        self.path = file

    def make(self):
        return adapters.load(f"meru:{self.path}{meru.OPTIONS}", device="cpu")
