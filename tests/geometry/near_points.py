"""The numerics contract on embeddings as a table: ``python -m tests.geometry.near_points``.

For the reference, every SIMD level of the CPU kernels and the CUDA kernels on the emulated machine (which is built
first): the largest errors over K and both dimensions of the tests, beside the bars that `test_near_points` sets.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product

import torch

from build_native import BuildError
from hiergeo import Space
from hiergeo._core.records import markdown_table
from tests.geometry.test_near_points import CURVATURES, GAPS, backends, drawn, on, spec, truth
from tests.pairwise.cuda_common import EMULATED
from tests.pairwise.simt.build import library

COLUMNS = ("kernels", "|x - y|", "distance, relative", "angle, rad", "gradient of distance", "gradient of angle")
ROWS = 20
DIMS = (48, 512)


def rows() -> Iterator[list[str]]:
    """One for every kernels and gap."""
    for backend, gap in product(["emulated CUDA"] if EMULATED else backends(), GAPS):
        with on("baseline" if EMULATED else backend):
            errors = [largest_errors(curvature, dim, gap, "cpu") for curvature, dim in product(CURVATURES, DIMS)]
        worst = (f"{max(each):.1e}" for each in zip(*errors, strict=True))
        yield [backend, f"{gap:g}", *worst]


def largest_errors(curvature: float, dim: int, gap: float, device: str) -> list[float]:
    """Of distances and angles of every pair, and of the gradients of both, relative to their norms."""
    x, y, root = drawn(gap, dim)
    wide_x, wide_y = wide = [part[:ROWS].double().requires_grad_() for part in (x, y)]
    narrow = [part[:ROWS].to(device, copy=True).requires_grad_() for part in (x, y)]
    space, found, gradients = Space(spec(curvature), root.to(device)), [], []
    for name, exact in truth(wide_x, wide_y, root, curvature)._asdict().items():
        measure = space.pairwise_distance if name == "distance" else space.pairwise_exterior_angle
        values = measure(*narrow).diagonal()
        off = (values.cpu().double() - exact).abs() / (exact if name == "distance" else 1)
        found.append(float(off.detach().max()))
        wanted = torch.autograd.grad(exact.sum(), wide, retain_graph=True)
        for got, want in zip(torch.autograd.grad(values.sum(), narrow), wanted, strict=True):
            gradients.append(float(((got.cpu().double() - want).norm(dim=-1) / want.norm(dim=-1)).max()))
    return [*found, max(gradients[:2]), max(gradients[2:])]


def main() -> int:
    """Print the table; in a process of its own that of the emulated machine."""
    lines = markdown_table(COLUMNS, list(rows())).splitlines()
    print("\n".join(lines[2:] if EMULATED else lines), flush=True)
    if EMULATED:
        return 0
    try:
        settings = {"HIERGEO_KERNELS": str(library()), "HIERGEO_NATIVE": "1"}
    except BuildError as error:
        print(f"The CUDA kernels are not emulated: {error}.")
        return 0
    return subprocess.run([sys.executable, "-m", "tests.geometry.near_points"], env=os.environ | settings).returncode


if __name__ == "__main__":
    sys.exit(main())
