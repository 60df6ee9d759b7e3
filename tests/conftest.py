"""Fixtures and settings that every test shares."""

import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

from hiergeo import cli

settings.register_profile("hiergeo", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("hiergeo"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("hiergeo")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of public data sets, or a skip that says how to provide it."""
    home = os.environ.get("HIERGEO_DATA_HOME")
    if not home:
        pytest.skip("needs real data: set HIERGEO_DATA_HOME to a folder that holds it")
    return Path(home).resolve()


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
