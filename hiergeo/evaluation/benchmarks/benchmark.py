"""The interface of benchmarks: a model and a space in, a result with intervals, baselines and published figures out.

A dataset holds chains and a protocol measures them; a benchmark is a whole task: it names its data, embeds what it
needs and says how its numbers are made. Other packages add theirs by subclassing `Benchmark` (entry-point group
``hiergeo.benchmarks``).
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, final, get_args

import torch

from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, check_whole, unknown_name
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.plugins import Plugins
from hiergeo._core.records import Exported, Grid, Record, number
from hiergeo._core.text import caption, without_folders
from hiergeo.adapters import Model
from hiergeo.evaluation import Compute, Result
from hiergeo.evaluation.measuring import described_compute, described_space, ready
from hiergeo.evaluation.metrics import find_metric
from hiergeo.evaluation.result import Outcome, record
from hiergeo.geometry import Geometry, Space


@dataclass(frozen=True)
class Published:
    """A figure of a paper or of a model's documentation, to be shown beside measured ones.

    Attributes:
        model: the model as its authors call it.
        metric: the metric of this package that it corresponds to.
        value: the figure, in the units of that metric.
        source: where it is from, such as ``arXiv 2407.08521, table 1``.
        protocol: how it was measured where that differs from the benchmark, or is not public.
    """

    model: str
    metric: str
    value: float
    source: str
    protocol: str = ""

    def record(self, dataset: str | None = None) -> Record:
        """Its row of the long table."""
        source = f"{self.source}{f'; {self.protocol}' if self.protocol else ''}"
        where = {"model": self.model, "dataset": dataset, "source": source}
        return record("published", **where, metric=self.metric, value=self.value)


def published(model: str, source: str, protocol: str = "", **figures: float) -> tuple[Published, ...]:
    """The figures of a model from one source, by metric."""
    return tuple(Published(model, metric, value, source, protocol) for metric, value in figures.items())


class Run(NamedTuple):
    """How to run a benchmark: the bootstrap, the device, and whether to draw bars.

    Attributes:
        seed: of the bootstrap and of whatever else is drawn.
        samples: bootstrap resamples.
        compute: where embeddings are made and kept.
        progress: draw bars for work that outlasts a second.
    """

    seed: int = 0
    samples: int = 1000
    compute: Compute = Compute()
    progress: bool = False

    @property
    def place(self) -> dict[str, Any]:
        """Keyword arguments of `Model.encode_text` and `encode_image`: device, dtype and batch size."""
        return self.compute.keywords


class Benchmark(ABC):
    """A task that gives numbers for any model in any space. Options are keyword arguments of the constructor.

    Attributes:
        name: the key in suites and on the command line.
        label: name for tables.
        primary: the metric that tables show first.
        metrics: the metrics that tables show, `primary` among them.
        images: whether it needs a model that embeds images; of an instance, with its options.
        needs: the data that it measures, and where they come from.
        published: figures of papers.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    primary: str
    metrics: ClassVar[tuple[str, ...]]
    images: bool = False
    needs: ClassVar[str] = ""
    published: tuple[Published, ...] = ()

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How the numbers are made, in words, with every option that changes them."""

    def load(self) -> None:  # noqa: B027 - most others need no data of their own
        """Read the data that the options name, of any model; does nothing where there are none.

        Raises:
            InputError: the data is damaged.
            UnavailableError: the data is not on this machine; the message says how to get it.
        """

    @abstractmethod
    def check(self, model: Model, space: Space) -> None:
        """Raise before any work starts where the model or the data cannot serve.

        Raises:
            InputError: the model, the space and the data do not fit.
            UnavailableError: the data is not on this machine; the message says how to get it.
        """

    @abstractmethod
    def run(self, model: Model, space: Space, how: Run) -> Result:
        """Measure a model in a space; `check` has passed. Gradients are off.

        Most benchmarks embed with ``model.encode_text(texts, **how.place, progress=how.progress)``, fill an `Outcome`
        and return `result` of it.
        """

    def about(self, model: Model, space: Space, embeddings: torch.Tensor) -> dict[str, str | int | float]:
        """Settings that every result stores: model, benchmark, space, protocol, device and versions."""
        return {
            "model": model.name,
            "dataset": self.name,
            **described_space(space, model.root(embeddings.device, embeddings.dtype)),
            "protocol": self.protocol,
            **described_compute(embeddings),
        }

    def result(
        self, outcome: Outcome, model: Model, space: Space, embeddings: torch.Tensor, how: Run, **facts: Any
    ) -> Result:
        """The result of an outcome, with the settings of `about` and further `facts`."""
        settings = {**self.about(model, space, embeddings), **facts}
        return outcome.result(settings, how.seed, how.samples, progress=how.progress)


TEXTS = ((str, "a text"), (str | None, "a text or None"))
"""Annotations of options that are checked, and what their values are called."""


def check_choice(what: str, value: str, known: Sequence[str]) -> None:
    """Raise InputError, suggesting the nearest, for a value that is not among those known."""
    if value not in known:
        raise unknown_name(what, str(value), known)


def check_unused(data: str, options: Mapping[str, bool]) -> None:
    """Raise InputError, naming the option, where one is set that has no effect on the data.

    Args:
        data: the data as the user named them.
        options: the options that these data do not use, each with whether it is set.
    """
    for option, is_set in options.items():
        if is_set:
            raise InputError(f"the option {option} has no effect on {data}: leave it out, or name other data.")


def check_options(kind: type, name: str, options: Mapping[str, Any]) -> None:
    """Raise InputError, naming the option, where it is unknown, or annotated as text and not one.

    Args:
        kind: the class of the benchmark.
        name: its name.
        options: arguments of its constructor.
    """
    parameters = inspect.signature(kind).parameters
    for option, value in options.items():
        if option not in parameters:
            raise unknown_name(f"option of {name}", option, list(parameters))
        wanted = parameters[option].annotation
        for annotation, called in TEXTS:
            if wanted == annotation and not isinstance(value, get_args(wanted) or wanted):
                raise InputError(f"the option {option} of {name} must be {called}, not a {type(value).__name__}.")


BENCHMARKS: Plugins[type[Benchmark]] = Plugins(
    "benchmark",
    "hiergeo.benchmarks",
    {
        "hierarcaps": "hiergeo.evaluation.benchmarks.hierarcaps:HierarCaps",
        "audit": "hiergeo.training.suite.audits:AuditBenchmark",
        "breeds": "hiergeo.evaluation.benchmarks.breeds:Breeds",
        "trees": "hiergeo.evaluation.benchmarks.trees:Trees",
        "wordnet": "hiergeo.evaluation.benchmarks.is_a:WordNetIsA",
        "zero_shot": "hiergeo.evaluation.benchmarks.zero_shot:ZeroShotClassification",
        "hyperlex": "hiergeo.evaluation.benchmarks.hyperlex:HyperLex",
        "himo": "hiergeo.evaluation.benchmarks.himo:HiMo",
        "inclusion": "hiergeo.evaluation.benchmarks.inclusion:Inclusion",
        "retrieval": "hiergeo.evaluation.benchmarks.retrieval:Retrieval",
    },
)
"""Every benchmark by its name: a subclass of `Benchmark`."""


def benchmark_named(name: str, **options: Any) -> Benchmark:
    """A benchmark with its options.

    Raises:
        InputError: an unknown name or option (the nearest one is suggested), a value out of range or of
            another type, or an option without effect.
        UnavailableError: the code of another package cannot be imported.
    """
    kind = BENCHMARKS.get(name)
    if not (isinstance(kind, type) and issubclass(kind, Benchmark)):
        raise InputError(f"the benchmark '{name}' is not a subclass of hiergeo.benchmarks.Benchmark.")
    check_options(kind, name, options)
    with BENCHMARKS.running(name, "could not be made"):
        return kind(**options)


@torch_defaults()
@torch.no_grad()
def measure(
    model: Model | str,
    benchmark: Benchmark | str,
    space: Space | Geometry | str | None = None,
    *,
    seed: int = 0,
    samples: int = 1000,
    device: str | torch.device = AUTO,
    dtype: str | torch.dtype = "float32",
    batch_size: int | None = None,
    progress: bool = False,
    **options: Any,
) -> Result:
    """Run a benchmark on a model in a space; other arguments as for `hiergeo.evaluate`.

    Args:
        model: an adapter, or the spec that loads one.
        benchmark: a benchmark, or the name of one.
        space: a space, a geometry, or its spec; None is the model's own space, else Euclidean space around its root.
        options: of the benchmark, where it is given by name.

    Raises:
        InputError: unknown names or options, or model, space and data that do not fit each other.
        UnavailableError: data or weights that are not there.
    """
    check_whole("samples", samples, 1, limits.COUNT)
    check_whole("seed", seed, 0, limits.SEED)
    task = benchmark_named(benchmark, **options) if isinstance(benchmark, str) else benchmark
    if options and not isinstance(benchmark, str):
        raise InputError("options go to a benchmark that is given by name: give them to its constructor instead.")
    compute = Compute(resolve_device(device), dtype, batch_size)
    model, chosen = ready(model, space, compute.device)
    if task.images and not model.has_images:
        raise InputError(f"{model.name} embeds texts only, and the benchmark '{task.name}' needs images.")
    chosen.geometry.parts(model.dim)
    task.check(model, chosen)
    with BENCHMARKS.running(task.name, "could not measure"):
        return task.run(model, chosen, Run(seed, samples, compute, progress))


@final
@dataclass(frozen=True)
class BenchmarkResult(Exported):
    """A result of a benchmark and the figures of papers beside it."""

    result: Result
    published: Sequence[Published]

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Those of the result, then the figures of papers."""
        yield from self.result.records(items=items)
        yield from (figure.record() for figure in self.published)

    def grids(self) -> Iterator[Grid]:
        """The table of the result; its notes name the protocol and the figures of papers."""
        for grid in self.result.grids():
            yield replace(grid, notes="\n".join((_protocol(self.result), *published_lines(self.published))))


def published_lines(figures: Iterable[Published]) -> list[str]:
    """Figures of papers, marked as such: a line for each model, source and protocol."""
    grouped: dict[tuple[str, str, str], list[Published]] = {}
    for each in figures:
        grouped.setdefault((each.model, each.source, each.protocol), []).append(each)
    return [
        f"published, not measured here: {model}, {_figures(group)} ({source}{f'; {protocol}' if protocol else ''})"
        for (model, source, protocol), group in grouped.items()
    ]


def _figures(figures: Iterable[Published]) -> str:
    return ", ".join(f"{find_metric(each.metric).label} {number(each.value)}" for each in figures)


def _protocol(result: Result) -> str:
    """Model, space and protocol in one sentence, and what an arrow means."""
    settings = result.settings
    model, space = caption(without_folders(str(settings["model"]))), f"{result.geometry}, root {settings['root']}"
    fewer = any(find_metric(name).higher_is_better is False for name in result.metrics)
    arrow = "; ↓: less is better" if fewer else ""
    return f"{model}; {space}; {settings['dataset']}: {settings['protocol']}{arrow}"
