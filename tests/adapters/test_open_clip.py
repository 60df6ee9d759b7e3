"""OpenCLIP models: real code of open_clip on small random towers, and every configuration that must be refused."""

import json
import logging
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters import hub
from hiergeo.adapters import open_clip as checks
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.adapters.open_clip import OpenClipModel

open_clip = pytest.importorskip("open_clip")

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "layers": 2, "width": 32, "heads": 2},
}
NAMES = {"test-small": {}, "test-small-quickgelu": {"quick_gelu": True}, "test-wide": {"embed_dim": 24}}
TEXTS = ["a dog", "", "a brown dog on a table"]


@pytest.fixture(scope="module", autouse=True)
def architectures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    for name, change in NAMES.items():
        (folder / f"{name}.json").write_text(json.dumps({**CONFIG, **change}))
    open_clip.add_model_config(folder)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, architectures) -> Path:
    """Random weights, with larger ones in the blocks so that the two activations differ by far more than rounding."""
    torch.manual_seed(0)
    network = open_clip.create_model("test-small")
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "mlp" in name:
                weight.mul_(20)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 255, (2, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # whatever the environment says
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))


def _direct(arch: str, checkpoint: Path, pictures: list[Image.Image]) -> tuple[torch.Tensor, torch.Tensor]:
    network, _, transform = open_clip.create_model_and_transforms(arch)
    network.load_state_dict(load_file(checkpoint))
    network.eval()
    with torch.no_grad():
        text = network.encode_text(open_clip.get_tokenizer(arch)(TEXTS), normalize=True)
        image = network.encode_image(torch.stack([transform(p) for p in pictures]), normalize=True)
    return text, image


@pytest.mark.parametrize("arch", ["test-small", "test-small-quickgelu"])
def test_a_checkpoint_gives_what_open_clip_gives(arch, checkpoint, pictures):
    model = adapters.load(f"open_clip:{arch}/{checkpoint}")
    text, image = _direct(arch, checkpoint, pictures)
    torch.testing.assert_close(model.encode_text(TEXTS, batch_size=2), text, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.encode_image(pictures, batch_size=1), image, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.root(), text[1], atol=1e-6, rtol=0)
    assert (model.name, model.dim, model.has_images) == (f"open_clip:{arch}/{checkpoint}", 16, True)


def test_the_activation_is_seen_in_embeddings_and_fingerprint(checkpoint):
    plain = adapters.load(f"open_clip:test-small/{checkpoint}")
    quick = adapters.load(f"open_clip:test-small-quickgelu/{checkpoint}")
    assert (plain.encode_text(TEXTS) - quick.encode_text(TEXTS)).abs().max() > 1e-4
    assert plain.fingerprint() != quick.fingerprint()
    assert plain.fingerprint() == adapters.load(f"open_clip:test-small/{checkpoint}").fingerprint()


@pytest.mark.parametrize(
    ("arch", "trained_with_quick_gelu"), [("test-small", True), ("test-small", False), ("test-small-quickgelu", True)]
)
def test_a_tag_runs_the_activation_it_was_trained_with(
    arch, trained_with_quick_gelu, checkpoint, pictures, monkeypatch, no_network
):
    published = {"file": str(checkpoint), "quick_gelu": trained_with_quick_gelu, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, arch, {"sometag": published})
    model = adapters.load(f"open_clip:{arch}/sometag")
    expected = "test-small-quickgelu" if trained_with_quick_gelu else "test-small"
    text, image = _direct(expected, checkpoint, pictures)
    torch.testing.assert_close(model.encode_text(TEXTS), text, atol=1e-6, rtol=0)
    assert (model.encode_image(pictures) - image).abs().max() > 1e-3, "the tag's own mean and deviation were ignored"


def test_a_checkpoint_of_siglip_is_preprocessed_like_siglip():
    assert checks.preprocessing_of("ViT-B-16-SigLIP") == {
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.5, 0.5, 0.5),
        "image_interpolation": "bicubic",
        "image_resize_mode": "squash",
    }
    assert checks.preprocessing_of("test-small") == {}
    with pytest.warns(UserWarning, match="ViT-L-14 differ in preprocessing"):
        chosen = checks.preprocessing_of("ViT-L-14")
    assert chosen["image_mean"] == (0.48145466, 0.4578275, 0.40821073)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("ViT-B-33/openai", "unknown open_clip architecture 'ViT-B-33': did you mean"),
        ("ViT-B-32/openia", "unknown tag of ViT-B-32 'openia': did you mean 'openai'"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", r"write open_clip:ViT-B-32/laion2b_s34b_b79k"),
        ("test-small", "random weights"),
        ("test-small/", "random weights"),
        ("test-small/openai", "publishes no weights of 'test-small'"),
        ("test-small//absent.safetensors", "no checkpoint file"),
        ("local-dir:/absent", "no open_clip_config.json"),
    ],
)
def test_wrong_specs_are_refused(spec, complaint):
    with pytest.raises(InputError, match=complaint):
        adapters.load(f"open_clip:{spec}")


def test_a_checkpoint_of_another_architecture_is_named_weight_by_weight(checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"not a checkpoint of test-wide: .*size mismatch.*\[32, 16\].*\[32, 24\]"):
        adapters.load(f"open_clip:test-wide/{checkpoint}")
    weights = load_file(checkpoint)
    weights["head.weight"] = weights.pop("ln_final.weight")
    save_file(weights, tmp_path / "renamed.safetensors")
    with pytest.raises(InputError, match=r"Missing.*ln_final\.weight.*Unexpected.*head\.weight"):
        adapters.load(f"open_clip:test-small/{tmp_path / 'renamed.safetensors'}")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match=r"not a checkpoint of test-small"):
        adapters.load(f"open_clip:test-small/{tmp_path / 'foreign.safetensors'}")


@pytest.mark.parametrize("weight", ["positional_embedding", "visual.positional_embedding"])
def test_stretched_position_embeddings_are_refused(weight, checkpoint, tmp_path):
    weights = load_file(checkpoint)
    rows = {"positional_embedding": 8, "visual.positional_embedding": 10}[weight]
    weights[weight] = torch.randn(rows, 32)
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=rf"image size or context length.*{weight} is \[{rows}, 32\]"):
        adapters.load(f"open_clip:test-small/{tmp_path / 'other.safetensors'}")


def test_training_checkpoints_load_and_pickles_of_code_are_refused(checkpoint, tmp_path):
    wrapped = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in load_file(checkpoint).items()}}
    torch.save(wrapped, tmp_path / "epoch_3.pt")
    same, plain = (adapters.load(f"open_clip:test-small/{p}") for p in (tmp_path / "epoch_3.pt", checkpoint))
    assert torch.equal(same.encode_text(TEXTS), plain.encode_text(TEXTS))

    torch.save({"model": {"other": torch.ones(1)}, **wrapped}, tmp_path / "both.pt")
    assert "logit_scale" in checks.checkpoint_shapes(tmp_path / "both.pt")
    assert torch.equal(adapters.load(f"open_clip:test-small/{tmp_path / 'both.pt'}").root(), plain.root())

    torch.save({"state_dict": {}, "run": Path}, tmp_path / "code.pt")
    with pytest.raises(InputError, match="could run code and are refused"):
        adapters.load(f"open_clip:test-small/{tmp_path / 'code.pt'}")


def test_damaged_checkpoints_are_refused(checkpoint, tmp_path):
    whole = checkpoint.read_bytes()
    torch.save(load_file(checkpoint), tmp_path / "whole.pt")
    damaged = {
        "cut.safetensors": whole[: len(whole) // 2],
        "empty.safetensors": b"",
        "cut.pt": (tmp_path / "whole.pt").read_bytes()[: len(whole) // 2],
        "empty.pt": b"",
        "text.pt": b"no checkpoint at all",
        "list.pt": pickle.dumps([1, 2]),
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name) as caught:
            adapters.load(f"open_clip:test-small/{tmp_path / name}")
        assert "\n" not in str(caught.value)
    torch.save({"state_dict": {}}, tmp_path / "none.pt")
    with pytest.raises(InputError, match="holds no weights"):
        adapters.load(f"open_clip:test-small/{tmp_path / 'none.pt'}")


def test_a_folder_saved_by_open_clip_loads_and_one_without_weights_does_not(checkpoint, pictures, tmp_path):
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {**CONFIG, "quick_gelu": True}, "preprocess_cfg": preprocess})
    )
    with pytest.raises(InputError, match="cannot be loaded by open_clip"):
        adapters.load(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_model.safetensors").write_bytes(checkpoint.read_bytes())
    model = adapters.load(f"open_clip:local-dir:{tmp_path}")
    text, image = _direct("test-small-quickgelu", checkpoint, pictures)
    torch.testing.assert_close(model.encode_text(TEXTS), text, atol=1e-6, rtol=0)
    assert (model.encode_image(pictures) - image).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("spec", "wanted", "instead"),
    [
        ("ViT-B-32/openai", "'openai' of open_clip's ViT-B-32", "open_clip:ViT-B-32-quickgelu//path"),
        ("ViT-B-32/laion2b_s34b_b79k", "'laion2b_s34b_b79k'", "open_clip:ViT-B-32//path"),
        ("hf-hub:hiergeo-tests/absent", "'hiergeo-tests/absent'", "open_clip:local-dir:"),
    ],
)
def test_without_network_the_error_says_what_was_wanted_and_what_to_do(spec, wanted, instead, no_network):
    from huggingface_hub import constants

    with pytest.raises(UnavailableError) as caught:
        adapters.load(f"open_clip:{spec}")
    message = str(caught.value)
    assert wanted in message
    assert instead in message
    assert "\n" not in message
    assert constants.HF_HUB_OFFLINE is False


def test_loading_leaves_the_root_logger_alone(checkpoint):
    before = list(logging.getLogger().handlers)
    adapters.load(f"open_clip:test-small/{checkpoint}")
    assert logging.getLogger().handlers == before


def test_an_untrained_copy_has_an_untrained_text_tower(tmp_path):
    """A text tower of transformers that its configuration says to be pretrained."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    text = transformers.RobertaModel(transformers.RobertaConfig(vocab_size=50, max_position_embeddings=20, **sizes))
    text.save_pretrained(tmp_path / "text")
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1},
        "text_cfg": {
            "hf_model_name": str(tmp_path / "text"),
            "hf_model_pretrained": True,
            "hf_pooler_type": "mean_pooler",
        },
    }
    network = open_clip.CustomTextCLIP(**config)
    network.visual.preprocess_cfg = {}
    parts = {"tokenizer": None, "transform": None, "config": config}
    model = OpenClipModel("open_clip:mine", network, torch.device("cpu"), **parts)
    learnt = text.embeddings.word_embeddings.weight
    assert torch.equal(model.network.text.transformer.embeddings.word_embeddings.weight, learnt)
    made = adapters.untrained(model, 0)
    assert not torch.allclose(made.network.text.transformer.embeddings.word_embeddings.weight, learnt, atol=1e-3)
    assert config["text_cfg"]["hf_model_pretrained"] is True
    (tmp_path / "text" / "config.json").unlink()
    with pytest.raises(InputError, match="open_clip:mine cannot be built"):
        adapters.untrained(model, 0)


def test_an_untrained_copy_leaves_the_generators_of_accelerators_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("an accelerator was seeded"))
    model = adapters.load("tiny", device="cpu")
    before = torch.get_rng_state()
    adapters.untrained(model, 3)
    Head(HeadShape(3, 2), 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("card", "says"),
    [("tags: [hyperbolic-learning]", True), ("in the Lorentz model", True), ("Poincaré ball", True), ("a CLIP", False)],
)
def test_a_card_in_the_cache_of_the_hub_says_whether_its_space_is_curved(card, says, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--x"
    for folder in ("refs", "snapshots/abc"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc" / "README.md").write_text(card, encoding="utf-8")
    assert bool(hub.HYPERBOLIC.search(checks._card("hf-hub:org/x"))) is says
    assert checks._card("hf-hub:org/y") == checks._card("ViT-B-32/openai") == ""


@pytest.mark.parametrize("form", ["folder", "pickled folder", "file"])
def test_weights_that_bring_a_curvature_and_factors_bring_their_space(form, checkpoint, pictures, tmp_path):
    """The formulas of towers trained in a hyperboloid: -K = exp(curv), tangent vectors features * exp(alpha)."""
    numbers = {"curv": math.log(0.4), "visual_alpha": -0.7, "textual_alpha": -1.2}
    state = load_file(checkpoint) | {name: torch.tensor(value) for name, value in numbers.items()}
    file, spec = tmp_path / checks.WEIGHTS, f"local-dir:{tmp_path}"
    if form == "file":
        spec = f"test-small/{file}"
    else:
        (tmp_path / checks.CONFIG).write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    if form == "pickled folder":
        file = tmp_path / checks.PICKLED
        torch.save({"state_dict": state}, file)
    else:
        save_file(state, file)
    model = adapters.load(f"open_clip:{spec}")
    network, _, transform = open_clip.create_model_and_transforms("test-small")
    network.load_state_dict(load_file(checkpoint))
    with torch.no_grad():
        text = network.eval().encode_text(open_clip.get_tokenizer("test-small")(TEXTS)).double() * math.exp(-1.2)
        image = network.encode_image(torch.stack([transform(p) for p in pictures])).double() * math.exp(-0.7)
    assert torch.allclose(model.encode_text(TEXTS).double(), text, rtol=1e-6, atol=1e-6)
    assert torch.allclose(model.encode_image(pictures).double(), image, rtol=1e-6, atol=1e-6)
    space = model.native_space()
    assert space.geometry.value == pytest.approx(-0.4, rel=1e-6)
    assert not space.root.any()
    assert model.fingerprint() != adapters.load(f"open_clip:test-small/{checkpoint}").fingerprint()
    del state["textual_alpha"]
    save_file(state, file) if form != "pickled folder" else torch.save({"state_dict": state}, file)
    with pytest.raises(InputError, match="textual_alpha"):
        adapters.load(f"open_clip:{spec}")
