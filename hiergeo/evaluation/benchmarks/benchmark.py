"""The interface of benchmarks: a model and a space in, a result with intervals, baselines and published figures out.

A dataset holds chains and a protocol measures them; a benchmark is a whole task: it names its data, embeds what it
needs and says how its numbers are made. Other packages add theirs by subclassing `Benchmark` (entry-point group
``hiergeo.benchmarks``).
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, final

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, check_whole, sentence, unknown_name
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.plugins import Plugins
from hiergeo._core.records import Exported, Grid, Record, number
from hiergeo._core.text import caption, without_folders
from hiergeo.adapters import ImageLike, Model
from hiergeo.evaluation import Compute, Result
from hiergeo.evaluation.measuring import check_readable, described_compute, described_space, ready
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

    @property
    def origin(self) -> str:
        """The source, and the protocol where there is one."""
        return "; ".join(filter(None, (self.source, self.protocol)))

    def record(self, dataset: str | None = None) -> Record:
        """Its row of the long table."""
        where = {"model": self.model, "dataset": dataset, "source": self.origin}
        return record("published", **where, metric=self.metric, value=self.value)


def published(model: str, source: str, protocol: str = "", **figures: float) -> tuple[Published, ...]:
    """The figures of a model from one source, by metric."""
    return tuple(Published(model, metric, value, source, protocol) for metric, value in figures.items())


class Run(NamedTuple):
    """How to run a benchmark.

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

    def texts(self, model: Model, texts: Sequence[str]) -> torch.Tensor:
        """(n, D) embeddings of texts."""
        return model.encode_text(texts, **self.compute.keywords, progress=self.progress)

    def images(self, model: Model, images: Sequence[ImageLike]) -> torch.Tensor:
        """(n, D) embeddings of images."""
        return model.encode_image(images, **self.compute.keywords, progress=self.progress)


class Benchmark(ABC):
    """A task that gives numbers for any model in any space. Options are keyword arguments of the constructor.

    Attributes:
        name: the key in suites and on the command line.
        label: name for tables.
        primary: the metric that tables show first.
        metrics: the metrics that tables show, `primary` among them.
        images: whether it needs a model that embeds images; of an instance, with its options.
        needs: the data that it measures, and where they come from.
        loads: the property that reads its own data, if any.
        published: figures of papers.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    primary: str
    metrics: ClassVar[tuple[str, ...]]
    images: bool = False
    needs: ClassVar[str] = ""
    loads: ClassVar[str] = ""
    published: tuple[Published, ...] = ()

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How the numbers are made, in words, with every option that changes them."""

    def load(self) -> None:
        """Read the data that the options name, whatever the model.

        Raises:
            InputError: the data is damaged.
            UnavailableError: the data is not on this machine; the message says how to get it.
        """
        if self.loads:
            getattr(self, self.loads)

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

        Most benchmarks embed with `Run.texts` and `Run.images`, fill an `Outcome` and return `result` of it.
        """

    def result(
        self, outcome: Outcome, model: Model, space: Space, embeddings: torch.Tensor, how: Run, **facts: Any
    ) -> Result:
        """The result of an outcome, with model, benchmark, space, protocol, device, versions and further facts."""
        settings = {
            "model": model.name,
            "dataset": self.name,
            **described_space(space, model.root(embeddings.device, embeddings.dtype)),
            "protocol": self.protocol,
            **described_compute(embeddings),
            **facts,
        }
        return outcome.result(settings, how.seed, how.samples, progress=how.progress)


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """Raise InputError, suggesting the nearest, for a value that is not among the choices."""
    if value not in choices:
        raise unknown_name(what, str(value), choices)


def check_count(option: str, value: int | None, least: int = 1) -> None:
    """Raise InputError, naming the option, unless a value is None or a whole number from `least` on."""
    if value is not None:
        check_whole(option, value, least, limits.COUNT)


def check_options(kind: type, name: str, options: Mapping[str, Any]) -> None:
    """Raise InputError, naming the option, where it is unknown or not of the type that the constructor declares."""
    parameters = inspect.signature(kind, eval_str=True).parameters
    lenient = ConfigDict(arbitrary_types_allowed=True)
    for option, value in options.items():
        if option not in parameters:
            raise unknown_name(f"option of {name}", option, list(parameters))
        declared = parameters[option].annotation
        try:
            TypeAdapter(Any if declared is inspect.Parameter.empty else declared, config=lenient).validate_python(
                value, strict=True
            )
        except ValidationError as error:
            raise InputError(sentence(error, f"the option {option} of {name}")) from error


BENCHMARKS: Plugins[type[Benchmark]] = Plugins(
    "benchmark",
    "hiergeo.benchmarks",
    {
        "hierarcaps": "hiergeo.evaluation.benchmarks.hierarcaps:HierarCaps",
        "audit": "hiergeo.training.suite.audits:AuditBenchmark",
        "breeds": "hiergeo.evaluation.benchmarks.classifiers:Breeds",
        "trees": "hiergeo.evaluation.benchmarks.classifiers:Trees",
        "wordnet": "hiergeo.evaluation.benchmarks.words:WordNetIsA",
        "subsumption": "hiergeo.evaluation.benchmarks.subsumption:Subsumption",
        "taxonomy": "hiergeo.evaluation.benchmarks.taxonomy_benchmark:TaxonomyBenchmark",
        "zero_shot": "hiergeo.evaluation.benchmarks.classifiers:ZeroShotClassification",
        "hyperlex": "hiergeo.evaluation.benchmarks.words:HyperLex",
        "himo": "hiergeo.evaluation.benchmarks.captioned:HiMo",
        "retrieval": "hiergeo.evaluation.benchmarks.captioned:Retrieval",
        "sugarcrepe": "hiergeo.evaluation.benchmarks.captioned:SugarCrepe",
    },
)
"""Every benchmark by its name: a subclass of `Benchmark`."""


def benchmark_named(name: str, **options: Any) -> Benchmark:
    """A benchmark with its options; InputError, naming it, for an unknown one or a value of another type."""
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
    if isinstance(model, str):
        task.load()
    model, space = ready(model, space, compute.device)
    if task.images and not model.has_images:
        raise InputError(f"{model.name} embeds texts only, and the benchmark '{task.name}' needs images.")
    check_readable(model, space.geometry)
    task.check(model, space)
    with BENCHMARKS.running(task.name, "could not measure"):
        return task.run(model, space, Run(seed, samples, compute, progress))


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
    """Figures of papers, marked as such: a line for each model and source."""
    lines: dict[tuple[str, str], list[str]] = {}
    for figure in figures:
        value = f"{find_metric(figure.metric).label} {number(figure.value)}"
        lines.setdefault((figure.model, figure.origin), []).append(value)
    return [
        f"published, not measured here: {model}, {', '.join(values)} ({at})" for (model, at), values in lines.items()
    ]


def _protocol(result: Result) -> str:
    """Model, space and protocol in one sentence, and what an arrow means."""
    settings = result.settings
    model, space = caption(without_folders(str(settings["model"]))), f"{result.geometry}, root {settings['root']}"
    fewer = any(find_metric(name).higher_is_better is False for name in result.metrics)
    arrow = "; ↓: less is better" if fewer else ""
    return f"{model}; {space}; {settings['dataset']}: {settings['protocol']}{arrow}"
