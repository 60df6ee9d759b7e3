"""Verbs that are imported when they are used: the overview of the command line needs none of them, nor torch."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class LazyGroup(TyperGroup):
    """A group of verbs; a subclass gives the first sentences of their helps by heading and name, in order.

    Its `commands` hold these sentences alone; the verb that is asked for is loaded.
    """

    summaries: Mapping[str, Mapping[str, str]]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=summary, rich_help_panel=panel)
            for panel, verbs in self.summaries.items()
            for name, summary in verbs.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of the verb that arguments ask for, the verb, and the arguments that are left."""
        name, _, left = super().resolve_command(ctx, args)
        return name, loaded(str(name)), left


def loaded(name: str) -> Any:
    """The command of a verb: the typer application ``app`` of its module, or else the function ``NAME_command``."""
    module = import_module(f"hiergeo.cli.{name}")
    group = getattr(module, "app", None)
    if group is not None:
        command: Any = get_group(group)
    else:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        kind = getattr(module, "Command", None) or import_module("hiergeo.cli.plans").Verb
        alone.command(name, cls=kind)(getattr(module, f"{name}_command"))
        command = get_command(alone)
    command.name = name
    return command


class WithDefault(TyperGroup):
    """A group whose verb ``run`` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that name no verb of the group."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["run", *args])
