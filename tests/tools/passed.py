"""Plugin of pytest: writes down the tests that passed, and leaves out those that another run wrote down."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("passed tests")
    group.addoption("--passed", type=Path, metavar="FILE", help="write the tests that passed, one a line")
    group.addoption("--without", type=Path, metavar="FILE", help="leave out the tests of this file")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if path := config.getoption("--without"):
        known = set(path.read_text(encoding="utf-8").splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in known])
        items[:] = [item for item in items if item.nodeid not in known]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if path := config.getoption("--passed"):
        passed = [report.nodeid for report in terminalreporter.getreports("passed")]
        path.write_text("\n".join(passed) + "\n", encoding="utf-8")
