"""Verbs as the command line runs them, and their options in TOML files.

A file has one line an option, named as on the command line: ``geometry = ["euclidean", "lorentz:-1"]``. What is also
given on the command line overrides it.
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_text
from hiergeo._core.text import without_folders, without_password
from hiergeo.cli._terminal import phase
from hiergeo.cli.defaults import SETTINGS
from hiergeo.cli.options import CAPTIONS, argument, checked_path, option, setting_name

SOURCES = ("data", "plan", "captions", "embeddings", "index", "path", "source", "sources", "folder")
"""Parameters besides models that say what a command reads."""


FILES = ("train", "embeddings", "images", "queries")
"""Parameters that are a file or a folder to read, where they are a path."""


class Verb(TyperCommand):
    """A verb that says what it loads, checks the names of it all first, and refuses an option given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; raises InputError for a repeated option that takes one value."""
        order = self.make_parser(ctx).parse_args(args=list(args))[2]
        for parameter, count in Counter(order).items():
            if count > 1 and not getattr(parameter, "multiple", False):
                raise InputError(f"{max(parameter.opts, key=len)} is given {count} times, but takes one value.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, behind a line that says what is loaded; names are checked before anything else."""
        if CAPTIONS in ctx.meta:
            ctx.params["model"] = _with_captions(ctx.params["model"], ctx.meta[CAPTIONS])
        if "torch" not in sys.modules:
            bundled = "tiny, scenes" if ctx.info_name == "demo" or ctx.params.get("demo") else "hiergeo"
            phase(f"Loading {', '.join(_sources(ctx.params)) or bundled}")
        check_names(ctx.params)
        if "set" in ctx.params:
            ctx.params["set"] = _merged((ctx.default_map or {}).get("set", []), ctx.params["set"])
        return super().invoke(ctx)


def _with_captions(model: str | list[str] | None, captions: str) -> str | list[str]:
    """Specs of models of which those that are files of embeddings have the texts of a file."""
    from hiergeo.datasets.vectors import is_vectors

    specs = [
        f"{spec}{'&' if '?' in spec else '?'}captions={captions}" if is_vectors(path_of(file)) else spec
        for spec in _listed(model)
        for file in [re.sub(r"^npz:|@mean$", "", spec.partition("?")[0])]
    ]
    if specs == _listed(model):
        raise InputError("--captions says which texts the rows of a file embed: name the file, -m rows.npy.")
    return specs[0] if isinstance(model, str) else specs


def check_names(values: Mapping[str, Any]) -> None:
    """Refuse files, models, geometries, stores and datasets that do not exist, before anything is loaded.

    Raises InputError or UnavailableError, as what reads them would.
    """
    for name in FILES:
        path = values.get(name)
        if isinstance(path, Path) and not (path.exists() or Path(str(path).partition("?")[0]).exists()):
            raise UnavailableError(f"{path} is not there: name a file or a folder that is, with --{name}.")
    if models := _listed(values.get("model")):
        from hiergeo.adapters.loading import check_spec

        for spec in models:
            check_spec(spec)
    if geometries := _listed(values.get("geometry")):
        from hiergeo.geometry import parse

        for spec in geometries:
            parse(spec)
    if store := values.get("store"):
        from hiergeo.search.pushing import ENDED
        from hiergeo.search.store import STORES

        if (kind := store.partition(":")[0]) != ENDED:
            STORES.check(kind)
    if data := values.get("data"):
        from hiergeo import datasets

        datasets.check(data)


def _listed(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _sources(values: Mapping[str, Any]) -> list[str]:
    """What a command reads, as its user named it, without folders."""
    stored = values.get("train")
    names = [name for name in SOURCES if name != "data" or not ("path" in values or isinstance(stored, Path))]
    given = [values[name] for name in names if values.get(name)]
    named = [
        *_listed(values.get("model")),
        *(source for value in given for source in (value if isinstance(value, list) else [value])),
        *([stored.name] if isinstance(stored, Path) else []),
    ]
    return [without_folders(without_password(str(source))) for source in named if isinstance(source, str | Path)]


def take_defaults(context: typer.Context, value: Path | None) -> None:
    """Make the options of a file the defaults of the command that is being read."""
    if value is not None:
        context.default_map = read_options(checked_path(value), context.command)


READ = "Read options from this TOML file; those given here override it."

Config = Annotated[Path | None, option("FILE", READ, is_eager=True, expose_value=False, callback=take_defaults)]
PlanFile = Annotated[
    Path | None, argument("[PLAN.toml]", READ, is_eager=True, expose_value=False, callback=take_defaults)
]


def option_name(parameter: Any) -> str:
    """An option's name without dashes before it, such as ``min-radius``; an argument's own name."""
    return str(max(parameter.opts, key=len)).lstrip("-").split("/")[0]


def read_options(path: Path, command: Any) -> dict[str, Any]:
    """The options of a verb in a TOML file, as typer's names for them -> values.

    Other names of a verb with ``--set`` are settings; those of a training are the ones of its recipe. Raises InputError
    for an option that the verb does not have (the nearest one is suggested), and for a table.
    """
    parameters = {
        option_name(parameter).replace("_", "-"): parameter
        for parameter in command.params
        if parameter.name not in ("help", "version", "config", "plan")
    }
    recipe = SETTINGS if "loss" in parameters else ()
    defaults: dict[str, Any] = {}
    settings: list[str] = []
    for key, value in documents.parse_toml(read_text(path, "name a TOML file of options"), path).items():
        name = key.replace("_", "-")
        can_be_set = "set" in parameters and (not recipe or key.replace("-", "_") in recipe)
        if name not in parameters and can_be_set and not isinstance(value, dict | list):
            settings.append(f"{key}={value}")
            continue
        if name not in parameters:
            raise unknown_name("option", key, [*parameters, *recipe], f" in {path}")
        multiple = getattr(parameters[name], "multiple", False)
        if isinstance(value, dict) or (isinstance(value, list) and not multiple):
            kind = "a table" if isinstance(value, dict) else "a list"
            raise InputError(f"{path}: '{key}' is {kind}, and the option takes one value.")
        defaults[str(parameters[name].name)] = [value] if multiple and not isinstance(value, list) else value
    return defaults | ({"set": _merged(defaults.get("set", []), settings)} if settings else {})


def _merged(settings: Sequence[str], others: Sequence[str]) -> list[str]:
    """Two lists of ``KEY=VALUE``, of which the second one counts for what both name."""
    named = set(map(setting_name, others))
    return [*(pair for pair in settings if setting_name(pair) not in named), *others]
