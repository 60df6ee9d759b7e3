"""Verbs that are imported when they are used: the overview of the command line needs none of them, nor torch."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Verb(NamedTuple):
    """Where a verb is, and what the overview says of it.

    Attributes:
        place: ``module:attribute`` in `hiergeo.cli`: its function, or the typer application of a group of verbs.
        summary: the first sentence of its help.
        panel: the heading under which the overview lists it.
        planned: whether its options can be read from a file, by `PlannedVerb`.
    """

    place: str
    summary: str
    panel: str
    planned: bool = True

    def load(self, name: str) -> Any:
        """The command of that name."""
        module, _, attribute = self.place.partition(":")
        found = getattr(import_module(f"hiergeo.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
        else:
            module, kind = ("plans", "PlannedVerb") if self.planned else ("options", "Verb")
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name, cls=getattr(import_module(f"hiergeo.cli.{module}"), kind))(found)
            command = get_command(alone)
        command.name = name
        return command


class Group(TyperGroup):
    """A group of verbs; a subclass lists them as `verbs`, in the order of its help.

    Its `commands` hold summaries alone; the verb that is asked for is loaded.
    """

    verbs: Mapping[str, Verb]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=verb.summary, rich_help_panel=verb.panel) for name, verb in self.verbs.items()
        }

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in their order."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of the verb that arguments ask for, the verb, and the arguments that are left."""
        name, _, left = super().resolve_command(ctx, args)
        return name, self.verbs[str(name)].load(str(name)), left


class WithDefault(TyperGroup):
    """A group whose verb ``run`` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that name no verb of the group."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["run", *args])
