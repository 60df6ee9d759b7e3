"""Plans of suites: which models, spaces and benchmarks, read from TOML and checked before any work starts."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from inspect import signature
from typing import Any

from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_dtype
from hiergeo._core.errors import HiergeoError, InputError, check_whole, described
from hiergeo._core.storage.documents import validated
from hiergeo.adapters import ADAPTERS
from hiergeo.datasets import DATASETS
from hiergeo.evaluation.benchmarks import Benchmark, benchmark_named
from hiergeo.geometry import parse
from hiergeo.training import Recipe, TowerRecipe, parse_losses
from hiergeo.training.suite.cells import Place

NATIVE = "native"
"""The space that a model brings, or was trained in; Euclidean space around its root where there is neither."""

SETTINGS = ("title", "seed", "samples", "device", "dtype", "batch_size")
"""Fields of a plan that are single values."""

RECIPES: dict[str, type[Recipe] | type[TowerRecipe]] = {"head": Recipe, "re": TowerRecipe}
"""Kind of training -> what its settings are."""


@dataclass(frozen=True)
class Training:
    """A training that makes a model of the suite out of another one; done once and kept in the suite's folder.

    Attributes:
        kind: ``head`` or ``re`` (fine-tuning of the text tower).
        data: a dataset of chains with negatives.
        split: its split.
        rows: only the first of them; None takes all.
        geometry: where losses are taken; the native space of the trained model.
        learn_curvature: whether its curvature is learnt.
        settings: fields of `hiergeo.training.Recipe` or `TowerRecipe`; losses by name, or as the command line
            writes them: ``["re", "order=0.5"]``.
    """

    kind: str
    data: str
    split: str = "train"
    rows: int | None = None
    geometry: str = "euclidean"
    learn_curvature: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def recipe(self) -> Recipe | TowerRecipe:
        """The settings as a recipe. Raises InputError for a value that it refuses."""
        settings = dict(self.settings)
        if isinstance(losses := settings.get("losses"), list):
            settings["losses"] = parse_losses(losses)
        try:
            return validated(RECIPES[self.kind], settings)
        except ValueError as error:
            raise InputError(f"the settings of a training cannot be used: {error}") from error


@dataclass(frozen=True)
class ModelEntry:
    """A model of a suite.

    Attributes:
        name: what tables call it.
        spec: what `hiergeo.adapters.load` loads; ``{package}`` stands for the folder of `package`.
        spaces: where it is measured.
        train: what is done with it before; None measures it as it is.
        optional: whether it is left out with a note where a package, weights or data are missing.
        package: an installed Python package that holds its files.
        published: the model of published figures that it reproduces.
    """

    name: str
    spec: str
    spaces: tuple[str, ...] = (NATIVE,)
    train: Training | None = None
    optional: bool = False
    package: str | None = None
    published: str | None = None


@dataclass(frozen=True)
class BenchmarkEntry:
    """A benchmark of a suite.

    Attributes:
        name: what tables call it.
        kind: its name among `hiergeo.evaluation.benchmarks.BENCHMARKS`.
        options: of its constructor.
        optional: whether it is left out with a note where its data is missing.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False

    @cached_property
    def settled(self) -> dict[str, Any]:
        """The options with the defaults of those that the plan leaves out. Raises the errors of `task`."""
        parameters = signature(type(self.task)).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty} | dict(self.options)

    @cached_property
    def task(self) -> Benchmark:
        """The benchmark. Raises InputError for unknown options and values that it refuses."""
        try:
            return benchmark_named(self.kind, **self.options)
        except HiergeoError:
            raise
        except Exception as error:  # constructors need not check types
            raise InputError(
                f"the options of the benchmark '{self.name}' cannot be used: {described(error)}."
            ) from error


@dataclass(frozen=True)
class SuitePlan:
    """A suite: every model in each of its spaces on every benchmark.

    Attributes:
        models: in the order of the rows.
        benchmarks: in the order of the columns.
        title: of the table.
        seed: of the bootstraps.
        samples: bootstrap resamples.
        device: where models run and embeddings are kept.
        dtype: of the embeddings.
        batch_size: texts or images that are embedded at a time; None is each model's own.

    Raises:
        InputError: no models or benchmarks, two cells that collide, or a number, name or option that is refused.
    """

    models: tuple[ModelEntry, ...]
    benchmarks: tuple[BenchmarkEntry, ...]
    title: str = "Suite"
    seed: int = 0
    samples: int = 1000
    device: str = AUTO
    dtype: str = "float32"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, 0, limits.SEED)
        check_whole("samples", self.samples, 1, limits.COUNT)
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1, limits.COUNT)
        resolve_dtype(self.dtype)
        for entries, kind in ((self.models, "models"), (self.benchmarks, "benchmarks")):
            if not entries:
                raise InputError(f"the suite has no {kind}: add [[{kind}]] to its plan.")
            _refuse_twins((each.name for each in entries), f"two of its {kind} are called")
        tasks = (_canonical([each.kind, each.options]) for each in self.benchmarks)
        _refuse_twins(tasks, "two of its benchmarks are the same,")
        for model in self.models:
            _check_model(model)
        rows = (row_name(model.name, space) for model in self.models for space in model.spaces)
        _refuse_twins(rows, "two of its rows are called")

    def check(self) -> None:
        """Check what depends on the packages of this machine: adapters, datasets, benchmarks and their options.

        Raises:
            InputError: an unknown name or option (the nearest one is suggested), a value that a benchmark refuses, or
                two benchmarks that differ only in a default that one of them writes out.
        """
        for model in self.models:
            ADAPTERS.check(model.spec.partition(":")[0])
            if model.train is not None:
                DATASETS.check(model.train.data)
        for benchmark in self.benchmarks:
            _ = benchmark.task
        tasks = (_canonical([each.kind, each.settled]) for each in self.benchmarks)
        _refuse_twins(tasks, "two of its benchmarks are, with their defaults, the same,")

    @property
    def cells(self) -> tuple[Place, ...]:
        """Every model, benchmark and space in the order in which they are measured."""
        return tuple(
            Place(model.name, space, benchmark.name)
            for model in self.models
            for benchmark in self.benchmarks
            for space in model.spaces
        )

    def model(self, name: str) -> ModelEntry:
        """The model of that name."""
        return next(each for each in self.models if each.name == name)

    def benchmark(self, name: str) -> BenchmarkEntry:
        """The benchmark of that name."""
        return next(each for each in self.benchmarks if each.name == name)

    def asked(self, place: Place) -> str:
        """The hash of what the plan says about the numbers of a cell; the same for the plan that was read back."""
        model, benchmark = self.model(place.model), self.benchmark(place.benchmark)
        told = [
            [model.spec, model.package, _trained(model.train), place.space],
            [benchmark.kind, dict(benchmark.options)],
            [self.seed, self.samples, self.dtype],
        ]
        return sha256(_canonical(told).encode()).hexdigest()

    def as_table(self) -> dict[str, Any]:
        """JSON values, from which `of_table` makes the same plan: the table of its TOML file, with every default."""
        table = {key: getattr(self, key) for key in SETTINGS if getattr(self, key) is not None}
        models = [_without_none(each, "train") | _trained(each.train) for each in self.models]
        benchmarks = [
            {"name": each.kind, "title": each.name, "optional": each.optional, **each.options}
            for each in self.benchmarks
        ]
        held: dict[str, Any] = json.loads(
            json.dumps({**table, "models": models, "benchmarks": benchmarks}, default=str)
        )
        return held


def row_name(model: str, space: str) -> str:
    """What tables call a model in a space."""
    return model if space == NATIVE else f"{model} · {space}"


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _without_none(entry: ModelEntry | Training, left_out: str) -> dict[str, Any]:
    fields = {each.name: getattr(entry, each.name) for each in dataclasses.fields(entry) if each.name != left_out}
    return {name: value for name, value in fields.items() if value is not None}


def _trained(train: Training | None) -> dict[str, Any]:
    return {} if train is None else {"train": {**_without_none(train, "settings"), **train.settings}}


def _refuse_twins(names: Iterable[str], told: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"cells of the suite collide: {told} '{name}'.")
        seen.add(name)


def _check_model(model: ModelEntry) -> None:
    if not model.spaces:
        raise InputError(f"the model '{model.name}' has no space: name one, such as '{NATIVE}' or 'euclidean'.")
    specs = (each if each == NATIVE else parse(each).spec for each in model.spaces)
    _refuse_twins(specs, f"the model '{model.name}' has twice the space")
    if "{package}" in model.spec and model.package is None:
        raise InputError(f"the spec of '{model.name}' holds {{package}}: name the package, package = \"...\".")
    if (train := model.train) is not None:
        parse(train.geometry)
        _ = train.recipe
