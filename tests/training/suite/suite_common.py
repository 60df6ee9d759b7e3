"""A toy model and a toy benchmark for suites: deterministic, fast, and able to fail on request."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hiergeo.adapters import ADAPTERS, Model
from hiergeo.evaluation.benchmarks import BENCHMARKS, Benchmark, Published
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.training.suite import SuitePlan, parse_plan

DIM = 8
TEXTS = tuple(f"caption {place}" for place in range(40))


class Toy(Model):
    """Embeddings drawn by the hash of a text and the name of the model; it counts the texts that it embeds."""

    has_images = False
    preprocessing = "none"
    embedded = 0

    def __init__(self, name: str) -> None:
        self.name = f"toy:{name}"
        self.seed = name

    def fingerprint(self) -> str:
        return sha256(self.seed.encode()).hexdigest()[:16]

    def check_texts(self, texts: Any) -> None:
        pass

    def check_images(self, images: Any) -> None:
        pass

    def text_rows(self, texts: Any) -> Tensor:
        type(self).embedded += len(texts)
        return torch.from_numpy(np.stack([_row(self.seed, text) for text in texts]))

    def image_rows(self, images: Any) -> Tensor:
        raise NotImplementedError


def _row(seed: str, text: str) -> np.ndarray:
    number = int.from_bytes(sha256(f"{seed} {text}".encode()).digest()[:8], "little")
    return np.random.default_rng(number).normal(size=DIM).astype(np.float32)


class Radius(Benchmark):
    """The share of texts whose radius exceeds a bar; NaN for the model `broken`, an error for the model `raises`."""

    name = "radius"
    label = "radius"
    primary = "share"
    metrics = ("share", "mean_radius")
    published = (Published("Toy A", "share", 0.25, "a paper, table 1", "another bar"),)

    def __init__(self, bar: float = 1.4, broken: str = "", raises: str = "") -> None:
        self.bar, self.broken, self.raises = float(bar), broken, raises

    @property
    def protocol(self) -> str:
        return f"radius above {self.bar:g}"

    def check(self, model: Any, space: Any) -> None:
        pass

    def run(self, model: Any, space: Any, how: Any) -> Any:
        if model.name == self.raises:
            raise RuntimeError("the benchmark stumbled")
        rows = how.texts(model, TEXTS)
        radius = space.rooted(model.root(rows.device, rows.dtype)).radius(rows).double().cpu().numpy()
        above = (radius > self.bar).astype(float)
        if model.name == self.broken:
            above = np.full_like(above, np.nan)
        outcome = Outcome(
            {"share": mean_of(above), "mean_radius": mean_of(radius)}, baselines={"share": {"chance": 0.5}}
        )
        return self.result(outcome, model, space, rows, how)


PLAN = """
title = "Toys"
samples = 60
device = "cpu"
spaces = ["native", "lorentz:-1"]

[[models]]
name = "a"
spec = "toy:a"
published = "Toy A"

[[models]]
name = "b"
spec = "toy:b"

[[models]]
name = "c"
spec = "toy:c"
spaces = ["euclidean"]

[[benchmarks]]
name = "radius"

[[benchmarks]]
name = "radius"
title = "higher bar"
bar = 1.5
"""


@pytest.fixture
def toys(monkeypatch) -> type[Toy]:
    """The toy model and benchmark under their names, with the count of embedded texts at 0."""
    register(monkeypatch.setitem)
    monkeypatch.setattr(Toy, "embedded", 0)
    return Toy


def toy(rest: str, *, device: object) -> Toy:
    return Toy(rest)


def register(setitem: Any) -> None:
    setitem(ADAPTERS.own, "toy", toy)
    setitem(BENCHMARKS.own, "radius", Radius)


def plan(text: str = PLAN, **changes: str) -> SuitePlan:
    """The toy plan, with words of it replaced."""
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_plan(text)


def numbers(out: Path) -> str:
    """The table of a suite, unrounded."""
    from hiergeo.training import suite

    return suite.read(out).to_csv()
