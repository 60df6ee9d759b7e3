"""Plans of suites as TOML: every key and type is checked, and what is wrong is named."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.documents import Document, Open, parse_toml, validated
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text
from hiergeo.training.suite.plan import NATIVE, SETTINGS, BenchmarkEntry, ModelEntry, SuitePlan, Training

SHIPPED = ("demo", "paper")
"""Names of the plans that come with the package."""

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")]


def read_plan(plan: str | Path) -> SuitePlan:
    """The plan in a TOML file, or one of `SHIPPED` by its name, with or without ``.toml``, unless a file is so named.

    Raises:
        UnavailableError: there is no such file, and no plan of that name is shipped.
        InputError: it is no TOML, has unknown keys (the nearest is suggested) or values of the wrong type, or
            `SuitePlan` refuses it.
    """
    path = path_of(plan)
    name = str(plan).removesuffix(".toml")
    if name in SHIPPED and not path.is_file():
        return shipped_plan(name)
    return parse_plan(read_text(path, f"name a TOML file, or a plan that is shipped: {', '.join(SHIPPED)}"), path)


def shipped_plan(name: str) -> SuitePlan:
    """One of the plans `SHIPPED`, whatever lies in the working folder. Raises InputError for another name."""
    if name not in SHIPPED:
        raise unknown_name("shipped plan", name, SHIPPED)
    shipped = files("hiergeo.training.suite") / "plans" / f"{name}.toml"
    return parse_plan(shipped.read_text(encoding="utf-8"), f"{name}.toml")


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
        return _plan(validated(_Plan, table))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


class _Training(Open):
    """A table ``train``; other keys are fields of the recipe."""

    kind: Literal["head", "re"]
    data: Name
    split: Name = "train"
    rows: Annotated[int, Field(ge=1, le=limits.COUNT)] | None = None
    geometry: Name = "euclidean"
    learn_curvature: bool = False


class _Model(Document):
    """A table ``[[models]]``."""

    spec: Name
    name: Name | None = None
    spaces: tuple[Name, ...] | None = None
    train: _Training | None = None
    optional: bool = False
    package: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] | None = None
    published: Name | None = None


class _Benchmark(Open):
    """A table ``[[benchmarks]]``; other keys are options of the benchmark."""

    name: Name
    title: Name | None = None
    optional: bool = False


class _Plan(Document):
    """A whole file; `SuitePlan` checks the ranges of its settings."""

    title: Name = ""
    seed: int = 0
    samples: int = 0
    device: Name = ""
    dtype: Name = ""
    batch_size: int | None = None
    spaces: tuple[Name, ...] = (NATIVE,)
    models: tuple[_Model, ...] = ()
    benchmarks: tuple[_Benchmark, ...] = ()


def _plan(told: _Plan) -> SuitePlan:
    settings = told.model_dump(include=set(SETTINGS), exclude_unset=True)
    models = (
        ModelEntry(
            name=each.name or each.spec,
            spaces=told.spaces if each.spaces is None else each.spaces,
            train=None if each.train is None else _training(each.train),
            **each.model_dump(include={"spec", "optional", "package", "published"}),
        )
        for each in told.models
    )
    return SuitePlan(tuple(models), tuple(map(_benchmark, told.benchmarks)), **settings)


def _training(told: _Training) -> Training:
    own = told.model_dump(include=set(_Training.model_fields))
    made = Training(**own, settings=told.__pydantic_extra__)
    _ = made.recipe
    return made


def _benchmark(told: _Benchmark) -> BenchmarkEntry:
    options = told.__pydantic_extra__
    shown = ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in options.items()
    )
    name = told.title or (f"{told.name} ({shown})" if shown else told.name)
    return BenchmarkEntry(name, told.name, options, told.optional)
