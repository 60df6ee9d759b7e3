"""Plans of suites as TOML: every key and type is checked, and what is wrong is named."""

import dataclasses
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError, described, unknown_name
from hiergeo._core.storage.documents import Flag, ListOf, Misfit, Record, Schema, Text, Whole, parse_toml
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text
from hiergeo.training.suite.plan import NATIVE, RECIPES, BenchmarkEntry, ModelEntry, SuitePlan, Training

SHIPPED = ("demo", "paper")
"""Names of the plans that come with the package."""

NAME = Text(r"[^\x00-\x1f]*\S[^\x00-\x1f]*")


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
        return _plan(table, str(where))
    except Misfit as error:
        raise InputError(f"{where}: {error}.") from error


OPTIONS: dict[str, Schema] = {
    "title": NAME,
    "seed": Whole(0, limits.SEED),
    "samples": Whole(1, limits.RESAMPLES),
    "device": NAME,
    "dtype": NAME,
    "batch_size": Whole(1, limits.BATCH),
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
    "rows": Whole(1, limits.SCENES),
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
