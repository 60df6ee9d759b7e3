"""Models by the names that people give them: folders and files of every layout, and names on the hub."""

import json
from pathlib import Path

import pytest

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters.loading import check_spec, named
from tests.adapters.huggingface_common import FAMILIES
from tests.training.clip_common import trained
from tests.training.training_common import chains, stored


@pytest.mark.parametrize("family", ["clip", "siglip2"])
def test_a_folder_of_transformers(tmp_path, family) -> None:
    pytest.importorskip("transformers")
    for part in FAMILIES[family]():
        part.save_pretrained(tmp_path)
    assert type(adapters.load(str(tmp_path))) is type(adapters.load(f"hf:{tmp_path}"))


def test_a_folder_of_sentence_transformers(tmp_path) -> None:
    library = pytest.importorskip("sentence_transformers")
    for part in FAMILIES["clip"]():
        part.save_pretrained(tmp_path / "clip")
    library.SentenceTransformer(str(tmp_path / "clip"), device="cpu").save(str(tmp_path / "embedder"))
    assert named(str(tmp_path / "embedder")) == f"sentence-transformers:{tmp_path}/embedder"
    assert adapters.load(str(tmp_path / "embedder")).encode_text(["a dog"]).shape[0] == 1


def test_folders_of_trainings_and_of_open_clip(tmp_path) -> None:
    from hiergeo.geometry import Lorentz
    from hiergeo.training import save_head, train_head
    from tests.training.training_common import FAST

    made = trained(tmp_path / "clip")
    assert adapters.load(str(tmp_path / "clip")).name == adapters.load(made.spec).name
    (tmp_path / "clip" / "hiergeo.json").unlink()
    assert named(str(tmp_path / "clip")) == f"open_clip:local-dir:{tmp_path}/clip"
    base = stored(tmp_path / "base.npz")
    assert adapters.load(str(tmp_path / "base.npz")).fingerprint() == base.fingerprint()
    save_head(train_head(chains(), Lorentz(-0.5), FAST), chains(), tmp_path / "head")
    assert named(str(tmp_path / "head")) == f"head:{tmp_path}/head"


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("google/siglip2-base-patch16-224", "hf:"),
        ("openai/clip-vit-base-patch32", "hf:"),
        ("facebook/metaclip-b32-400m", "hf:"),
        ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip:hf-hub:"),
        ("timm/ViT-B-16-SigLIP", "open_clip:hf-hub:"),
        ("imageomics/bioclip-hc-hyperbolic", "open_clip:hf-hub:"),
        ("Qwen/Qwen3-VL-Embedding-2B", "sentence-transformers:"),
        ("BAAI/bge-m3", "sentence-transformers:"),
        ("all-MiniLM-L6-v2", "sentence-transformers:sentence-transformers/"),
        ("Hierarchy-Transformers/HiT-MiniLM-L12-WordNetNoun", "hit:"),
        ("ViT-B-32/openai", "open_clip:"),
    ],
)
def test_names_on_the_hub(name: str, spec: str) -> None:
    assert named(name) == spec + name


def test_what_does_not_tell_its_adapter_says_what_to_write(tmp_path: Path) -> None:
    for name in ("org/some-model", "ViT-B-32"):
        with pytest.raises(InputError, match=rf"write .*{name}"):
            check_spec(name)
    weights = tmp_path / "own.pt"
    weights.write_bytes(b"weights")
    with pytest.raises(InputError, match=rf"open_clip:ARCH/{weights}"):
        check_spec(str(weights))
    with pytest.raises(UnavailableError, match="absent"):
        check_spec("./absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty"):
        check_spec(str(tmp_path / "empty"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert named(str(tmp_path)) == f"hf:{tmp_path}"
