"""Verbs that are imported when they are used: the overview of the command line needs none of them, nor torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple, final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Verb(NamedTuple):
    """Where a verb is, and what the overview says of it.

    Attributes:
        place: ``module:attribute`` in `hiergeo.cli`: its function, or the typer application of a group of verbs.
        summary: the first sentence of its help.
        planned: whether its options can be read from a file, by `PlannedVerb`.
    """

    place: str
    summary: str
    planned: bool = True

    def load(self, name: str) -> Any:
        """The command of that name."""
        module, _, attribute = self.place.partition(":")
        found = getattr(import_module(f"hiergeo.cli.{module}"), attribute)
        command = get_group(found) if isinstance(found, typer.Typer) else self._of_function(name, found)
        command.name = name
        return command

    def _of_function(self, name: str, function: Any) -> Any:
        module, kind = ("plans", "PlannedVerb") if self.planned else ("options", "Verb")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name, cls=getattr(import_module(f"hiergeo.cli.{module}"), kind))(function)
        return get_command(alone)


@final
class Loaded(dict[str, Any]):
    """Commands by name; a `Verb` among them becomes its command when it is looked at."""

    def __getitem__(self, name: str) -> Any:
        held = super().__getitem__(name)
        if isinstance(held, Verb):
            held = self[name] = held.load(name)
        return held

    def get(self, name: str, default: Any = None) -> Any:
        """The command of a name, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def values(self) -> Any:
        """Every command, loaded."""
        return {name: self[name] for name in self}.values()

    def items(self) -> Any:
        """Every command by its name, loaded."""
        return {name: self[name] for name in self}.items()


class Group(TyperGroup):
    """A group of verbs; a subclass lists them as `verbs`, in the order of its help."""

    verbs: Mapping[str, Verb]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = Loaded(self.verbs)
        self._in_overview = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in their order."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; while the help of the group is written, its summary alone."""
        if self._in_overview and cmd_name in self.verbs:
            return TyperCommand(cmd_name, help=self.verbs[cmd_name].summary)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group."""
        with self._overview():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """What can follow, for the completion of shells."""
        with self._overview():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _overview(self) -> Iterator[None]:
        self._in_overview = True
        try:
            yield
        finally:
            self._in_overview = False
