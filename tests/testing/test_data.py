"""The suites of datasets and losses: our own pass, broken ones fail."""

import dataclasses
import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from hiergeo import datasets
from hiergeo.datasets import Hierarchy, ImageRef
from hiergeo.testing import (
    DatasetConformance,
    LossConformance,
)
from hiergeo.training import Batch, ChainLoss, chain_loss
from tests.testing.conformance_common import failures


@cache
def drawn(split: str) -> Hierarchy:
    return datasets.load("scenes", split)


class TestScenes(DatasetConformance):
    """The split is drawn once for all tests, and again where it is found by its name."""

    name = "scenes"

    def load(self, split: str) -> Hierarchy:
        return drawn(split)


@pytest.mark.usefixtures("data_home")
class TestHierarCaps(DatasetConformance):
    name, splits = "hierarcaps", ("test",)

    def load(self, split: str) -> Hierarchy:
        return datasets.load("hierarcaps", split)


class Ours(LossConformance):
    name = ""

    def make(self) -> ChainLoss:
        return chain_loss(self.name)


for loss in ("entailment", "order", "transitivity", "adaptive", "max_margin", "prior", "mean"):
    claims = {"name": loss, "whole_gradient": loss != "adaptive"}
    globals()[f"Test{loss.title()}"] = type(f"Test{loss.title()}", (Ours,), claims)


def scenes() -> Hierarchy:
    return datasets.load("scenes", "test", count=6)


def replaced(**changes: Any) -> Hierarchy:
    return dataclasses.replace(scenes(), **changes)


def grey(image: ImageRef) -> Image.Image:
    return image.open().convert("L")


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
            images=tuple(dataclasses.replace(image, open=partial(grey, image)) for image in scenes().images)
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


def radius(batch: Batch) -> Tensor:
    return batch.space.radius(batch.positive).mean()


def arc(chain: Tensor) -> Tensor:
    return (chain[:, :-1] * chain[:, 1:]).sum(-1).clamp(-1, 1).acos()


def sabotage(batch: Batch) -> Tensor:
    batch.positive.data.mul_(0.5)
    return radius(batch)


def quiet_sabotage(batch: Batch) -> Tensor:
    batch.frozen[1].mul_(0.5)
    return radius(batch)


def idle_draw(batch: Batch) -> Tensor:
    torch.rand(1)
    return radius(batch)


calls = itertools.count()


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
    "drawn in vain": (
        ChainLoss(idle_draw, sees_curvature=False),
        {"test_it_changes_nothing_and_draws_nothing"},
    ),
    "counting": (
        ChainLoss(lambda batch: radius(batch) + 1e-3 * next(calls), sees_curvature=False),
        {"test_it_changes_nothing_and_draws_nothing"},
    ),
    "quiet sabotage": (
        ChainLoss(quiet_sabotage, sees_curvature=False),
        {"test_it_changes_nothing_and_draws_nothing"},
    ),
    "a plain number": (
        ChainLoss(lambda batch: float(radius(batch)), sees_curvature=False),  # type: ignore[arg-type, return-value]
        {"test_it_is_one_finite_number"},
    ),
    "whole numbers": (
        ChainLoss(lambda batch: radius(batch).long(), sees_curvature=False),
        {"test_it_is_one_finite_number"},
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
