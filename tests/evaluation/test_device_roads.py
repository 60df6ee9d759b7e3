"""Embeddings stay on the device they are put on, from the model to the number: on a ghost device and on real ones."""

import os
import sys
from pathlib import Path

import pytest
import torch

from tests.tools import warm

ROADS = Path(__file__).with_name("ghost_roads.py")
SETUP = (
    "import sys, pytest\n"
    "from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as setup\n"
    "setup('ghost')\n"
    "sys.exit(pytest.main(sys.argv[1:]))"
)


def run(device: str, program: list[str], *chosen: str) -> None:
    """Run the roads on a device in a process of their own."""
    command = [
        sys.executable,
        *program,
        str(ROADS),
        *chosen,
        "-q",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "-W",
        "ignore",
    ]
    done = warm.run(command, text=True, env={**os.environ, "HIERGEO_ROAD_DEVICE": device})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_nothing_leaves_the_ghost_device() -> None:
    run("ghost", ["-c", SETUP], "-k", "not verbs")


@pytest.mark.slow
def test_every_verb_on_a_ghost_without_float64() -> None:
    run("ghost without float64", ["-c", SETUP], "-k", "not test_evaluation or (lorentz and not product)")


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="torch sees no accelerator on this machine")
def test_roads_on_the_accelerator() -> None:
    accelerator = torch.accelerator.current_accelerator()
    assert accelerator is not None
    run(f"{accelerator.type}:0", ["-m", "pytest"])
