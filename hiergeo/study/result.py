"""What a study hands back: every head of every geometry on the same data, and how the geometries differ."""

from dataclasses import dataclass, field

from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded
from hiergeo.metrics import Interval
from hiergeo.study.plan import Plan
from hiergeo.training import Summary, Trained


@dataclass(frozen=True)
class Run:
    """One head.

    Attributes:
        seed: of its weights, batches and validation rows.
        trained: the head, its geometry and its history.
        summary: before and after on the test rows.
        metrics: flat name -> value on the test data, those of `summary` and of the pairs protocol together.
    """

    seed: int
    trained: Trained = field(repr=False)
    summary: Summary = field(repr=False)
    metrics: dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One geometry at one dimension: a run for each seed, with the learning rate that the common budget chose.

    Attributes:
        geometry: spec.
        dim: dimension of the head's embeddings.
        learning_rate: the one of the plan's that did best on validation rows.
        runs: one a seed, in the order of the plan's seeds.
    """

    geometry: str
    dim: int
    learning_rate: float
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Contrast:
    """How two geometries differ in one metric at one dimension.

    Attributes:
        metric: name.
        dim: dimension of both.
        a: spec of one.
        b: spec of the other.
        difference: mean over seeds of a - b.
        interval: its 95 % interval, test items and seeds resampled in pairs.
    """

    metric: str
    dim: int
    a: str
    b: str
    difference: float
    interval: Interval


@dataclass(frozen=True)
class Study:
    """Heads of several geometries, trained alike and measured on the same rows.

    Attributes:
        plan: what was asked for.
        frozen: the test data as the frozen model embeds them.
        before: geometry -> the result without a head.
        cells: geometries times dimensions, in the plan's order.
        contrasts: every pair of different spaces, for every metric and dimension.
        verdicts: (geometry, dim) -> plain words on collapse and flatness.
        conclusion: plain words on whether a geometry helps; allowed to say that none does.
    """

    plan: Plan
    frozen: Embedded = field(repr=False)
    before: dict[str, Result]
    cells: tuple[Cell, ...]
    contrasts: tuple[Contrast, ...]
    verdicts: dict[tuple[str, int], str]
    conclusion: str
