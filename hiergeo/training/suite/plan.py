"""Plans of suites: which models, spaces and benchmarks, read from TOML and checked before any work starts."""

import json
import os
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, model_validator

from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_dtype
from hiergeo._core.errors import HiergeoError, InputError, described
from hiergeo._core.storage.documents import Document, Json, Open, Raising, parse_toml, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.files import sha256 as file_sha256
from hiergeo._core.storage.texts import read_text
from hiergeo.adapters import ADAPTERS
from hiergeo.datasets import DATASETS
from hiergeo.evaluation.benchmarks import Benchmark, benchmark_named
from hiergeo.geometry import parse
from hiergeo.training import Recipe, TowerRecipe, parse_losses
from hiergeo.training.suite.cells import Place

NATIVE = "native"
"""The space that a model brings, or was trained in; Euclidean space around its root where there is neither."""

SHIPPED = ("demo", "paper")
"""Names of the plans that come with the package."""

RECIPES: dict[str, type[Recipe] | type[TowerRecipe]] = {"head": Recipe, "re": TowerRecipe}
"""Kind of training -> what its settings are."""

CHAINS = {"data": "data", "split": "split", "rows": "take", "protocol": "protocol", "steps": "steps"}
"""Options of verbs about chains of captions -> options of the benchmark ``hierarcaps``."""

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")]
Count = Annotated[int, Field(strict=True, ge=1, le=limits.COUNT)]


class Training(Raising, Open):
    """A training that makes a model of the suite out of another one; done once and kept in the suite's folder.

    Attributes:
        kind: ``head`` or ``re`` (fine-tuning of the text tower).
        data: a dataset of chains with negatives.
        split: its split.
        rows: only the first of them; None takes all.
        geometry: where losses are taken, ``lorentz:-1?learnable`` for a curvature that is learnt; the native space of
            the trained model.

    Other keys are fields of `Recipe` or `TowerRecipe`; losses by name, or as ``["re", "order=0.5"]``.
    """

    kind: Literal["head", "re"]
    data: Name
    split: Name = "train"
    rows: Count | None = None
    geometry: Name = "euclidean"

    @cached_property
    def recipe(self) -> Recipe | TowerRecipe:
        """The other keys as a recipe. Raises InputError for a value that it refuses."""
        settings = dict(self.__pydantic_extra__)
        if isinstance(losses := settings.get("losses"), list):
            settings["losses"] = parse_losses(map(str, losses))
        try:
            return validated(RECIPES[self.kind], settings)
        except ValueError as error:
            raise InputError(f"the settings of a training cannot be used: {error}") from error


class ModelEntry(Raising, Document):
    """A model of a suite: a table ``[[models]]``.

    Attributes:
        spec: what `hiergeo.adapters.load` loads.
        name: what tables call it; its spec by default.
        spaces: where it is measured; those of the plan by default.
        train: what is done with it before; None measures it as it is.
        optional: whether it is left out with a note where a package, weights or data are missing.
        published: the model of published figures that it reproduces.
    """

    spec: Name
    name: Name = ""
    spaces: tuple[Name, ...] = ()
    train: Training | None = None
    optional: StrictBool = False
    published: Name | None = None

    @model_validator(mode="after")
    def _fill_in(self) -> "ModelEntry":
        self.name = self.name or self.spec
        return self

    def check(self) -> None:
        """Raise InputError for an unknown adapter, dataset or space, no space, or a bad training."""
        ADAPTERS.check(self.spec if ADAPTERS.is_code(self.spec) else self.spec.partition(":")[0])
        if not self.spaces:
            raise InputError(f"the model '{self.name}' has no space: name one, such as '{NATIVE}' or 'euclidean'.")
        for spec in self.spaces:
            if spec != NATIVE:
                parse(spec)
        if self.train is not None:
            parse(self.train.geometry)
            DATASETS.check(self.train.data)
            _ = self.train.recipe


class BenchmarkEntry(Raising, Open):
    """A benchmark of a suite: a table ``[[benchmarks]]``; other keys are options of its constructor.

    Attributes:
        name: among `hiergeo.evaluation.benchmarks.BENCHMARKS`.
        title: what tables call it; its name with its options by default.
        optional: whether it is left out with a note where its data is missing.
    """

    name: Name
    title: Name = ""
    optional: StrictBool = False

    @model_validator(mode="after")
    def _fill_in(self) -> "BenchmarkEntry":
        written = (value if isinstance(value, str) else json.dumps(value) for value in self.options.values())
        shown = ", ".join(map("=".join, zip(self.options, written, strict=True)))
        self.title = self.title or (f"{self.name} ({shown})" if shown else self.name)
        return self

    @property
    def options(self) -> dict[str, Json]:
        """The keys that are options of the constructor."""
        return self.__pydantic_extra__

    @cached_property
    def settled(self) -> dict[str, Any]:
        """The options with the defaults of those that the plan leaves out. Raises the errors of `task`."""
        parameters = signature(type(self.task)).parameters.items()
        defaults = {name: option.default for name, option in parameters if option.default is not option.empty}
        return defaults | self.options

    @cached_property
    def contents(self) -> dict[str, str | None]:
        """Option in words -> the hash of the file or folder that it names, None where it names neither."""
        return {name: _content(value) for name, value in self.settled.items() if isinstance(value, str)}

    @cached_property
    def task(self) -> Benchmark:
        """The benchmark. Raises InputError for unknown options and values that it refuses."""
        try:
            return benchmark_named(self.name, **self.options)
        except HiergeoError:
            raise
        except Exception as error:  # constructors need not check types
            what = f"the options of the benchmark '{self.title}' cannot be used"
            raise InputError(f"{what}: {described(error)}.") from error


def _content(option: str) -> str | None:
    """The hash of a file, or of the names, sizes and times of the files in a folder, named with a separator."""
    try:
        path = Path(option).expanduser()
        if path.is_file():
            return file_sha256(path)
        if not (("/" in option or os.sep in option) and path.is_dir()):
            return None
        stats = ((file.relative_to(path).as_posix(), file.stat()) for file in sorted(path.rglob("*")) if file.is_file())
        facts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return sha256(repr(facts).encode()).hexdigest()
    except (OSError, ValueError, RuntimeError):
        return None


class SuitePlan(Raising, Document):
    """A suite: every model in each of its spaces on every benchmark.

    Attributes:
        title: of the table.
        seed: of the bootstraps.
        samples: bootstrap resamples.
        device: where models run and embeddings are kept.
        dtype: of the embeddings.
        batch_size: texts or images that are embedded at a time; None is each model's own.
        spaces: of models that name none.
        models: in the order of the rows.
        benchmarks: in the order of the columns.
    """

    title: Name = "Suite"
    seed: Annotated[int, Field(strict=True, ge=0, le=limits.SEED)] = 0
    samples: Count = 1000
    device: Name = AUTO
    dtype: Name = "float32"
    batch_size: Count | None = None
    spaces: tuple[Name, ...] = (NATIVE,)
    models: tuple[ModelEntry, ...] = ()
    benchmarks: tuple[BenchmarkEntry, ...] = ()

    @model_validator(mode="after")
    def _fill_in(self) -> "SuitePlan":
        for model in self.models:
            model.spaces = model.spaces or self.spaces
        return self

    def check(self) -> None:
        """Check that cells differ, and what depends on the packages of this machine.

        Raises:
            InputError: no models or benchmarks, two of one name, an unknown name or option (the nearest one is
                suggested), or a value that a recipe or a benchmark refuses.
        """
        resolve_dtype(self.dtype)
        for entries, kind in ((self.models, "models"), (self.benchmarks, "benchmarks")):
            if not entries:
                raise InputError(f"the suite has no {kind}: add [[{kind}]] to its plan.")
        for names in ([model.name for model in self.models], [benchmark.title for benchmark in self.benchmarks]):
            if twins := [name for name in names if names.count(name) > 1]:
                raise InputError(f"cells of the suite collide: two of its rows or columns are called '{twins[0]}'.")
        for model in self.models:
            model.check()
        for benchmark in self.benchmarks:
            _ = benchmark.settled

    @property
    def cells(self) -> tuple[Place, ...]:
        """Every model, benchmark and space in the order in which they are measured."""
        return tuple(
            Place(model.name, space, benchmark.title)
            for model in self.models
            for benchmark in self.benchmarks
            for space in model.spaces
        )

    def model(self, name: str) -> ModelEntry:
        """The model that tables call so."""
        return next(model for model in self.models if model.name == name)

    def benchmark(self, title: str) -> BenchmarkEntry:
        """The benchmark that tables call so."""
        return next(benchmark for benchmark in self.benchmarks if benchmark.title == title)

    def digest(self, key: Place) -> str:
        """The hash of what the plan says about the numbers of a cell; the same for the plan that was read back."""
        model, benchmark = self.model(key.model), self.benchmark(key.benchmark)
        train = {} if model.train is None else {"train": model.train.model_dump(exclude_none=True)}
        facts = [
            [model.spec, train, key.space],
            [benchmark.name, benchmark.model_dump(exclude=set(BenchmarkEntry.model_fields), exclude_none=True)],
            [self.seed, self.samples, self.dtype],
        ]
        return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def as_table(self) -> dict[str, Any]:
        """JSON values, from which `of_table` makes the same plan: the table of its TOML file, with every default."""
        return self.model_dump(mode="json", exclude_none=True)


def read_plan(plan: str | Path) -> SuitePlan:
    """The plan in a TOML file, or one of `SHIPPED` by its name, with or without ``.toml``, unless a file is so named.

    Raises:
        UnavailableError: there is no such file, and no plan of that name is shipped.
        InputError: it is not valid TOML, has unknown keys (the nearest is suggested) or values of the wrong type, or
            `SuitePlan.check` refuses it.
    """
    path = path_of(plan)
    name = str(plan).removesuffix(".toml")
    if name in SHIPPED and not path.is_file():
        return shipped_plan(name)
    return parse_plan(read_text(path, f"name a TOML file, or a plan that is shipped: {', '.join(SHIPPED)}"), path)


def shipped_plan(name: str) -> SuitePlan:
    """One of the plans `SHIPPED`, whatever lies in the working folder."""
    shipped = files("hiergeo.training.suite") / "plans" / f"{name}.toml"
    return parse_plan(shipped.read_text(encoding="utf-8"), f"{name}.toml")


def parse_plan(text: str, where: object = "the plan") -> SuitePlan:
    """A plan from the text of a TOML file; `where` is named in errors. Raises the errors of `read_plan`."""
    plan = of_table(parse_toml(text, where), where)
    plan.check()
    return plan


def of_table(table: dict[str, Any], where: object = "the plan") -> SuitePlan:
    """A plan from the table of a TOML file, before `SuitePlan.check`.

    The file may hold options of ``hiergeo compare`` in place of tables: ``model`` (one or several) and ``geometry``,
    and those of `CHAINS`, which make one benchmark of chains. Raises InputError for keys or values that do not fit.
    """
    try:
        return validated(SuitePlan, _without_options(table))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def row_name(model: str, space: str) -> str:
    """What tables call a model in a space."""
    return model if space == NATIVE else f"{model} · {space}"


def _without_options(table: dict[str, Any]) -> dict[str, Any]:
    """The table with tables in place of options. Raises ValueError for what both name."""
    table = {key.replace("-", "_"): value for key, value in table.items()}
    chains = {option: table.pop(key) for key, option in CHAINS.items() if key in table}
    given = (table.pop(key, []) for key in ("model", "geometry"))
    models, spaces = (value if isinstance(value, list) else [value] for value in given)
    made: dict[str, Any] = {"models": [{"spec": spec} for spec in models], "spaces": spaces}
    if chains or (models and "benchmarks" not in table):
        title = chains.setdefault("data", "hierarcaps")
        made["benchmarks"] = [{"name": "hierarcaps", "title": title, **chains}]
        table.setdefault("title", f"Models on {title}")
    for key, entries in made.items():
        if entries and key in table:
            raise ValueError(f"it names {key} twice, by options and as '{key}': leave one of them out.")
        table |= {key: entries} if entries else {}
    return table


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
