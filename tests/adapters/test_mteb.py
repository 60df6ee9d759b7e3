"""Models of mteb: a stub with its encode interface, and a stub of the package around it."""

import sys
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters.mteb import MtebModel
from hiergeo.testing import AdapterConformance

TASK = object()
DIM = 5


class Encoder:
    """What mteb calls an encoder: a loader of batches in, an array out."""

    def __init__(self, model_name: str = "stub", revision: str | None = None, **kwargs: Any) -> None:
        self.model = nn.Linear(48, DIM, bias=False)
        nn.init.constant_(self.model.weight, 0)
        with torch.no_grad():
            self.model.weight += torch.arange(DIM * 48).view(DIM, 48).sin()
        self.calls: list[Any] = []

    def encode(
        self,
        inputs: Iterable[dict[str, list[Any]]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> np.ndarray:
        self.calls.append((task_metadata, hf_split, hf_subset, prompt_type))
        rows = []
        for batch in inputs:
            if "text" in inputs.dataset.features:  # type: ignore[attr-defined]  # a double
                rows += [bytes_of(text.encode()) for text in batch["text"]]
            else:
                rows += [bytes_of(np.asarray(picture.resize((4, 4))).tobytes()) for picture in batch["image"]]
        return self.model(torch.tensor(rows)).numpy()


def bytes_of(content: bytes) -> list[float]:
    return [byte / 255 + 0.01 for byte in (content + b"\1" + bytes(48))[:48]]


def fake_mteb(meta: Any) -> ModuleType:
    """The part of the package that the adapter uses."""

    def get_model_meta(name: str, revision: str | None = None) -> Any:
        if name != "org/stub":
            raise KeyError(f"Model '{name}' not found in MTEB registry. Did you mean: 'org/stub'?")
        return meta

    made = ModuleType("mteb")
    made.get_model_meta = get_model_meta  # type: ignore[attr-defined]  # a double
    made.get_task = lambda name: SimpleNamespace(metadata=TASK)  # type: ignore[attr-defined]  # a double
    return made


def meta(**changes: Any) -> Any:
    def load_model(device: str) -> Encoder:
        assert device == "cpu"
        return Encoder()

    facts = {"modalities": ["image", "text"], "revision": "abc", "loader_kwargs": {}, "load_model": load_model}
    return SimpleNamespace(**{**facts, **changes})


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mteb", fake_mteb(meta()))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


class TestStub(AdapterConformance):
    spec = "mteb:org/stub"
    texts = ("a dog", "a cat", "a wet dog", "two cats", "a bird")

    def make(self) -> adapters.Model:
        return adapters.load(self.spec, device="cpu")


def test_rows_are_those_of_the_encoder():
    encoder = Encoder()
    model = MtebModel("mteb:made", encoder, meta(), TASK)
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "teal", "gold")]
    weight = encoder.model.weight.detach().double().numpy()
    raw = np.array([bytes_of(np.asarray(picture.resize((4, 4))).tobytes()) for picture in pictures]) @ weight.T
    rows = model.encode_image(pictures, batch_size=2).numpy()
    np.testing.assert_allclose(rows, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)
    assert set(encoder.calls) == {(TASK, "test", "default", None)}
    raw = np.array([bytes_of(b"")]) @ weight.T
    np.testing.assert_allclose(model.root().numpy(), raw[0] / np.linalg.norm(raw), atol=1e-6)


def test_the_fingerprint_follows_revision_and_weights():
    def of(revision: str, change: float = 0.0) -> str:
        encoder = Encoder()
        with torch.no_grad():
            encoder.model.weight[0, 0] += change
        return MtebModel("mteb:made", encoder, meta(revision=revision), TASK).fingerprint()

    assert of("a") == of("a")
    assert len({of("a"), of("b"), of("a", 1.0)}) == 3


def test_what_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="Did you mean"):
        adapters.load("mteb:org/stubb", device="cpu")

    def refused(error: type[Exception], complaint: str, **changes: Any) -> None:
        monkeypatch.setitem(sys.modules, "mteb", fake_mteb(meta(**changes)))
        with pytest.raises(error, match=complaint):
            adapters.load("mteb:org/stub", device="cpu")

    def raises(error: Exception) -> Any:
        def load_model(device: str) -> None:
            raise error

        return load_model

    refused(InputError, "encode", load_model=lambda device: object())
    refused(InputError, "audio", modalities=["audio"])
    refused(InputError, "trust_remote_code", loader_kwargs={"trust_remote_code": True})
    refused(UnavailableError, "open_clip_torch", load_model=raises(ImportError("install open_clip_torch")))
    refused(UnavailableError, "hf:PATH", load_model=raises(OSError("no connection")))
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(UnavailableError, match=r"hiergeo\[mteb\]"):
        adapters.load("mteb:org/stub", device="cpu")
