"""Fixtures and settings that every test shares."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

from hiergeo import cli
from tests.tools.examples import THOROUGH

pytest_plugins = ("tests.tools.passed", "tests.tools.processor_time")

settings.register_profile(
    "hiergeo", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("thorough", settings.get_profile("hiergeo"), max_examples=THOROUGH)
settings.register_profile("quick", settings.get_profile("hiergeo"), max_examples=30)
for profile, of in (("mutants", "thorough"), ("mutants-python", "quick")):
    settings.register_profile(profile, settings.get_profile(of), phases=[Phase.explicit, Phase.generate])
settings.load_profile("hiergeo")
torch.set_num_threads(1)


REMEDIES = (
    ("real data", "set HIERGEO_DATA_HOME to a folder with HierarCaps (hiergeo data fetch hierarcaps)"),
    ("CUDA", "`python -m tests.pairwise.simt` emulates a GPU; pytest on a machine with one runs them there"),
    ("Chromium", "apt-get install chromium chromium-driver"),
    ("native kernels", "install g++ and run `make native`"),
    ("hiergeo[test]", "pip install 'hiergeo[test]'"),
    ("make test-services", "make test-services"),
    ("import", "pip install 'hiergeo[test]'"),
)
"""What the reason of a skipped test holds, and how to run the test nevertheless."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Say in one line, below all others, what was not run and how to run it."""
    yield
    reasons = [str(report.longrepr[-1]) for report in terminalreporter.getreports("skipped") if report.longrepr]
    counted = Counter(next((how for word, how in REMEDIES if word in reason), "") for reason in reasons)
    other = counted.pop("", 0)
    parts = [f"{count}: {how}" for how, count in counted.most_common()]
    if other:
        parts.append(f"{other} for other reasons (above)")
    if parts:
        terminalreporter.write_line(f"{len(reasons)} tests were not run; to run them: {'; '.join(parts)}.")


def pytest_collection_finish() -> None:
    """Keep what is imported and collected out of what Python's collector walks through again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of public data sets, or a skip that says how to provide it."""
    home = os.environ.get("HIERGEO_DATA_HOME")
    if not home:
        pytest.skip("needs real data: set HIERGEO_DATA_HOME to a folder that holds it")
    return Path(home).resolve()


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Tests leave the cache of their user alone, and share one among their processes."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "HIERGEO_CACHE_HOME", str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache")
        )
        yield


@pytest.fixture
def run(monkeypatch, capsys):
    """Run ``hiergeo`` with arguments; gives the exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiergeo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def pages(monkeypatch):
    """Pages that would be written."""
    written = []
    monkeypatch.setattr("hiergeo.report.write_page", lambda study, path, **_: written.append(path), raising=False)
    return written
