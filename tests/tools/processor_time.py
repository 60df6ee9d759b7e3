"""Plugin of pytest: the processor time of every test, its child processes included, and the slowest at the end."""

import json
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

SINCE = pytest.StashKey[float]()
SECONDS = "processor seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("processor time")
    group.addoption("--slowest", type=int, default=0, metavar="N", help="list the N tests of most processor time")
    group.addoption("--times", type=Path, metavar="FILE", help="write the processor time of every test as JSON")


def _spent() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[SINCE] = _spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    now = _spent()
    report.user_properties.append((SECONDS, now - item.stash[SINCE]))
    item.stash[SINCE] = now
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                properties: list[tuple[str, Any]] = report.user_properties
                seconds[report.nodeid] += sum(value for name, value in properties if name == SECONDS)
    if path := config.getoption("--times"):
        path.write_text(json.dumps(dict(seconds.most_common()), indent=1), encoding="utf-8")
    if count := config.getoption("--slowest"):
        terminalreporter.section(f"{count} slowest tests, seconds of processor time")
        for name, value in seconds.most_common(count):
            terminalreporter.write_line(f"{value:8.2f}  {name}")
