"""The overview of the command line, which is written without importing the verbs."""

import contextlib
import io
import re
import subprocess
import sys

import pytest
from typer.main import get_command

from hiergeo.cli.app import SUMMARIES, app, loaded


def written(arguments: list[str]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as held, contextlib.suppress(SystemExit):
        app(arguments, prog_name="hiergeo", standalone_mode=False)
    return held.getvalue()


EACH = [(panel, *each) for panel, verbs in SUMMARIES.items() for each in verbs.items()]


@pytest.mark.parametrize(("_", "name", "summary"), EACH)
def test_each_summary_is_the_first_paragraph_of_the_help(_, name, summary):
    first = (loaded(name).help or "").strip().split("\n\n")[0]
    assert re.sub(r"\s+", " ", first) == summary


def shown(name):
    command = loaded(name)
    command.rich_help_panel = next(panel for panel, verb, _ in EACH if verb == name)
    return command


def test_the_overview_is_that_of_the_verbs_themselves(monkeypatch):
    quick = written(["--help"])
    monkeypatch.setattr("hiergeo.cli.app.Hiergeo.get_command", lambda self, ctx, name: shown(name))
    assert written(["--help"]) == quick
    assert all(name in quick for verbs in SUMMARIES.values() for name in verbs)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], [], ["prob"]])
def test_nothing_is_imported_that_only_verbs_need(arguments):
    code = (
        "import sys\nfrom hiergeo import cli\ntry:\n    cli.main()\nexcept SystemExit as end:\n"
        "    print([name for name in ('torch', 'numpy', 'hiergeo.evaluation') if name in sys.modules], end.code)"
    )
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    told = run.stdout.splitlines()[-1]
    assert told == ("[] 0" if arguments and arguments != ["prob"] else "[] 2")
    if arguments == ["prob"]:
        assert "did you mean 'probe'" in run.stderr.lower()


def test_completion_knows_the_verbs_and_the_options_of_each():
    group = get_command(app)
    with group.make_context("hiergeo", [], resilient_parsing=True) as context:
        found = [item.value for item in group.shell_complete(context, "in")]
    assert sorted(found) == ["index", "info"]
    with group.make_context("hiergeo", [], resilient_parsing=True) as context:
        _, probe, _ = group.resolve_command(context, ["probe"])
    assert any("--json" in option.opts for option in probe.params)
