"""The suite of adapters: our own pass, broken ones fail."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import adapters
from hiergeo.adapters import Model
from hiergeo.testing import AdapterConformance
from tests.testing.conformance_common import failures
from tests.training.training_common import captions, stored

SCENES = ("an animal", "a bird", "an owl", "a small brown owl on a white background", "two birds")


class TestTiny(AdapterConformance):
    spec = "tiny"
    texts = SCENES

    def make(self) -> Model:
        return adapters.load("tiny", device="cpu")


class TestStored(AdapterConformance):
    texts = captions()[:8]
    reads_files = False

    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Any) -> None:
        self.path = tmp_path / "stored.npz"
        stored(self.path)

    def make(self) -> Model:
        return adapters.load(f"npz:{self.path}")

    def images(self) -> list[Any]:
        return [f"{number}.jpg" for number in range(3)]


class Constant(Model):
    """Embeds everything alike."""

    name, has_images, preprocessing = "constant", False, "none"

    def fingerprint(self) -> str:
        return "0"

    def check_texts(self, texts: Any) -> None: ...

    def check_images(self, images: Any) -> None: ...

    def text_rows(self, texts: Any) -> Tensor:
        return torch.ones(len(texts), 4)

    def image_rows(self, images: Any) -> Tensor:
        raise NotImplementedError


class Hashed(Constant):
    """Embeds texts one by one, as random vectors that depend on the text alone."""

    def text_rows(self, texts: Any) -> Tensor:
        seeds = (sum(map(ord, text)) * 31 + len(text) for text in texts)
        return torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


class Restless(Hashed):
    """Its fingerprint changes by itself, and it turns gradients off."""

    count = 0

    def fingerprint(self) -> str:
        Restless.count += 1
        return str(self.count)

    def text_rows(self, texts: Any) -> Tensor:
        torch.set_grad_enabled(False)
        return super().text_rows(texts)


class Aging(Hashed):
    """Its fingerprint changes when it embeds."""

    age = 0

    def fingerprint(self) -> str:
        return str(self.age)

    def text_rows(self, texts: Any) -> Tensor:
        self.age += 1
        return super().text_rows(texts)


class Born(Hashed):
    """Its fingerprint is another one for each object."""

    count = 0

    def __init__(self) -> None:
        Born.count += 1
        self.number = Born.count

    def fingerprint(self) -> str:
        return str(self.number)


def changed(**attributes: Any) -> type[Model]:
    """A class of `Hashed` with other attributes; ``rows`` and ``encoded`` change what it makes of texts."""
    if rows := attributes.pop("rows", None):
        attributes["text_rows"] = lambda self, texts: rows(Hashed.text_rows(self, texts))
    if encoded := attributes.pop("encoded", None):
        attributes["encode_text"] = lambda self, *texts, **options: encoded(Hashed.encode_text(self, *texts, **options))
    return type("Changed", (Hashed,), attributes)


ROWS = "test_texts_become_rows_of_one_dimension"

DESCRIBED, FINGERPRINT = "test_it_describes_itself", "test_its_fingerprint_is_that_of_the_weights"
ROOT, APART = "test_the_root_is_the_empty_caption", "test_different_texts_are_told_apart"
TORCH = "test_embedding_leaves_torch_as_it_was"

BROKEN_MODELS: dict[str, tuple[type[Model], set[str]]] = {
    "sound": (Hashed, set()),
    "constant": (Constant, {APART, ROOT}),
    "by the batch": (changed(rows=lambda x: x + 0.1 * len(x)), {"test_texts_do_not_depend_on_their_batch", ROOT}),
    "random": (changed(rows=lambda x: x + 1e-9 * torch.randn(1)), {TORCH}),
    "restless": (Restless, {TORCH, FINGERPRINT}),
    "another root": (changed(root=lambda *_: torch.ones(4) / 2), {ROOT}),
    "the root itself": (changed(root=lambda self, *_: self._root), {ROOT}),
    "anonymous": (changed(name=""), {DESCRIBED}),
    "two lines": (changed(name="two\nlines"), {DESCRIBED}),
    "undecided": (changed(has_images=0), {DESCRIBED}),
    "aging": (Aging, {FINGERPRINT}),
    "born anew": (Born, {FINGERPRINT}),
    "whole numbers": (changed(rows=lambda x: (1000 * x).long()), {ROWS}),
    "double": (changed(encoded=Tensor.double), {ROWS, ROOT}),
    "with gradients": (changed(encoded=Tensor.requires_grad_), {TORCH, APART}),
    "infinite": (
        changed(normalised=False, encoded=lambda x: x.index_fill(1, torch.tensor([0]), torch.inf)),
        {ROWS, ROOT, APART},
    ),
}


@pytest.mark.parametrize("defect", BROKEN_MODELS)
def test_the_adapter_suite_finds_what_is_broken(defect: str) -> None:
    kind, expected = BROKEN_MODELS[defect]

    class Suite(AdapterConformance):
        def make(self) -> Model:
            return kind()

    try:
        assert failures(Suite()) == expected
    finally:
        torch.set_grad_enabled(True)


@pytest.mark.parametrize(("spec", "loaded"), [("other:x", Hashed), ("constant", Born)])
def test_the_adapter_suite_loads_by_the_spec(monkeypatch: pytest.MonkeyPatch, spec: str, loaded: type[Hashed]) -> None:
    monkeypatch.setattr(adapters, "load", lambda spec, device: loaded())

    class Suite(AdapterConformance):
        def make(self) -> Model:
            return Hashed()

    suite = Suite()
    suite.spec = spec  # type: ignore[misc]
    with pytest.raises(AssertionError, match="spec"):
        suite.test_its_spec_loads_it()


class Blind(Hashed):
    """Says that it sees, and embeds every picture alike, in another dimension than texts."""

    has_images = True

    def image_rows(self, images: Any) -> Tensor:
        return torch.ones(len(images), 3)


def test_the_adapter_suite_looks_at_images() -> None:
    class Suite(AdapterConformance):
        def make(self) -> Model:
            return Blind()

    assert failures(Suite()) == {
        "test_images_become_rows_of_the_same_space",
        "test_different_images_are_told_apart",
        "test_files_are_read_as_pictures_are",
    }
