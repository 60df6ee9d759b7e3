"""What the tests of conformance suites share: which tests of a suite fail."""

import unittest
from typing import Any

import torch


def failures(suite: Any) -> set[str]:
    """The tests of a suite that fail, by name."""
    found = set()
    for name in dir(suite):
        if name.startswith("test_"):
            torch.set_grad_enabled(True)
            try:
                getattr(suite, name)()
            except unittest.SkipTest:
                continue
            except Exception:  # whatever a broken plug-in raises is a failure
                found.add(name)
    return found
