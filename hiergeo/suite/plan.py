"""Plans of suites: which models, spaces and benchmarks, read from TOML and checked before any work starts."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from hiergeo import _limits
from hiergeo._devices import AUTO, resolve_dtype
from hiergeo.adapters import ADAPTERS
from hiergeo.benchmarks import Benchmark, benchmark_named
from hiergeo.datasets import DATASETS
from hiergeo.errors import HiergeoError, InputError, check_whole, described, unknown_name
from hiergeo.geometry import parse
from hiergeo.storage.documents import Flag, ListOf, Misfit, Record, Schema, Text, Whole, parse_toml
from hiergeo.storage.files import path_of, read_text
from hiergeo.suite.cells import Place
from hiergeo.training import Recipe, TowerRecipe, parse_losses

NATIVE = "native"
"""The space that a model brings, or was trained in; Euclidean space around its root where there is neither."""

SHIPPED = ("demo", "paper")
"""Names of the plans that come with the package."""

RECIPES: dict[str, type[Recipe] | type[TowerRecipe]] = {"head": Recipe, "re": TowerRecipe}
"""Kind of training -> what its settings are."""

NAME = Text(r"[^\x00-\x1f]*\S[^\x00-\x1f]*")


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
        return RECIPES[self.kind](**settings)


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
        kind: its name among `hiergeo.benchmarks.BENCHMARKS`.
        options: of its constructor.
        optional: whether it is left out with a note where its data is missing.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False

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
        check_whole("seed", self.seed, 0, _limits.SEED)
        check_whole("samples", self.samples, 1, _limits.RESAMPLES)
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1, _limits.BATCH)
        resolve_dtype(self.dtype)
        for entries, kind in ((self.models, "models"), (self.benchmarks, "benchmarks")):
            if not entries:
                raise InputError(f"the suite has no {kind}: add [[{kind}]] to its plan.")
            _refuse_twins((each.name for each in entries), f"two of its {kind} are called")
        tasks = (json.dumps([each.kind, each.options], sort_keys=True, default=str) for each in self.benchmarks)
        _refuse_twins(tasks, "two of its benchmarks are the same,")
        for model in self.models:
            _check_model(model)

    def check(self) -> None:
        """Check what depends on the packages of this machine: adapters, datasets, benchmarks and their options.

        Raises:
            InputError: an unknown name or option (the nearest one is suggested), or a value that a benchmark refuses.
        """
        for model in self.models:
            ADAPTERS.check(model.spec.partition(":")[0])
            if model.train is not None:
                DATASETS.check(model.train.data)
        for benchmark in self.benchmarks:
            _ = benchmark.task

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

    def as_table(self) -> dict[str, Any]:
        """JSON values, from which `of_table` makes the same plan: the table of its TOML file, with every default."""
        table = {key: getattr(self, key) for key in OPTIONS if getattr(self, key) is not None}
        models = [_without_none(each, "train") | _trained(each.train) for each in self.models]
        benchmarks = [
            {"name": each.kind, "title": each.name, "optional": each.optional, **each.options}
            for each in self.benchmarks
        ]
        held: dict[str, Any] = json.loads(
            json.dumps({**table, "models": models, "benchmarks": benchmarks}, default=str)
        )
        return held


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


def read_plan(plan: str | Path) -> SuitePlan:
    """The plan in a TOML file, or one of `SHIPPED` by its name, with or without ``.toml``.

    Raises:
        UnavailableError: there is no such file, and no plan of that name is shipped.
        InputError: it is no TOML, has unknown keys (the nearest is suggested) or values of the wrong type, or
            `SuitePlan` refuses it.
    """
    path = path_of(plan)
    name = str(plan).removesuffix(".toml")
    if not path.exists() and name in SHIPPED:
        shipped = files("hiergeo.suite") / "plans" / f"{name}.toml"
        return parse_plan(shipped.read_text(encoding="utf-8"), f"{name}.toml")
    return parse_plan(read_text(path, f"name a TOML file, or a plan that is shipped: {', '.join(SHIPPED)}"), path)


def parse_plan(text: str, where: object = "the plan") -> SuitePlan:
    """A plan from the text of a TOML file; `where` is named in errors. Raises the errors of `read_plan`."""
    plan = of_table(parse_toml(text, where), where)
    plan.check()
    return plan


def of_table(table: dict[str, Any], where: object = "the plan") -> SuitePlan:
    """A plan from the table of a TOML file, not yet checked against this machine (`SuitePlan.check`).

    Raises:
        InputError: as of `read_plan`; `where` is named.
    """
    try:
        return _plan(table, str(where))
    except Misfit as error:
        raise InputError(f"{where}: {error}.") from error


OPTIONS: dict[str, Schema] = {
    "title": NAME,
    "seed": Whole(0, _limits.SEED),
    "samples": Whole(1, _limits.RESAMPLES),
    "device": NAME,
    "dtype": NAME,
    "batch_size": Whole(1, _limits.BATCH),
}
SPACES = ListOf(NAME)
MODEL: dict[str, Schema] = {
    "spec": NAME,
    "name": NAME,
    "spaces": SPACES,
    "optional": Flag(),
    "package": Text(r"[A-Za-z_][A-Za-z0-9_.]*"),
    "published": NAME,
}
BENCHMARK: dict[str, Schema] = {"name": NAME, "title": NAME, "optional": Flag()}
TRAIN: dict[str, Schema] = {
    "kind": NAME,
    "data": NAME,
    "split": NAME,
    "rows": Whole(1, _limits.SCENES),
    "geometry": NAME,
    "learn_curvature": Flag(),
}


def _plan(table: dict[str, Any], where: str) -> SuitePlan:
    _check_keys("key", table, [*OPTIONS, "spaces", "models", "benchmarks"], f" in {where}")
    options = {key: value for key, value in table.items() if key in OPTIONS}
    Record(optional=OPTIONS).check(options, "")
    spaces = table.get("spaces", [NATIVE])
    SPACES.check(spaces, "spaces")
    models = tuple(_model(entry, spaces, where) for entry in _tables(table, "models"))
    return SuitePlan(models, _benchmarks(_tables(table, "benchmarks"), where), **options)


def _tables(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Misfit(key, entries, f"tables, written as [[{key}]]")
    return entries


def _model(entry: dict[str, Any], spaces: list[str], where: str) -> ModelEntry:
    _check_keys("key of a model", entry, [*MODEL, "train"], f" in {where}")
    plain = {key: value for key, value in entry.items() if key != "train"}
    Record({"spec": NAME}, MODEL).check(plain, "models")
    train = entry.get("train")
    if train is not None and not isinstance(train, dict):
        raise Misfit("models.train", train, 'a table, such as {kind = "head", data = "scenes"}')
    made = {key: value for key, value in plain.items() if key not in ("name", "spaces")}
    return ModelEntry(
        name=plain.get("name", plain["spec"]),
        spaces=tuple(plain.get("spaces", spaces)),
        train=None if train is None else _training(train, where),
        **made,
    )


def _training(entry: dict[str, Any], where: str) -> Training:
    held = {key: value for key, value in entry.items() if key in TRAIN}
    Record({"kind": NAME, "data": NAME}, TRAIN).check(held, "models.train")
    if held["kind"] not in RECIPES:
        raise unknown_name("kind of training", held["kind"], RECIPES, f" in {where}")
    recipe = RECIPES[held["kind"]]
    _check_keys(
        "setting of a training", entry, [*TRAIN, *(each.name for each in dataclasses.fields(recipe))], f" in {where}"
    )
    settings = {key: value for key, value in entry.items() if key not in TRAIN}
    made = Training(**held, settings=settings)
    try:
        _ = made.recipe
    except HiergeoError:
        raise
    except Exception as error:  # recipes check ranges, not types
        raise InputError(f"{where}: a setting of models.train is of the wrong type: {described(error)}.") from error
    return made


def _benchmarks(entries: list[dict[str, Any]], where: str) -> tuple[BenchmarkEntry, ...]:
    found = []
    for entry in entries:
        own = {key: value for key, value in entry.items() if key in BENCHMARK}
        Record({"name": NAME}, BENCHMARK).check(own, "benchmarks")
        kind = own["name"]
        options = {key: value for key, value in entry.items() if key not in BENCHMARK}
        told = ", ".join(f"{key}={_shown(value)}" for key, value in options.items())
        name = own.get("title", f"{kind} ({told})" if told else kind)
        found.append(BenchmarkEntry(name, kind, options, own.get("optional", False)))
    return tuple(found)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _check_keys(kind: str, entry: dict[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in entry:
        if key not in known:
            raise unknown_name(kind, key, known, where)
