"""A cluster of Ray: the one that runs (``RAY_ADDRESS``, `ray.init`), or one on this machine while work lasts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hiergeo._core import extras


def require() -> Any:
    """The module ``ray``.

    Raises:
        UnavailableError: it is not installed.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    return extras.require("ray", "--ray")


@contextmanager
def cluster(device: str) -> Iterator[tuple[Any, int, int]]:
    """The module ``ray`` with a cluster to work on, its CPUs, and its GPUs (none where `device` is the CPU).

    Raises:
        UnavailableError: Ray is not installed.
    """
    ray = require()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False)
    try:
        resources = ray.cluster_resources()
        yield ray, int(resources.get("CPU", 1)), 0 if device == "cpu" else int(resources.get("GPU", 0))
    finally:
        if started:
            ray.shutdown()
