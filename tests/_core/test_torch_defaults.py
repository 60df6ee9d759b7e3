"""Whatever the caller made torch's default dtype and device: everything works, and gives the same numbers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

import hiergeo
from hiergeo import Lorentz, Polar, adapters, datasets, pairwise
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.evaluation import compare
from hiergeo.losses import re_loss
from hiergeo.training import Recipe, from_hierarchy, train_head

ROWS = 12


@contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def meta_by_default() -> Any:
    """A device where nothing can be computed: whatever is put there by default is found out."""
    return torch.device("meta")


def points() -> Polar:
    generator = torch.Generator("cpu").manual_seed(0)
    x = torch.randn(40, 8, generator=generator, dtype=torch.float32, device="cpu")
    return Polar(x / x.norm(dim=1, keepdim=True), x.norm(dim=1))


def evaluated(protocol: str) -> dict[str, float]:
    scenes = datasets.load("scenes", count=ROWS)
    result = hiergeo.evaluate("tiny", scenes, "lorentz:-1", protocol, 10, samples=5)
    return result.metrics | result.diagnostics


def compared() -> list[dict[str, float]]:
    found = compare("tiny", datasets.load("scenes", count=ROWS), ["euclidean", "sphere:0.25"], samples=5)
    return [result.metrics for result in found.results]


def encoded() -> list[torch.Tensor]:
    model, scenes = adapters.load("tiny"), datasets.load("scenes", count=3)
    return [model.encode_text(["an eagle", ""]), model.encode_image(scenes.images), model.root()]


def trained() -> list[torch.Tensor]:
    chains = from_hierarchy(datasets.load("scenes", "train", count=30), adapters.load("tiny"))
    done = train_head(chains, Lorentz(-1.0), Recipe(steps=5))
    return [*done.head.state_dict().values()]


def headed() -> torch.Tensor:
    return Head(HeadShape(8, 6), seed=1)(points().direction)


def scored() -> list[torch.Tensor]:
    x, k = points(), -0.7
    thresholds = torch.tensor([0.5, 3.0, 9.0], dtype=torch.float32, device="cpu")
    return [
        pairwise.exterior_angle(x, x, k),
        pairwise.distance(x, x, k),
        pairwise.energy_mean(x, x, k),
        pairwise.cone_count(x, x, k),
        pairwise.count_within(x, x, k, 2.0),
        *pairwise.topk(x, x, k, 3),
        *pairwise.cone_members(x, x, k),
        pairwise.ladder(x.direction, x.direction, x.radius, thresholds),
        *pairwise.nearest_ladder(x, x, k, x.radius, thresholds),
    ]


def lost() -> list[torch.Tensor]:
    chains = points().direction.view(5, 8, 8)
    return [part for part in re_loss(chains[:, :4], chains[:, 4:], points().direction[0]) if part is not None]


WORK: dict[str, Callable[[], Any]] = {
    "re": lambda: evaluated("re"),
    "traversal": lambda: evaluated("traversal"),
    "pairs": lambda: evaluated("pairs"),
    "compare": compared,
    "encode": encoded,
    "train_head": trained,
    "head": headed,
    "operators": scored,
    "losses": lost,
}


@pytest.mark.parametrize("defaults", [float64_by_default, meta_by_default])
@pytest.mark.parametrize("name", WORK)
def test_defaults_of_torch_change_nothing(name: str, defaults: Callable[[], Any]) -> None:
    usual = WORK[name]()
    with defaults():
        dtype, device = torch.get_default_dtype(), torch.get_default_device()
        found = WORK[name]()
        assert (torch.get_default_dtype(), torch.get_default_device()) == (dtype, device)
    torch.testing.assert_close(found, usual, rtol=0, atol=0, equal_nan=True)
