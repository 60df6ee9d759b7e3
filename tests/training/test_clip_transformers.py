"""Towers of transformers in trainings: CLIP and SigLIP, from folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.adapters.model import Model, NetworkModel
from tests.adapters.huggingface_common import FAMILIES, transformers
from tests.training.clip_common import trained

pytest.importorskip("accelerate")


def folder_of(kind: str, place: Path) -> Path:
    torch.manual_seed(0)
    network, processor = FAMILIES[kind]()
    network.save_pretrained(place)
    processor.save_pretrained(place)
    return place


def network_of(model: Model) -> Any:
    assert isinstance(model, NetworkModel)
    return model.network


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_towers_are_trained_and_the_folder_is_a_model_of_both_libraries(kind: str, tmp_path: Path):
    source = folder_of(kind, tmp_path / "source")
    made = trained(tmp_path / "a", model=f"hf:{source}", learning_rate=1e-2, chunk=3)
    model, texts = adapters.load(made.spec), ["an eagle", "two birds"]
    space = model.native_space()
    assert space.geometry.value == pytest.approx(made.history[-1].curvature[0], rel=1e-6)
    described = json.loads((tmp_path / "a" / "hiergeo.json").read_text())
    network = transformers.AutoModel.from_pretrained(tmp_path / "a").eval()
    processor = transformers.AutoProcessor.from_pretrained(tmp_path / "a")
    options: dict[str, Any] = {"padding": "max_length", "max_length": 16, "truncation": True, "return_tensors": "pt"}
    with torch.no_grad():
        rows = network.get_text_features(**processor(text=texts, **options)).pooler_output
    torch.testing.assert_close(model.encode_text(texts), described["factors"][1] * rows, rtol=1e-4, atol=1e-6)
    before = transformers.AutoModel.from_pretrained(source).state_dict()
    after = network.state_dict()
    assert after.keys() == before.keys()
    for side in ("text_model.", "vision_model."):
        moved = [name for name in after if name.startswith(side) and not torch.equal(after[name], before[name])]
        assert len(moved) > 10, side
    scale = float(after["logit_scale"].exp())
    assert scale == pytest.approx(1 / described["temperature"], rel=1e-5)


def test_a_training_begins_with_what_the_model_embeds(tmp_path: Path):
    """Tokens, padding and pictures reach the towers as the adapter gives them."""
    source = folder_of("clip", tmp_path / "source")
    made = trained(tmp_path / "a", model=f"hf:{source}", steps=1, learning_rate=1e-12)
    before, after = adapters.load(f"hf:{source}"), adapters.load(made.spec)
    after.normalised = True
    texts = ["an eagle", "a", "two birds"]
    torch.testing.assert_close(after.encode_text(texts), before.encode_text(texts), rtol=0, atol=1e-5)
    pictures = [torch.randint(0, 255, (40, 50, 3), dtype=torch.uint8) for _ in range(3)]
    torch.testing.assert_close(after.encode_image(pictures), before.encode_image(pictures), rtol=0, atol=1e-5)
    copy = adapters.untrained(after, 1)
    assert copy.native_space().geometry.spec == after.native_space().geometry.spec
    assert not torch.allclose(copy.encode_text(texts), after.encode_text(texts), atol=1e-2)


@pytest.mark.slow
def test_fresh_weights_low_rank_adapters_and_another_training(tmp_path: Path):
    source = folder_of("clip", tmp_path / "source")
    plan: dict[str, Any] = {"model": f"hf:{source}", "lora": 2, "fresh": True}
    plan |= {"steps": 1, "every": 1, "learning_rate": 1e-2}
    made = trained(tmp_path / "a", **plan)
    start = network_of(adapters.untrained(adapters.load(f"hf:{source}"), 0)).state_dict()
    after = network_of(adapters.load(made.spec)).towers.network.state_dict()
    assert after.keys() == start.keys()
    moved = {name for name in after if not torch.equal(after[name], start[name])}
    assert moved
    layers = {name.rpartition(".")[0].rpartition(".")[2] for name in moved - {"logit_scale"}}
    assert layers == {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "text_projection", "visual_projection"}
    trained(tmp_path / "a", steps=1, overwrite=True)  # towers of open_clip in the same folder
    assert network_of(adapters.load(made.spec)).towers.logit_scale.ndim == 0
    assert "open_clip" in json.loads((tmp_path / "a" / "hiergeo.json").read_text())["weights"]


@pytest.mark.parametrize("kind", ["align", "siglip2"])
def test_other_families_are_refused(kind: str, tmp_path: Path):
    source = folder_of(kind, tmp_path / "source")
    with pytest.raises(InputError, match=kind):
        trained(tmp_path / "a", model=f"hf:{source}", steps=1)
    assert not (tmp_path / "a" / "hiergeo.json").exists()
