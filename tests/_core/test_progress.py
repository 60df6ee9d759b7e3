"""Progress off a terminal: lines at intervals that double, in one line each."""

import sys

import pytest

from hiergeo._core import progress
from hiergeo._core.progress import track


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the bar believes to have passed, to be set, in a process that has logged nothing."""
    now = [0.0]
    monkeypatch.setattr(progress, "_begun", set())
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_lines_at_intervals_that_double(clock, capsys) -> None:
    seen = []
    for item in track(range(1000), "embed\n\x1b[2Jding", enabled=True):
        clock[0] = item + 0.5
        if text := capsys.readouterr().err:
            seen.append((item, text))
    assert [item for item, _ in seen] == [0, 31, 61, 121, 241, 481, 961]
    assert all(text.count("\n") == 1 and "\x1b" not in text and "1,000" in text for _, text in seen)
    done = [int(text.split(": ")[1].split()[0].replace(",", "")) for _, text in seen]
    assert done == [1000, *(item for item, _ in seen[1:])]


def test_quick_work_is_logged_once_at_its_beginning(clock, capsys) -> None:
    lines = []
    for _ in range(2):
        for item in track(range(100), "quick", enabled=True):
            clock[0] = item / 10
            lines.append(capsys.readouterr().err.count("\n"))
    assert lines == [1, *[0] * 199]


def test_a_terminal_gets_no_lines(clock, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "PATIENCE", 1e9)
    for _ in track(range(3), "bar", enabled=True):
        clock[0] += 100
    assert capsys.readouterr().err == ""
