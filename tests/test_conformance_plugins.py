"""Our own plug-ins through the public conformance suites, and broken ones, which must fail."""

import dataclasses
import math
import unittest
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from training_common import captions, stored

from hiergeo import adapters, datasets
from hiergeo.adapters import Model, Tower, tower_of
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Protocol, View
from hiergeo.evaluation.protocols import protocol_named
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.metrics import Metric, find_metric
from hiergeo.testing import (
    AdapterConformance,
    DatasetConformance,
    LossConformance,
    MetricConformance,
    ProtocolConformance,
    TowerConformance,
)
from hiergeo.training import Batch, ChainLoss, chain_loss

SHAPES = ("a shape", "a red shape", "a red circle", "a small red circle on a white background", "two shapes")


class TestTiny(AdapterConformance):
    spec = "tiny"
    texts = SHAPES

    def make(self) -> Model:
        return adapters.load("tiny", device="cpu")


class TestTinyTower(TowerConformance):
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


class TestScenes(DatasetConformance):
    name, splits = "scenes", ("test", "validation")

    def load(self, split: str) -> Hierarchy:
        return datasets.load("scenes", split)


class TestHierarCaps(DatasetConformance):
    name, splits = "hierarcaps", ("test",)

    def load(self, split: str) -> Hierarchy:
        return datasets.load("hierarcaps", split)


class TestEntailment(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("entailment")


class TestOrder(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("order")


class TestTransitivity(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("transitivity")


class TestAdaptive(LossConformance):
    whole_gradient = False

    def make(self) -> ChainLoss:
        return chain_loss("adaptive")


class TestMaxMargin(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("max_margin")


class TestPrior(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("prior")


class TestMeanOfRE(LossConformance):
    def make(self) -> ChainLoss:
        return chain_loss("mean")


class TestPairs(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("pairs")


class TestRadialLadder(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("re")


class TestTraversal(ProtocolConformance):
    def make(self) -> Protocol:
        return protocol_named("traversal")


def failures(suite: Any) -> set[str]:
    """The tests of a suite that fail, by name."""
    found = set()
    for name in dir(suite):
        if name.startswith("test_"):
            torch.set_grad_enabled(True)
            try:
                getattr(suite, name)()
            except unittest.SkipTest:
                continue
            except Exception:  # whatever a broken plug-in raises is a failure
                found.add(name)
    return found


# adapters


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


BROKEN_MODELS: dict[type[Model], set[str]] = {
    Hashed: set(),
    Constant: {"test_different_texts_are_told_apart", "test_the_root_is_the_empty_caption"},
    Batched: {"test_texts_do_not_depend_on_their_batch", "test_the_root_is_the_empty_caption"},
    Random: {"test_embedding_leaves_torch_as_it_was"},
    Restless: {"test_embedding_leaves_torch_as_it_was", "test_its_fingerprint_is_that_of_the_weights"},
    OtherRoot: {"test_the_root_is_the_empty_caption"},
    Anonymous: {"test_it_describes_itself"},
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


# towers


def sabotaged(change: Callable[[Tower], None]) -> type[TowerConformance]:
    class Suite(TowerConformance):
        texts: ClassVar[Any] = SHAPES

        def make(self) -> Model:
            return adapters.load("tiny", device="cpu")

        def tower(self, model: Model) -> Tower:
            tower = tower_of(model)
            change(tower)
            return tower

    return Suite


def shift(tower: Tower) -> None:
    forward = type(tower).forward
    object.__setattr__(tower, "forward", lambda **tokens: forward(tower, **tokens) + 0.05)


def freeze(tower: Tower) -> None:
    for weight in tower.network.parameters():
        weight.requires_grad_(False)


def overreach(tower: Tower) -> None:
    tower.network.visual.requires_grad_(True)


def forget(tower: Tower) -> None:
    export = type(tower).export
    fresh = tower_of(adapters.load("tiny", device="cpu"))
    object.__setattr__(tower, "export", lambda folder, place: export(fresh, folder, place))


BROKEN_TOWERS: dict[Callable[[Tower], None], set[str]] = {
    shift: {"test_it_embeds_as_the_model_does", "test_what_is_exported_loads_as_what_was_trained"},
    freeze: {
        "test_gradients_reach_what_is_trained_and_nothing_else",
        "test_training_leaves_the_frozen_model_as_it_was",
        "test_what_is_exported_loads_as_what_was_trained",
    },
    overreach: {"test_gradients_reach_what_is_trained_and_nothing_else"},
    forget: {"test_what_is_exported_loads_as_what_was_trained"},
}


@pytest.mark.parametrize("change", BROKEN_TOWERS)
def test_the_tower_suite_finds_what_is_broken(change: Callable[[Tower], None]) -> None:
    assert failures(sabotaged(change)()) == BROKEN_TOWERS[change]


# datasets


def scenes() -> Hierarchy:
    return datasets.load("scenes", "test", count=6)


def replaced(**changes: Any) -> Hierarchy:
    return dataclasses.replace(scenes(), **changes)


def first_row(**changes: Any) -> Hierarchy:
    first, *others = scenes().rows
    return replaced(rows=(dataclasses.replace(first, **changes), *others))


BROKEN_DATA: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "sound": (scenes, set()),
    "no hierarchy": (lambda: scenes().rows, {"test_splits_are_hierarchies_that_say_what_they_are"}),
    "another split": (lambda: replaced(split="train"), {"test_splits_are_hierarchies_that_say_what_they_are"}),
    "row ids": (lambda: first_row(row_id=1), {"test_rows_are_told_apart"}),
    "blanks": (
        lambda: first_row(positive=("a ", *scenes().rows[0].positive[1:])),
        {"test_captions_are_stripped_text"},
    ),
    "repeats": (
        lambda: first_row(positive=("A", "a", "an a", "an a b")),
        {"test_a_caption_differs_from_its_neighbours"},
    ),
    "no contradiction": (
        lambda: first_row(negative=scenes().rows[0].positive),
        {"test_a_caption_differs_from_its_neighbours"},
    ),
    "a lost image": (lambda: replaced(images=scenes().images[1:]), {"test_rows_and_images_fit_each_other"}),
    "a grey image": (
        lambda: replaced(
            images=tuple(
                dataclasses.replace(image, open=lambda image=image: image.open().convert("L"))
                for image in scenes().images
            )
        ),
        {"test_images_open_as_rgb_pictures"},
    ),
}


@pytest.mark.parametrize("defect", BROKEN_DATA)
def test_the_dataset_suite_finds_what_is_broken(defect: str) -> None:
    make, expected = BROKEN_DATA[defect]

    class Suite(DatasetConformance):
        def load(self, split: str) -> Hierarchy:
            if split != "test":
                return datasets.load("scenes", split)
            made: Hierarchy = make()
            return made

    found = failures(Suite())
    assert expected <= found if defect == "no hierarchy" else found == expected


def test_the_dataset_suite_finds_unknown_splits_and_random_data() -> None:
    class Suite(DatasetConformance):
        name = "scenes"
        seed = 0

        def load(self, split: str) -> Hierarchy:
            self.seed += 1
            return datasets.load("scenes", "test", count=6, seed=self.seed)

    assert failures(Suite()) == {
        "test_unknown_splits_are_refused",
        "test_the_same_split_is_the_same_again",
        "test_it_is_found_by_its_name",
    }


# losses


def radius(batch: Batch) -> Tensor:
    return batch.space.radius(batch.positive).mean()


def arc(chain: Tensor) -> Tensor:
    return (chain[:, :-1] * chain[:, 1:]).sum(-1).clamp(-1, 1).acos()


def sabotage(batch: Batch) -> Tensor:
    batch.positive.data.mul_(0.5)
    return radius(batch)


BROKEN_LOSSES: dict[str, tuple[Any, set[str]]] = {
    "sound": (ChainLoss(radius, sees_curvature=False), set()),
    "wrong claim": (radius, {"test_it_says_whether_it_sees_the_curvature"}),
    "a vector": (
        ChainLoss(lambda batch: batch.space.radius(batch.positive).mean(0), sees_curvature=False),
        {"test_it_is_one_finite_number", "test_its_gradient_is_the_slope_of_its_value"},
    ),
    "no gradient": (
        ChainLoss(lambda batch: radius(batch).detach(), sees_curvature=False),
        {"test_its_gradient_is_the_slope_of_its_value", "test_it_falls_along_its_gradient"},
    ),
    "wrong gradient": (
        ChainLoss(lambda batch: 2 * radius(batch) - radius(batch).detach(), sees_curvature=False),
        {"test_its_gradient_is_the_slope_of_its_value"},
    ),
    "the first row": (
        ChainLoss(lambda batch: batch.space.radius(batch.positive[0]).mean(), sees_curvature=False),
        {"test_the_order_of_rows_does_not_matter"},
    ),
    "upside down": (
        ChainLoss(lambda batch: radius(batch).detach() * 2 - radius(batch), sees_curvature=False),
        {"test_its_gradient_is_the_slope_of_its_value", "test_it_falls_along_its_gradient"},
    ),
    "infinite": (
        ChainLoss(lambda batch: radius(batch) / 0, sees_curvature=False),
        {"test_it_is_one_finite_number"},
    ),
    "an arc": (
        ChainLoss(lambda batch: arc(batch.positive).mean(), sees_curvature=False),
        {"test_gradients_are_finite_at_special_points"},
    ),
    "drawn": (
        ChainLoss(lambda batch: radius(batch) * (1 + 1e-6 * torch.rand(())), sees_curvature=False),
        {"test_it_changes_nothing_and_draws_nothing"},
    ),
    "sabotage": (ChainLoss(sabotage, sees_curvature=False), {"test_it_changes_nothing_and_draws_nothing"}),
}


@pytest.mark.parametrize("defect", BROKEN_LOSSES)
def test_the_loss_suite_finds_what_is_broken(defect: str) -> None:
    loss, expected = BROKEN_LOSSES[defect]

    class Suite(LossConformance):
        def make(self) -> Any:
            return loss

    found = failures(Suite())
    assert expected <= found
    assert bool(found) == bool(expected)


# protocols


class Depth(Protocol):
    """The share of chains whose last caption lies further out than the first."""

    name, images = "depth", False

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({"depth": mean_of((view.radii[:, -1] > view.radii[:, 0]).astype(float))})


class Nameless(Depth):
    name = ""


class Nan(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": math.nan})


class Drawn(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": float(torch.rand(()))})


class FirstRow(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        return Outcome({}, {"depth": float(view.radii[0, -1])})


class Vandal(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        found = super().run(view, steps, progress)
        view.embedded.captions.mul_(0.5)
        return found


class Careless(Depth):
    images, negatives = True, True

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        if view.embedded.negative is None or view.embedded.image is None:
            return Outcome({}, {"depth": math.nan})
        return super().run(view, steps, progress)


class Misfit(Depth):
    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        values = view.radii[:, -1]
        return Outcome({"depth": Statistic(len(values), lambda counts: float(counts @ values), values)})


BROKEN_PROTOCOLS: dict[type[Protocol], set[str]] = {
    Depth: set(),
    Nameless: {"test_it_describes_itself"},
    Nan: {"test_it_measures_finite_numbers", "test_what_it_cannot_measure_is_refused_before_any_work"},
    Drawn: {"test_the_same_data_give_the_same_numbers", "test_the_order_of_rows_does_not_matter"},
    FirstRow: {"test_the_order_of_rows_does_not_matter"},
    Vandal: {"test_it_leaves_embeddings_as_they_were"},
    Careless: {"test_what_it_cannot_measure_is_refused_before_any_work"},
    Misfit: {"test_statistics_can_be_resampled"},
}


@pytest.mark.parametrize("kind", BROKEN_PROTOCOLS)
def test_the_protocol_suite_finds_what_is_broken(kind: type[Protocol]) -> None:
    class Suite(ProtocolConformance):
        def make(self) -> Protocol:
            return kind()

    found = failures(Suite())
    assert BROKEN_PROTOCOLS[kind] <= found
    assert bool(found) == bool(BROKEN_PROTOCOLS[kind])


# metrics


class TestTauD(MetricConformance):
    def make(self) -> Metric:
        return find_metric("tau_d")


class TestRecall(MetricConformance):
    def make(self) -> Metric:
        return find_metric("recall")

    def protocol(self) -> Protocol:
        return protocol_named("re")


class TestAuroc(MetricConformance):
    def make(self) -> Metric:
        return find_metric("auroc")

    def protocol(self) -> Protocol:
        return protocol_named("pairs")


class TestAveragePrecision(MetricConformance):
    def make(self) -> Metric:
        return find_metric("average_precision_margin")

    def protocol(self) -> Protocol:
        return protocol_named("pairs")


TRUE = Metric("depth", "depth", depends_on_curvature=False, discrete=True)
RECORD, NAME, CURVATURE, RESAMPLED = (
    "test_the_record_is_well_formed",
    "test_its_name_finds_it",
    "test_it_depends_on_the_curvature_as_it_says",
    "test_it_is_measured_and_resampled_as_it_says",
)
BROKEN_METRICS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "sound": ({}, set()),
    "name": ({"name": "Depth of it"}, {RECORD, CURVATURE, RESAMPLED}),
    "label": ({"label": " "}, {RECORD}),
    "curvature": ({"depends_on_curvature": True}, {CURVATURE}),
    "unit": ({"unit": "none", "discrete": False}, {RESAMPLED}),
    "unknown unit": ({"unit": "pages"}, {RECORD}),
}


@pytest.mark.parametrize("defect", BROKEN_METRICS)
def test_the_metric_suite_finds_what_is_broken(defect: str) -> None:
    changes, expected = BROKEN_METRICS[defect]

    class Suite(MetricConformance):
        def make(self) -> Metric:
            return dataclasses.replace(TRUE, **changes)

        def protocol(self) -> Protocol:
            return Depth()

    assert failures(Suite()) - {NAME} == expected
    assert NAME in failures(Suite()), "the record is not registered"
