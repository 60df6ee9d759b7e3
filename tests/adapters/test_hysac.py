"""HySAC on made weights: towers of transformers under peft, and its formulas of lifting and traversal restated."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import adapters
from hiergeo._core.errors import InputError
from tests.adapters import meru_common as meru

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, within peft

SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
NUMBERS = {"curv": math.log(0.7), "visual_alpha": -0.9, "textual_alpha": -0.2}
BOUNDS = {"S": {"up_95": 0.6}, "V": {"up_95": 0.9}}
TEXTS = ["a red circle", "", "Two Dogs, playing!", "dog " * 100]


@pytest.fixture(scope="module")
def towers():
    """Both towers with adapters whose factors are not zero, as training leaves them."""
    torch.manual_seed(0)
    text = transformers.CLIPTextConfig(
        **SIZES, vocab_size=meru.VOCABULARY, projection_dim=24, bos_token_id=49406, eos_token_id=49407
    )
    vision = transformers.CLIPVisionConfig(**SIZES, image_size=28, patch_size=14, projection_dim=24)
    parts = {
        "visual": transformers.CLIPVisionModelWithProjection(vision),
        "textual": transformers.CLIPTextModelWithProjection(text),
    }
    modules = ["k_proj", "v_proj", "out_proj", "fc1", "fc2", "patch_embedding"]
    config = peft.LoraConfig(r=16, lora_alpha=1, target_modules=modules, lora_dropout=0.1, bias="none")
    adapted = {name: peft.get_peft_model(part, config).eval() for name, part in parts.items()}
    with torch.no_grad():
        for part in adapted.values():
            for name, weight in part.named_parameters():
                if "lora_" in name:
                    weight.normal_(std=0.3)
    return adapted


def folder(where: Path, towers, **changed) -> Path:
    state = {f"{kind}.{name}": weight for kind, part in towers.items() for name, weight in part.state_dict().items()}
    state |= {name: torch.tensor(value) for name, value in {**NUMBERS, "logit_scale": 2.0}.items()}
    state |= {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1), **changed}
    torch.save({name: weight for name, weight in state.items() if weight is not None}, where / "hysac_model.pth")
    (where / "hysac_bounds.json").write_text(json.dumps(BOUNDS))
    return where


def test_rows_are_the_projected_features_times_the_factor_of_their_modality(towers, tmp_path):
    model = adapters.load(f"hysac:{folder(tmp_path, towers)}", device="cpu")
    tokens = model.tokenizer(TEXTS)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (56, 84, 3), dtype=np.uint8))
    with torch.no_grad():
        text = towers["textual"](input_ids=tokens).text_embeds * math.exp(NUMBERS["textual_alpha"])
        pixels = model.transform(picture)[None]
        image = towers["visual"](pixel_values=pixels).image_embeds * math.exp(NUMBERS["visual_alpha"])
    assert (model.encode_text(TEXTS) - text).abs().max() < 1e-6 * text.abs().max()
    assert (model.encode_image([picture]) - image).abs().max() < 1e-6 * image.abs().max()
    processed = transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=28)(picture, return_tensors="pt")
    assert (pixels - processed["pixel_values"]).abs().max() < 0.02
    space = model.native_space()
    assert space.geometry.value == pytest.approx(-0.7, rel=1e-6)
    assert not space.root.any()


@pytest.mark.parametrize("kind", ["text", "image"])
def test_traversal_stops_at_the_bound_of_safe_inputs(kind, towers, tmp_path):
    """The published traversal, on space components: x -> b x / |x| where the distance from the origin is beyond b."""
    model = adapters.load(f"hysac:{folder(tmp_path, towers)}", device="cpu")
    rows = torch.nn.functional.normalize(torch.randn(8, 24, generator=torch.Generator().manual_seed(0)), dim=1)
    rows = (rows * torch.linspace(0.1, 4, 8)[:, None]).double()
    c, upper = 0.7, BOUNDS["S" if kind == "text" else "V"]["up_95"]
    bound = upper + (math.tanh((upper - 0.8) / c) + 1)
    length = rows.norm(dim=1, keepdim=True)
    space = torch.sinh(math.sqrt(c) * length) * rows / (math.sqrt(c) * length)
    distance = torch.acosh(torch.sqrt(1 + c * space.square().sum(1, keepdim=True))) / math.sqrt(c)
    expected = torch.where(distance > bound, bound * space / space.norm(dim=1, keepdim=True), space)
    moved = model.to_safe(rows, kind)
    length = moved.norm(dim=1, keepdim=True)
    found = torch.sinh(math.sqrt(c) * length) * moved / (math.sqrt(c) * length)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert (distance > bound).any()
    assert torch.equal(moved[0], rows[0])


def test_incomplete_files_are_refused(towers, tmp_path):
    key = "visual.base_model.model.vision_model.encoder.layers.1.mlp.fc1"
    for changed, named in (
        ({"curv": None}, "curv"),
        ({f"{key}.lora_A.default.weight": None}, "adapter of"),
        ({f"{key}.base_layer.bias": None}, "fc1.bias"),
        ({"visual.base_model.model.more": torch.zeros(2)}, "more"),
        ({"visual.base_model.model.visual_projection.weight": None}, "visual_projection"),
    ):
        with pytest.raises(InputError, match=named):
            adapters.load(f"hysac:{folder(tmp_path, towers, **changed)}", device="cpu")
    (folder(tmp_path, towers) / "hysac_bounds.json").write_text('{"S": {}}')
    with pytest.raises(InputError, match="hysac_bounds"):
        adapters.load(f"hysac:{tmp_path}", device="cpu")
