"""hyper3-CLIP folders: image towers against numpy, the text tower against the CLIP of transformers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hiergeo import adapters
from hiergeo._core.errors import InputError
from tests.adapters import meru_common as meru

transformers = pytest.importorskip("transformers")

WIDTH, HEADS, TEXT_WIDTH, DIM = 192, 3, 128, 16
TEXTS = ["a red circle", "", "Two Dogs, playing!", "dog " * 100]
NUMBERS = {"log_curv": math.log(0.6), "visual_alpha": -0.8, "textual_alpha": -0.3}
CONFIG = {
    "vision_backbone": "vit_tiny_patch16_224",
    "vision_norm_layer": "layer_norm",
    "text_model_name": "openai/clip-vit-base-patch32",
    "embed_dim": DIM,
    "curv_init": 1.0,
}


@pytest.fixture(scope="module")
def text_model():
    torch.manual_seed(0)
    sizes = {"hidden_size": TEXT_WIDTH, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPTextConfig(
        **sizes, vocab_size=meru.VOCABULARY, hidden_act="quick_gelu", bos_token_id=49406, eos_token_id=49407
    )
    return transformers.CLIPTextModel(config).eval()


@pytest.fixture(scope="module")
def state(text_model):
    vision = meru.state(DIM, width=WIDTH)
    held = {f"vision_encoder.backbone.{n[7:]}": w for n, w in vision.items() if n.startswith("visual.")}
    held |= {f"text_encoder.backbone.{name}": weight for name, weight in text_model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for name, width in (("image_proj", WIDTH), ("text_proj", TEXT_WIDTH)):
        held[f"{name}.weight"] = torch.randn(DIM, width, generator=generator) * 0.2
        held[f"{name}.bias"] = torch.randn(DIM, generator=generator) * 0.2
    held |= {name: torch.tensor(value) for name, value in NUMBERS.items()}
    return held | {"logit_scale": torch.tensor(2.0), "query_pooling.mlp_norm.weight": torch.ones(WIDTH)}


def folder(where: Path, state, config=None, **changed) -> Path:
    where.mkdir(exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in state.items()}, where / "model.safetensors")
    (where / "config.json").write_text(json.dumps({**CONFIG, **(config or {}), **changed}))
    return where


def pictures():
    return (np.random.default_rng(0).random((3, meru.SIDE, meru.SIDE, 3)) * 255).astype(np.uint8)


def image_rows(state, eps, *, average):
    held = {n.replace("vision_encoder.backbone", "visual"): w.double().numpy() for n, w in state.items()}
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = ((pictures() / 255 - mean) / std).transpose(0, 3, 1, 2)
    x = meru.image_tokens(held, pixels, HEADS, eps)
    pooled = meru.layer_norm(held, "visual.fc_norm", x[:, 1:].mean(1), eps) if average else None
    pooled = meru.layer_norm(held, "visual.norm", x, eps)[:, 0] if pooled is None else pooled
    return meru.linear(held, "image_proj", pooled) * math.exp(NUMBERS["visual_alpha"])


def test_texts_are_those_of_clip_with_its_own_activation(tmp_path, state, text_model):
    model = adapters.load(f"hyper3:{folder(tmp_path, state)}", device="cpu")
    tokens = model.tokenizer(TEXTS)
    with torch.no_grad():
        pooled = text_model(input_ids=tokens).pooler_output
    expected = (pooled @ state["text_proj.weight"].T + state["text_proj.bias"]) * math.exp(NUMBERS["textual_alpha"])
    assert torch.allclose(model.encode_text(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(("norm", "eps"), [("layer_norm", 1e-5), (None, 1e-6)])
def test_images_of_the_papers_model(tmp_path, state, norm, eps):
    model = adapters.load(f"hyper3:{folder(tmp_path, state, vision_norm_layer=norm)}")
    assert np.abs(model.encode_image(list(pictures())).numpy() - image_rows(state, eps, average=False)).max() < 2e-5
    assert {module.eps for module in model.network.visual.modules() if isinstance(module, torch.nn.LayerNorm)} == {eps}


def test_images_of_the_published_model_are_averaged(tmp_path, state):
    averaged = {name.replace("backbone.norm", "backbone.fc_norm"): weight for name, weight in state.items()}
    model = adapters.load(f"hyper3:{folder(tmp_path, averaged)}")
    expected = image_rows(averaged, 1e-5, average=True)
    assert np.abs(model.encode_image(list(pictures())).numpy() - expected).max() < 2e-5


def test_the_space_is_the_one_it_learnt_within_the_bounds_of_its_training(tmp_path, state):
    space = adapters.load(f"hyper3:{folder(tmp_path, state)}").native_space()
    assert (space.geometry.value, space.min_radius) == (pytest.approx(-0.6), 0.1)
    assert not space.root.any()
    clamped = adapters.load(f"hyper3:{folder(tmp_path, state, curv_init=0.01)}").native_space()
    assert clamped.geometry.value == pytest.approx(-0.1)


def test_rows_are_tangent_vectors_of_its_points(tmp_path, state):
    """[time, space] as its code computes them, from the rows here."""
    model = adapters.load(f"hyper3:{folder(tmp_path, state)}")
    rows = model.encode_text(TEXTS).double()
    scaled = math.sqrt(0.6) * rows.norm(dim=1, keepdim=True)
    points = torch.cat([scaled.cosh() / math.sqrt(0.6), scaled.sinh() * rows / scaled], dim=1)
    assert torch.allclose(model.native_space().to_ambient(rows.float()).double(), points, rtol=1e-5, atol=1e-5)


def test_names_of_transformers_4_are_read(tmp_path, state):
    older = {
        name.replace("text_encoder.backbone.", "text_encoder.backbone.text_model."): weight
        for name, weight in state.items()
    }
    older["text_encoder.backbone.text_model.embeddings.position_ids"] = torch.arange(77)
    one, two = folder(tmp_path / "a", state), folder(tmp_path / "b", older)
    rows = [adapters.load(f"hyper3:{where}").encode_text(TEXTS) for where in (one, two)]
    assert torch.equal(*rows)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image_proj.bias": None}, "textual_proj.bias"),
        ({"text_encoder.backbone.encoder.layers.1.self_attn.k_proj.bias": None}, "k_proj"),
        (
            {f"text_encoder.backbone.encoder.layers.1.self_attn.{part}_proj.bias": torch.tensor(1.0) for part in "qkv"},
            "layers|resblocks.1.self_attn",
        ),
        ({"vision_encoder.backbone.extra": torch.ones(1)}, "extra"),
        ({"log_curv": torch.tensor(float("nan"))}, "log_curv"),
        ({"log_curv": torch.ones(2)}, "log_curv"),
        ({"visual_alpha": torch.tensor(1)}, "int64"),
        ({"vision_encoder.backbone.cls_token": torch.ones(1, 1, 191)}, "width 191"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, state, changed, said):
    held = {name: weight for name, weight in {**state, **changed}.items() if weight is not None}
    with pytest.raises(InputError, match=said):
        adapters.load(f"hyper3:{folder(tmp_path, held)}")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"vision_backbone": "hf-hub:somebody/else"}, "hf-hub:somebody/else"),
        ({"vision_backbone": "vit_base_patch16_224"}, "of width 192"),
        ({"vision_norm_layer": "rms"}, "vision_norm_layer"),
        ({"curv_init": -1}, "curv_init"),
        ({"image_normalization": "none"}, "image_normalization"),
        ({"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_configurations_that_do_not_fit_are_named(tmp_path, state, config, said):
    with pytest.raises(InputError, match=said):
        adapters.load(f"hyper3:{folder(tmp_path, state, config)}")


def test_weights_of_other_families_and_missing_configurations_are_refused(tmp_path, state):
    for weights in ({"text_model.x": torch.ones(1)}, {"visual.unc_embedding": torch.ones(1)}, meru.state()):
        held = {name: weight for name, weight in weights.items() if weight.is_floating_point()}
        with pytest.raises(InputError, match=r"model\.safetensors"):
            adapters.load(f"hyper3:{folder(tmp_path, held)}")
    where = folder(tmp_path, state)
    (where / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json"):
        adapters.load(f"hyper3:{where}")
    for spec in ("hyper3:/nowhere", f"hyper3:{where}?heads=3"):
        with pytest.raises(InputError):
            adapters.load(spec)


def test_an_untrained_copy_has_the_same_towers(tmp_path, state):
    averaged = {name.replace("backbone.norm", "backbone.fc_norm"): weight for name, weight in state.items()}
    model = adapters.load(f"hyper3:{folder(tmp_path, averaged, vision_norm_layer=None)}")
    made = adapters.untrained(model, 0)
    found, expected = made.network.state_dict(), model.network.state_dict()
    assert {name: weight.shape for name, weight in found.items()} == {n: w.shape for n, w in expected.items()}
    assert made.network.shape == model.network.shape
    assert made.encode_image(list(pictures())).isfinite().all()
    assert not torch.allclose(made.encode_text(TEXTS), model.encode_text(TEXTS), atol=1e-3)


def test_a_repository_of_the_hub_is_loaded_by_name(tmp_path, state, monkeypatch):
    asked = []
    home = folder(tmp_path / "x", state)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: asked.append(name) or str(home))
    for spec in ("hyper3:hf-hub:org/name", "hyper3:org/name"):
        assert adapters.load(spec).fingerprint() == adapters.load(f"hyper3:{home}").fingerprint()
    assert asked == ["org/name"] * 2
