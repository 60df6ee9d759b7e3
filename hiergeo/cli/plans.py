"""Commands as files: options that are read from TOML, and the command that every result stores with it.

A file has one line an option, named as on the command line: ``geometry = ["euclidean", "lorentz:-1"]``. What is also
given on the command line overrides it. The JSON of a result holds the same options under ``command``, so it can be
given as such a file too.
"""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import atomic_write_text
from hiergeo._core.storage.texts import read_text
from hiergeo._core.text import without_folders, without_password
from hiergeo.cli._terminal import phase
from hiergeo.cli.defaults import SETTINGS
from hiergeo.cli.options import argument, checked_path, option, setting_name

OUTPUTS = frozenset({"format", "html", "json", "log", "open_page", "out", "overwrite"})
"""Parameters that say where a result goes: they are not part of the command that makes it again."""

SECRETS = frozenset({"token"})
"""Parameters that are written nowhere."""

SOURCES = ("data", "plan", "captions", "embeddings", "index", "path", "source", "sources", "folder")
"""Parameters besides models that say what a command reads."""

FILE = "plan.toml"
"""What the file is called that a result in a folder holds."""

KEY = "command"
"""The key of the same in a JSON file."""


class Command(NamedTuple):
    """A command that can be run again.

    Attributes:
        verb: such as ``train head``.
        options: name without dashes -> value, or values of an option that is given several times.
    """

    verb: str
    options: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON values; numbers that are not finite become null."""
        return {"verb": self.verb, "options": {name: finite(value) for name, value in self.options.items()}}

    def as_toml(self) -> str:
        """The text of a file that the verb reads."""
        reading = f"{self.verb} {FILE}" if self.verb == "study" else f"{self.verb} --config {FILE}"
        return f"# hiergeo {reading}\n{documents.toml_text(self.options)}"


def finite(value: Any) -> Any:
    """The value of an option as JSON can hold it: a number that is not finite becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


_running: ContextVar[Command | None] = ContextVar("running", default=None)


def running() -> Command | None:
    """The command that is being run; None outside the command line."""
    return _running.get()


def remove_plan(folder: Path) -> None:
    """Remove the command of an earlier result from a folder, before another result replaces that one."""
    (folder / FILE).unlink(missing_ok=True)


def write_plan(folder: Path) -> None:
    """Write the command that is being run into the folder of its result, as `FILE`."""
    command = running()
    if command is not None:
        atomic_write_text(folder / FILE, command.as_toml())


class Verb(TyperCommand):
    """A verb that knows, while it runs, which command it is, and refuses an option given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; raises InputError for a repeated option that takes one value."""
        order = self.make_parser(ctx).parse_args(args=list(args))[2]
        for parameter, count in Counter(order).items():
            if count > 1 and not getattr(parameter, "multiple", False):
                raise InputError(f"{max(parameter.opts, key=len)} is given {count} times, but takes one value.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, behind a line that says what is loaded; specs of models are checked before anything else."""
        if "torch" not in sys.modules:
            bundled = "tiny, scenes" if ctx.info_name == "demo" or ctx.params.get("demo") else "hiergeo"
            phase(f"Loading {', '.join(_sources(ctx.params)) or bundled}")
        if models := _models(ctx.params):
            from hiergeo.adapters.loading import check_spec

            for spec in models:
                check_spec(spec)
        if "set" in ctx.params:
            ctx.params["set"] = _merged((ctx.default_map or {}).get("set", []), ctx.params["set"])
        verb = ctx.command_path.partition(" ")[2]
        token = _running.set(Command(verb, self._options(ctx.params)))
        try:
            return super().invoke(ctx)
        finally:
            _running.reset(token)

    def _options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = [(parameter, values.get(str(parameter.name))) for parameter in self.params]
        return {
            option_name(parameter): _plain(value)
            for parameter, value in given
            if parameter.name not in OUTPUTS | SECRETS and value is not None
        }


def _models(values: Mapping[str, Any]) -> list[str]:
    model = values.get("model") or []
    return [model] if isinstance(model, str) else list(model)


def _sources(values: Mapping[str, Any]) -> list[str]:
    """What a command reads, as its user named it, without folders."""
    stored = values.get("train")
    names = [name for name in SOURCES if name != "data" or not ("path" in values or isinstance(stored, Path))]
    given = [values[name] for name in names if values.get(name)]
    named = [
        *_models(values),
        *(source for value in given for source in (value if isinstance(value, list) else [value])),
        *([stored.name] if isinstance(stored, Path) else []),
    ]
    return [without_folders(without_password(str(source))) for source in named if isinstance(source, str | Path)]


def take_defaults(context: typer.Context, value: Path | None) -> None:
    """Make the options of a file the defaults of the command that is being read."""
    if value is not None:
        context.default_map = read_options(checked_path(value), context.command)


READ = "Read options from this TOML file, or from the JSON of a result; those given here override it."

Config = Annotated[Path | None, option("FILE", READ, is_eager=True, expose_value=False, callback=take_defaults)]
PlanFile = Annotated[
    Path | None, argument("[PLAN.toml]", READ, is_eager=True, expose_value=False, callback=take_defaults)
]


class _Again(documents.Foreign):
    options: dict[str, Any]


class _Result(documents.Foreign):
    command: _Again


def option_name(parameter: Any) -> str:
    """An option's name without dashes before it, such as ``min-radius``; an argument's own name."""
    return str(max(parameter.opts, key=len)).lstrip("-").split("/")[0]


def read_options(path: Path, command: Any) -> dict[str, Any]:
    """The options of a verb in a file, as typer's names for them -> values.

    Args:
        path: the file.
        command: the verb.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is not valid TOML (or not the JSON of a result), names an option that the verb does not have (the
            nearest one is suggested), or holds a table. Other names of a verb with ``--set`` are settings; those of a
            training are the ones of its recipe.
    """
    known = {
        option_name(parameter).replace("_", "-"): parameter
        for parameter in command.params
        if parameter.name not in ("help", "version", "config", "plan")
    }
    defaults: dict[str, Any] = {}
    settings: list[str] = []
    for key, value in _options_in(path).items():
        name = key.replace("_", "-")
        can_be_set = "set" in known and ("loss" not in known or key.replace("-", "_") in SETTINGS)
        if name not in known and can_be_set and not isinstance(value, dict | list):
            settings.append(f"{key}={value}")
            continue
        if name not in known:
            raise unknown_name("option", key, [*known, *(SETTINGS if "loss" in known else ())], f" in {path}")
        multiple = getattr(known[name], "multiple", False)
        if isinstance(value, dict) or (isinstance(value, list) and not multiple):
            kind = "a table" if isinstance(value, dict) else "a list"
            raise InputError(f"{path}: '{key}' is {kind}, and the option takes one value.")
        defaults[str(known[name].name)] = [value] if multiple and not isinstance(value, list) else value
    return defaults | ({"set": _merged(defaults.get("set", []), settings)} if settings else {})


def _merged(settings: Sequence[str], others: Sequence[str]) -> list[str]:
    """Two lists of ``KEY=VALUE``, of which the second one counts for what both name."""
    named = set(map(setting_name, others))
    return [*(pair for pair in settings if setting_name(pair) not in named), *others]


def _options_in(path: Path) -> dict[str, Any]:
    text = read_text(path, "name a TOML file of options")
    if path.suffix != ".json":
        return documents.parse_toml(text, path)
    try:
        return documents.validated(_Result, documents.parse_json(text.encode())).command.options
    except ValueError as error:
        raise InputError(
            f"{path} does not hold a command to run again ({str(error).rstrip('.')}): give the JSON of a result, or a "
            "TOML file."
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) else without_password(str(value))
