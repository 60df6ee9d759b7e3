"""transformers models: small random ones of each family, saved and loaded as any other."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters import hub
from hiergeo.adapters.model import weights_digest
from tests.adapters.huggingface_common import FAMILIES, LENGTH

transformers = pytest.importorskip("transformers")

TEXTS = ["a dog", "", "a brown dog on a table"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hf")
    for name, build in FAMILIES.items():
        torch.manual_seed(0)
        network, processor = build()
        network.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
    return {name: folder / name for name in FAMILIES}


@pytest.fixture
def clip(saved, tmp_path) -> Path:
    """A copy of the CLIP folder to spoil."""
    copy = tmp_path / "clip"
    copy.mkdir()
    for file in saved["clip"].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture
def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


def _forward(folder: Path, pictures: list[Image.Image], **padding: object) -> tuple[torch.Tensor, torch.Tensor]:
    """What the model's own forward pass says, which normalises the embeddings itself."""
    network = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    with torch.no_grad():
        output = network(**processor(text=TEXTS, images=pictures, return_tensors="pt", **padding))
    return output.text_embeds, output.image_embeds


@pytest.mark.parametrize(
    ("family", "padding"),
    [
        ("clip", {"padding": True, "truncation": True, "max_length": LENGTH}),
        ("siglip", {"padding": "max_length", "truncation": True, "max_length": LENGTH}),
        ("siglip2", {"padding": "max_length", "truncation": True, "max_length": LENGTH}),
        ("align", {"padding": "max_length", "truncation": True, "max_length": 64}),
    ],
)
def test_embeddings_are_those_of_the_forward_pass(family, padding, saved, pictures):
    model = adapters.load(f"hf:{saved[family]}")
    text, image = _forward(saved[family], pictures, **padding)
    torch.testing.assert_close(model.encode_text(TEXTS, batch_size=2), text, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_image(pictures, batch_size=2), image, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.root(), text[1], atol=1e-5, rtol=0)
    assert model.dim == text.shape[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_embedding_does_not_depend_on_its_batch(family, saved):
    model = adapters.load(f"hf:{saved[family]}")
    alone = torch.cat([model.encode_text([text]) for text in TEXTS])
    torch.testing.assert_close(model.encode_text(TEXTS), alone, atol=1e-5, rtol=0)


def test_half_precision_weights_run_in_single_precision(clip):
    save_file({name: w.half() for name, w in load_file(clip / "model.safetensors").items()}, clip / "model.safetensors")
    config = json.loads((clip / "config.json").read_text())
    (clip / "config.json").write_text(json.dumps({**config, "dtype": "float16", "torch_dtype": "float16"}))
    assert adapters.load(f"hf:{clip}").encode_text(TEXTS).isfinite().all()


def test_a_partial_checkpoint_is_refused(clip):
    whole = load_file(clip / "model.safetensors")
    missing = {name: w for name, w in whole.items() if name != "text_projection.weight"}
    for weights, complaint in (
        (missing, r"1 missing weights, such as text_projection\.weight"),
        (whole | {"extra.weight": torch.zeros(2)}, r"1 unexpected weights, such as extra\.weight"),
        (whole | {"text_projection.weight": torch.zeros(16, 30)}, "cannot be loaded|mismatched"),
    ):
        save_file(weights, clip / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(InputError, match=complaint) as caught:
            adapters.load(f"hf:{clip}")
        assert "\n" not in str(caught.value)


def test_a_model_without_its_processor_is_refused(clip):
    for name in ("processor_config.json", "preprocessor_config.json"):
        (clip / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match="processor"):
        adapters.load(f"hf:{clip}")


def test_weights_without_a_processor_take_that_of_another_model(saved, clip, pictures):
    """As HierarCaps' fine-tuned CLIP, whose authors evaluate it with the processor of the model they began with."""
    for file in clip.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    with pytest.raises(InputError):
        adapters.load(f"hf:{clip}")
    model, whole = (adapters.load(f"hf:{spec}") for spec in (f"{clip}?processor={saved['clip']}", saved["clip"]))
    assert torch.equal(model.encode_text(TEXTS), whole.encode_text(TEXTS))
    assert torch.equal(model.encode_image(pictures), whole.encode_image(pictures))
    with pytest.raises(InputError, match="did you mean 'processor'"):
        adapters.load(f"hf:{clip}?procesor=x")


def test_other_kinds_of_model_are_refused(tmp_path):
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"of type 'bert'; hf: loads clip, siglip, siglip2, align"):
        adapters.load(f"hf:{tmp_path}")
    with pytest.raises(InputError, match="no folder /absent"):
        adapters.load("hf:/absent")


def test_without_network_the_error_says_what_was_wanted_and_what_to_do(monkeypatch):
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    with pytest.raises(UnavailableError, match=r"the model 'hiergeo-tests/absent'.*hf:/path/to/folder") as caught:
        adapters.load("hf:hiergeo-tests/absent")
    assert "\n" not in str(caught.value)


def test_a_missing_package_names_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnavailableError, match=r"pip install 'hiergeo\[hf\]'"):
        adapters.load("hf:any/name")


def test_the_tokenizer_of_a_named_processor_is_part_of_the_fingerprint(saved, tmp_path):
    """Two processors that prepare images alike and texts otherwise; without the option the fingerprint stays."""
    for name, end in (("a", "<e>"), ("b", "<s>")):
        processor = transformers.AutoProcessor.from_pretrained(saved["clip"])
        processor.tokenizer.pad_token = end
        processor.save_pretrained(tmp_path / name)
    models = [adapters.load(f"hf:{saved['clip']}?processor={tmp_path / name}") for name in ("a", "b")]
    assert models[0].preprocessing == models[1].preprocessing
    assert models[0].fingerprint() != models[1].fingerprint()
    models[0].encode_text(TEXTS)
    assert adapters.load(models[0].name).fingerprint() == models[0].fingerprint()
    plain = adapters.load(f"hf:{saved['clip']}")
    assert plain.fingerprint() == weights_digest(plain.network, plain.preprocessing)[:16]


def test_pickled_weights_are_fetched_only_where_there_are_no_others(saved, monkeypatch, tmp_path):
    asked = []

    def download(name, allow_patterns, **_):
        asked.append("*.bin" in allow_patterns)
        return tmp_path if name == "org/old" else saved["clip"]

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    hub.folder_of("org/new", "x")
    assert asked == [False]
    hub.folder_of("org/old", "x")
    assert asked == [False, False, True]
