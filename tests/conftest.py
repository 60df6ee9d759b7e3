"""Fixtures and settings that every test shares."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("hiergeo", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hiergeo")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of public data sets, or a skip that says how to provide it."""
    home = os.environ.get("HIERGEO_DATA_HOME")
    if not home:
        pytest.skip("needs real data: set HIERGEO_DATA_HOME to a folder that holds it")
    return Path(home).resolve()
