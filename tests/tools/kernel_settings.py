"""Environment variables of the engine in tests: they are read once, so that a change begins a new reading."""

import pytest

from hiergeo.pairwise import settings


def setenv(patch: pytest.MonkeyPatch, name: str, value: str) -> None:
    patch.setenv(name, value)
    patch.setattr(settings, "CURRENT", None)


def delenv(patch: pytest.MonkeyPatch, name: str) -> None:
    patch.delenv(name, raising=False)
    patch.setattr(settings, "CURRENT", None)
