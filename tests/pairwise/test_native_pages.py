"""Memory of the CPU kernels: results in huge pages, and scratch that the next call finds again."""

import re
import sys
from pathlib import Path

import pytest
import torch

from hiergeo import Polar, pairwise
from tests.pairwise.native_problems import MISSING, SANITIZER, at, levels
from tests.tools.kernel_settings import setenv

resource = pytest.importorskip("resource")

pytestmark = [
    pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}"),
    pytest.mark.skipif(sys.platform != "linux", reason="page faults and flags of mappings are read as Linux has them"),
]

PAGE = 4096
MEGABYTES = 8
"""Of what is made ready of either side of `wide`: together more than the allocator keeps when it is freed."""


def wide(seed: int) -> Polar:
    """Few points of so many dimensions that they fill `MEGABYTES`."""
    generator = torch.Generator().manual_seed(seed)
    return Polar(torch.randn(256, MEGABYTES * 2**10, generator=generator), torch.rand(256, generator=generator))


def first(points: Polar, count: int) -> Polar:
    return Polar(points.direction[:count], points.radius[:count])


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def wants_huge_pages(address: int) -> bool:
    """Whether huge pages were asked for where that address is."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            begin, end = (int(bound, 16) for bound in bounds.groups())
            found = begin <= address < end
        elif found and line.startswith("VmFlags:"):
            return "hg" in line.split()
    raise AssertionError("there is no such mapping")


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="this system has no huge pages"
)
def test_all_of_a_fresh_result_asks_for_huge_pages() -> None:
    x = Polar(torch.randn(3000, 4), torch.rand(3000))
    stored = pairwise.exterior_angle(x, x, -1.0)
    assert wants_huge_pages(stored.data_ptr())
    assert wants_huge_pages(stored.data_ptr() + stored.nbytes - 1)


@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers have memory of their own")
def test_scratch_is_there_from_call_to_call() -> None:
    x, y = wide(0), wide(1)
    pairwise.cone_count(x, y, -1.0)
    before = faults()
    pairwise.cone_count(x, y, -1.0)
    assert faults() - before < MEGABYTES * 2**20 // PAGE // 8


@pytest.mark.parametrize("level", levels())
def test_scratch_that_held_other_points(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = wide(2), wide(3)
    sizes = ((256, 40), (40, 256), (200, 200), (256, 256))
    parts = [(first(x, rows), first(y, columns)) for rows, columns in sizes]
    with at(level):
        found = [pairwise.exterior_angle(a, b, -0.7) for a, b in parts]
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    for (a, b), angles in zip(parts, found, strict=True):
        assert float((angles - pairwise.exterior_angle(a, b, -0.7)).abs().max()) < 5e-6
