"""ProLIP folders: both towers against numpy in float64, Gaussians, and the inclusion score against integration."""

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.adapters.gaussians import Gaussian, inclusion
from tests.adapters import meru_common as meru

pytest.importorskip("transformers")

from tests.adapters.huggingface_common import _tokenizer as letters

WIDTH, HEADS, LAYERS, CONTEXT, VOCABULARY = 32, 2, 2, 16, 40
TEXTS = ["a red circle", "", "Two Dogs, playing!", "dog" * 30]
CONFIG: dict[str, Any] = {
    "embed_dim": WIDTH,
    "vision_cfg": {
        "image_size": meru.SIDE,
        "layers": LAYERS,
        "width": WIDTH,
        "head_width": WIDTH // HEADS,
        "patch_size": meru.PATCH,
        "embed_unc": True,
    },
    "text_cfg": {
        "context_length": CONTEXT,
        "vocab_size": VOCABULARY,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "width": WIDTH,
        "heads": HEADS,
        "layers": LAYERS,
        "embed_unc": True,
        "no_causal_mask": True,
        "proj_bias": True,
        "norm_kwargs": {"eps": 1e-6},
    },
    "init_logit_bias": -10,
}


@pytest.fixture(scope="module")
def state():
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    def linear(name: str, outputs: int, inputs: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": random(outputs, inputs), f"{name}.bias": random(outputs)}

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + random(WIDTH), f"{name}.bias": random(WIDTH)}

    held = {"logit_scale": torch.tensor(2.0), "logit_bias": torch.tensor(-10.0)}
    held["visual.conv1.weight"] = random(WIDTH, 3, meru.PATCH, meru.PATCH) / 4
    held |= {f"visual.{name}": random(WIDTH) for name in ("class_embedding", "unc_embedding")}
    held |= {f"text.{name}": random(WIDTH) for name in ("cls_emb", "unc_emb")}
    held["visual.positional_embedding"] = random(meru.GRID**2 + 2, WIDTH)
    held["text.positional_embedding"] = random(CONTEXT + 2, WIDTH)
    held["text.token_embedding.weight"] = random(VOCABULARY, WIDTH)
    held["visual.proj"] = random(WIDTH, WIDTH)
    held |= norm("visual.ln_pre") | norm("visual.ln_post") | norm("text.ln_final")
    held |= linear("visual.uncertainty_proj", WIDTH, WIDTH) | linear("text.text_projection", WIDTH, WIDTH)
    held |= linear("text.text_uncertainty_projection", WIDTH, WIDTH)
    for tower in ("visual", "text"):
        for i in range(LAYERS):
            block = f"{tower}.transformer.resblocks.{i}"
            held |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
            held |= {f"{block}.attn.in_proj_weight": random(3 * WIDTH, WIDTH), f"{block}.attn.in_proj_bias": random(96)}
            held |= linear(f"{block}.attn.out_proj", WIDTH, WIDTH)
            held |= linear(f"{block}.mlp.c_fc", 4 * WIDTH, WIDTH) | linear(f"{block}.mlp.c_proj", WIDTH, 4 * WIDTH)
    return held


def folder(where: Path, state, config=None) -> Path:
    where.mkdir(exist_ok=True)
    save_file(state, where / "model.safetensors")
    (where / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    letters(unk_token="<u>", eos_token="<e>", pad_token="<p>").save_pretrained(where)
    return where


def changed(part: str, **settings):
    return {**CONFIG, part: {**CONFIG[part], **settings}}


@pytest.fixture(scope="module")
def model(state, tmp_path_factory):
    return adapters.load(f"prolip:{folder(tmp_path_factory.mktemp('prolip'), state)}", device="cpu")


def blocks(held, tower, x, eps):
    for i in range(LAYERS):
        block = f"{tower}.transformer.resblocks.{i}"
        normed = meru.layer_norm(held, f"{block}.ln_1", x, eps)
        qkv = normed @ held[f"{block}.attn.in_proj_weight"].T + held[f"{block}.attn.in_proj_bias"]
        x = x + meru.linear(held, f"{block}.attn.out_proj", meru.attention(qkv, HEADS, causal=False))
        normed = meru.layer_norm(held, f"{block}.ln_2", x, eps)
        x = x + meru.linear(held, f"{block}.mlp.c_proj", meru.gelu(meru.linear(held, f"{block}.mlp.c_fc", normed)))
    return x


def text_gaussians(state, tokens):
    held = meru.arrays(state)
    last = np.stack([held["text.unc_emb"], held["text.cls_emb"]])[None].repeat(len(tokens), 0)
    x = np.concatenate([held["text.token_embedding.weight"][tokens], last], 1) + held["text.positional_embedding"]
    x = meru.layer_norm(held, "text.ln_final", blocks(held, "text", x, 1e-6)[:, -1], 1e-6)
    mean = meru.linear(held, "text.text_projection", x)
    return mean, meru.linear(held, "text.text_uncertainty_projection", mean)


def image_gaussians(state, images):
    held = meru.arrays(state)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    x = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
    x = x.reshape(len(x), 3, 2, meru.PATCH, 2, meru.PATCH).transpose(0, 2, 4, 1, 3, 5).reshape(len(x), 4, -1)
    x = x @ held["visual.conv1.weight"].reshape(WIDTH, -1).T
    first = np.stack([held["visual.class_embedding"], held["visual.unc_embedding"]])[None].repeat(len(x), 0)
    x = np.concatenate([first, x], 1) + held["visual.positional_embedding"]
    x = blocks(held, "visual", meru.layer_norm(held, "visual.ln_pre", x), 1e-5)
    x = meru.layer_norm(held, "visual.ln_post", x)
    mean = meru.layer_norm(held, "visual.ln_post", x[:, 0]) @ held["visual.proj"]
    return mean, meru.linear(held, "visual.uncertainty_proj", x[:, 1])


def units(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_texts_are_gaussians_as_the_format_says(model, state):
    mean, log_variance = text_gaussians(state, model.tokenizer(TEXTS).numpy())
    found = model.encode_text_gaussian(TEXTS)
    assert np.abs(found.mean.numpy() - units(mean)).max() < 1e-5
    assert np.abs(found.log_variance.numpy() - log_variance).max() < 1e-4
    assert torch.allclose(model.encode_text(TEXTS), found.mean, atol=1e-6)


def test_images_are_gaussians_as_the_format_says(model, state):
    images = (np.random.default_rng(0).random((3, meru.SIDE, meru.SIDE, 3)) * 255).astype(np.uint8)
    mean, log_variance = image_gaussians(state, images)
    found = model.encode_image_gaussian(list(images), batch_size=2)
    assert np.abs(found.mean.numpy() - units(mean)).max() < 1e-5
    assert np.abs(found.log_variance.numpy() - log_variance).max() < 1e-4
    assert torch.allclose(model.encode_image(list(images)), found.mean, atol=1e-6)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed("vision_cfg", embed_unc=False), "embed_unc"),
        (changed("text_cfg", no_causal_mask=False), "no_causal_mask"),
        (changed("vision_cfg", layers=3), "resblocks"),
        (changed("vision_cfg", layers=10**6), "layers"),
        (changed("text_cfg", width=64), "64"),
        (changed("text_cfg", heads=5), "embed_dim must be divisible"),
        (changed("text_cfg", vocab_size=20), "token_embedding"),
        (changed("vision_cfg", mlp_ratio=-1.0), "mlp_ratio"),
        (changed("text_cfg", hf_tokenizer_name="../../etc"), "hf_tokenizer_name"),
        ({"model_type": "clip"}, "embed_dim"),
        ([], "object"),
    ],
)
def test_configurations_that_do_not_fit_are_named(tmp_path, state, config, said):
    with pytest.raises(InputError, match=said):
        adapters.load(f"prolip:{folder(tmp_path, state, config)}")


def test_weights_that_do_not_fit_are_named(tmp_path, state):
    for name, weight, said in (
        ("visual.unc_embedding", torch.ones(31), "unc_embedding"),
        ("visual.extra", torch.ones(1), "extra"),
        ("text.ln_final.bias", torch.full((WIDTH,), math.nan), "NaN"),
        ("text.ln_final.bias", torch.ones(WIDTH, dtype=torch.int32), "int32"),
    ):
        with pytest.raises(InputError, match=said):
            adapters.load(f"prolip:{folder(tmp_path, {**state, name: weight})}")
    with pytest.raises(InputError, match="Missing key"):
        adapters.load(f"prolip:{folder(tmp_path, {'visual.conv1.weight': torch.ones(1)})}")
    (folder(tmp_path, state) / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json"):
        adapters.load(f"prolip:{tmp_path}")
    with pytest.raises(InputError, match="nowhere"):
        adapters.load("prolip:/nowhere")


def integrated(m1: float, v1: float, m2: float, v2: float) -> float:
    """The score of one coordinate by numerical integration of the squared density of one times that of the other."""
    s1, s2 = mpmath.exp(v1), mpmath.exp(v2)

    def product(x):
        return mpmath.npdf(x, m1, mpmath.sqrt(s1)) ** 2 * mpmath.npdf(x, m2, mpmath.sqrt(s2))

    peak = (2 * m1 / s1 + m2 / s2) / (2 / s1 + 1 / s2)
    wide = 1 / mpmath.sqrt(2 / s1 + 1 / s2)
    total = mpmath.quad(product, [peak + k * wide for k in (-12, -4, 0, 4, 12)])
    constant = mpmath.log((2 * mpmath.pi) ** 1.5 / mpmath.sqrt(mpmath.pi))
    return float(mpmath.log(total) + constant - v1 - v2 / 2)


def test_inclusion_is_the_integral_of_its_definition():
    generator = np.random.default_rng(0)
    parts = generator.normal(size=(4, 4, 2)) * np.array([1, 2, 1, 2])[:, None, None]
    with mpmath.workdps(30):
        expected = [sum(integrated(*map(float, each)) for each in row) for row in parts.transpose(1, 2, 0)]
    m1, v1, m2, v2 = parts
    found = inclusion(Gaussian(torch.tensor(m1), torch.tensor(v1)), Gaussian(torch.tensor(m2), torch.tensor(v2)))
    assert found.numpy() == pytest.approx(expected, abs=1e-9)


def test_inclusion_is_the_published_formula():
    generator = np.random.default_rng(1)
    m1, v1, m2, v2 = generator.normal(size=(4, 50, 8))
    a = np.exp(-v1) + np.exp(-v2) / 2
    b = 2 * m1 * np.exp(-v1) + m2 * np.exp(-v2)
    c = m1**2 * np.exp(-v1) + m2**2 * np.exp(-v2) / 2
    expected = (-2 * v1 - v2 - np.log(a) / 2 + b**2 / (4 * a) - c).sum(1)
    found = inclusion(Gaussian(torch.tensor(m1), torch.tensor(v1)), Gaussian(torch.tensor(m2), torch.tensor(v2)))
    assert found.numpy() == pytest.approx(expected, abs=1e-9)


@given(st.floats(-3, 3), st.floats(0.1, 4), st.floats(-12, 4))
def test_a_narrow_one_lies_in_a_wide_one_of_the_same_centre(mean, more, log_variance):
    narrow = Gaussian(torch.tensor([mean]).double(), torch.tensor([log_variance]).double())
    wide = Gaussian(narrow.mean, narrow.log_variance + more)
    assert inclusion(narrow, wide) > inclusion(wide, narrow)


def test_variances_as_small_as_trained_ones_do_not_cancel():
    """At log variances of -10 the published form loses its digits in float32; this one is as exact as float64."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(20, 768, generator=generator) / 28 for _ in range(4)]
    exact = [part.double() for part in (parts[0], parts[1] - 10, parts[2], parts[3] - 10)]
    single = [part.float() for part in exact]
    reference = inclusion(Gaussian(*exact[:2]), Gaussian(*exact[2:]))
    assert torch.allclose(inclusion(Gaussian(*single[:2]), Gaussian(*single[2:])).double(), reference, rtol=1e-6)


def test_heads_epsilon_and_tokenizer_are_part_of_the_fingerprint(tmp_path, state, model):
    configs = (
        changed("text_cfg", heads=4),
        changed("vision_cfg", head_width=8),
        changed("text_cfg", norm_kwargs={"eps": 1e-5}),
        CONFIG,
    )
    prints = [
        adapters.load(f"prolip:{folder(tmp_path / str(i), state, config)}").fingerprint()
        for i, config in enumerate(configs)
    ]
    assert prints[-1] == model.fingerprint()
    assert len(set(prints)) == len(configs)
    letters(unk_token="<u>", bos_token="<s>", eos_token="<e>", pad_token="<p>").save_pretrained(tmp_path / "3")
    assert adapters.load(f"prolip:{tmp_path / '3'}").fingerprint() not in prints


def test_an_untrained_copy_starts_as_open_clip_does(model):
    one, again, other = (adapters.untrained(model, seed) for seed in (0, 0, 1))
    rows = one.encode_text(TEXTS)
    assert torch.equal(rows, again.encode_text(TEXTS))
    assert not torch.allclose(rows, other.encode_text(TEXTS), atol=1e-3)
    assert not torch.allclose(rows, model.encode_text(TEXTS), atol=1e-3)
    images = (np.random.default_rng(0).random((2, meru.SIDE, meru.SIDE, 3)) * 255).astype(np.uint8)
    assert one.encode_image_gaussian(list(images)).log_variance.isfinite().all()
    state = one.network.state_dict()
    assert float(state["text.token_embedding.weight"].std()) == pytest.approx(0.02, rel=0.1)
    assert float(state["visual.proj"].std()) == pytest.approx(WIDTH**-0.5, rel=0.1)
    assert one.fingerprint() != model.fingerprint()
