"""Every verb and every public package has its place in the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import hiergeo
from hiergeo.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"
ROOMS = sorted(path.parent.name for path in Path(hiergeo.__file__).parent.glob("*/__init__.py"))


def verbs(command, above: str = "") -> Iterator[str]:
    """Names such as ``probe`` and ``index build``; of ``data``, which the table has as one, the group."""
    for name, one in command.commands.items():
        if hasattr(one, "commands") and name != "data":
            yield from verbs(one, f"{name} ")
        else:
            yield above + name


def test_every_verb_is_in_the_table_of_the_command_line():
    named = set()
    for cell in re.findall(r"^\| (`[^|]*`) \|", (DOCS / "cli.md").read_text(), re.M):
        words = re.findall("`([^`]+)`", cell)
        group = words[0].partition(" ")[0] + " " if " " in words[0] else ""
        named |= {word if word.startswith(group) else group + word for word in words}
    assert set(verbs(get_command(app))) <= named


@pytest.mark.parametrize("name", ROOMS)
def test_every_room_is_in_the_architecture(name):
    assert re.search(rf"^\| `{name}` \|", (DOCS / "architecture.md").read_text(), re.M)


@pytest.mark.parametrize("name", [name for name in ROOMS if name not in ("_core", "cli")])
def test_every_public_room_is_in_the_reference(name):
    assert re.search(rf"^::: hiergeo\.{name}\b", (DOCS / "api" / f"{name}.md").read_text(), re.M)
