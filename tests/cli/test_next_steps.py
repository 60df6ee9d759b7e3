"""Every command that the program names can be given: its verbs, options and arguments exist, and next steps run."""

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

import hiergeo
from hiergeo.cli.app import SUMMARIES, app

PACKAGE = Path(hiergeo.__file__).parent
VERBS = "|".join(verb for verbs in SUMMARIES.values() for verb in verbs)
COMMAND = re.compile(rf"([`']?)hiergeo ((?:{VERBS})\b.*)")
"""A command in a string: between quotes, or up to the end of the line or of its parentheses."""


def texts(tree: ast.AST) -> list[str]:
    """All strings but docstrings, each with a letter in the place of what is filled in."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and _documented(node))
    skipped = {id(body.value) for body in bodies if isinstance(body, ast.Expr)}
    skipped |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            found.append(node.value)
    return found


def _documented(node) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)


@cache
def commands() -> frozenset[str]:
    found = set()
    sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for source in filter(COMMAND.search, sources):
        for text in texts(ast.parse(source)):
            for line in text.splitlines():
                while match := COMMAND.search(line):
                    quote, rest = match.groups()
                    command, _, line = rest.partition(quote) if quote else (rest.split(")")[0].rstrip("."), "", "")
                    found.add(command)
    return frozenset(found)


def parse(command: str) -> None:
    """Read a command as the program does, up to running it; arguments may be left for the reader to name."""
    verb, context, words = get_command(app), None, shlex.split(command)
    while hasattr(verb, "resolve_command"):
        context = verb.make_context("hiergeo", words, parent=context)
        _, verb, words = verb.resolve_command(context, [*context._protected_args, *context.args])
    try:
        verb.make_context(verb.name, words, parent=context)
    except Exception as error:  # of click, which some versions of typer carry under a name of their own
        if type(error).__name__ != "MissingParameter":
            raise


def test_strings_are_searched_as_they_are_printed():
    named = commands()
    assert len(named) > 15
    assert {"chains quality x", "suite table x"} <= named
    assert any(each.startswith("compare --model open_clip") for each in named)


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_in_a_sentence_can_be_given(command):
    parse(command)


@pytest.mark.parametrize("name", ["chains", "a b", "scenes"])
def test_the_next_steps_of_a_build_run(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captions.txt").write_text("a brown dog on a red sofa\na small cat on a chair\na man on a horse\n")
    code, printed, _ = run("chains", "build", "captions.txt", "--out", name, "--test-fraction", 1)
    assert code == 0
    steps = [match[2] for line in printed.splitlines() if (match := COMMAND.search(line))]
    assert [step.split()[1] for step in steps] == ["quality", "quality"]
    assert run(*shlex.split(steps[0]), "--json", "q.json")[0] == 0
    assert json.loads(Path("q.json").read_text())["settings"]["dataset"] == f"chains:{name}"
    assert run(*shlex.split(steps[1]))[0] == 0
    assert Path("read.csv").read_text().startswith("id,tier 0,")


def test_the_next_step_of_an_index_runs(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captions.txt").write_text("an owl\nan eagle\na big brown owl\n")
    code, printed, _ = run("index", "build", "my index", "-m", "tiny", "--captions", "captions.txt")
    assert code == 0
    (step,) = [match[2] for line in printed.splitlines() if (match := COMMAND.search(line))]
    code, printed, _ = run(*shlex.split(step))
    assert code == 0
    assert "an owl" in printed
