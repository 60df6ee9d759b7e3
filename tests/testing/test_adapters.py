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

SHAPES = ("a shape", "a red shape", "a red circle", "a small red circle on a white background", "two shapes")


class TestTiny(AdapterConformance):
    spec = "tiny"
    texts = SHAPES

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


class Batched(Hashed):
    def text_rows(self, texts: Any) -> Tensor:
        return super().text_rows(texts) + 0.1 * len(texts)


class Random(Hashed):
    def text_rows(self, texts: Any) -> Tensor:
        return super().text_rows(texts) + 1e-9 * torch.randn(1)


class Restless(Hashed):
    asked = 0

    def fingerprint(self) -> str:
        Restless.asked += 1
        return str(self.asked)

    def text_rows(self, texts: Any) -> Tensor:
        torch.set_grad_enabled(False)
        return super().text_rows(texts)


class OtherRoot(Hashed):
    def root(self, *_: Any) -> Tensor:
        return torch.ones(4) / 2


class Anonymous(Hashed):
    name = ""


class TwoLines(Hashed):
    name = "two\nlines"


class Undecided(Hashed):
    has_images: Any = 0


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


class Whole(Hashed):
    def text_rows(self, texts: Any) -> Any:
        return (1000 * super().text_rows(texts)).long()


class SharedRoot(Hashed):
    def root(self, *_: Any) -> Tensor:
        return self._root


class Double(Hashed):
    def encode_text(self, *texts: Any, **options: Any) -> Tensor:
        return super().encode_text(*texts, **options).double()


class Graded(Hashed):
    def encode_text(self, *texts: Any, **options: Any) -> Tensor:
        return super().encode_text(*texts, **options).requires_grad_()


class Infinite(Hashed):
    normalised = False

    def encode_text(self, *texts: Any, **options: Any) -> Tensor:
        return super().encode_text(*texts, **options).index_fill(1, torch.tensor([0]), torch.inf)


ROWS = "test_texts_become_rows_of_one_dimension"

BROKEN_MODELS: dict[type[Model], set[str]] = {
    Hashed: set(),
    Constant: {"test_different_texts_are_told_apart", "test_the_root_is_the_empty_caption"},
    Batched: {"test_texts_do_not_depend_on_their_batch", "test_the_root_is_the_empty_caption"},
    Random: {"test_embedding_leaves_torch_as_it_was"},
    Restless: {"test_embedding_leaves_torch_as_it_was", "test_its_fingerprint_is_that_of_the_weights"},
    OtherRoot: {"test_the_root_is_the_empty_caption"},
    Anonymous: {"test_it_describes_itself"},
    TwoLines: {"test_it_describes_itself"},
    Undecided: {"test_it_describes_itself"},
    Aging: {"test_its_fingerprint_is_that_of_the_weights"},
    Born: {"test_its_fingerprint_is_that_of_the_weights"},
    Whole: {ROWS},
    SharedRoot: {"test_the_root_is_the_empty_caption"},
    Double: {ROWS, "test_the_root_is_the_empty_caption"},
    Graded: {"test_embedding_leaves_torch_as_it_was", "test_different_texts_are_told_apart"},
    Infinite: {
        ROWS,
        "test_the_root_is_the_empty_caption",
        "test_different_texts_are_told_apart",
    },
}


@pytest.mark.parametrize("kind", BROKEN_MODELS)
def test_the_adapter_suite_finds_what_is_broken(kind: type[Model]) -> None:
    class Suite(AdapterConformance):
        def make(self) -> Model:
            return kind()

    try:
        assert failures(Suite()) == BROKEN_MODELS[kind]
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
