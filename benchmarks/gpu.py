"""Time of the CUDA kernels, Triton and plain PyTorch, by that of a cuBLAS product of the same shapes and dtype."""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.problem import points
from hiergeo import Polar, pairwise
from hiergeo.pairwise.fused import TRIAL
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import NATIVE

CURVATURE = -1.0
THRESHOLDS = 50
SHAPES = ((4096, 4096, 512), (8192, 8192, 1024), (1000, 52_401, 512))
KINDS = {"bfloat16": torch.bfloat16, "float32": torch.float32, "TF32": torch.float32}
"""What rows are multiplied in -> their dtype; in TF32 cuBLAS multiplies too."""

BARS = {
    ("exterior angle, stored", "bfloat16"): 1.3,
    ("exterior angle, stored", "float32"): 1.5,
    ("count", "bfloat16"): 1.0,
    ("energy sum", "bfloat16"): 1.0,
    ("count", "float32"): 1.0,
    ("energy sum", "float32"): 1.0,
}
"""The largest ratios wanted, by operation and kind."""


@dataclass(frozen=True)
class Row:
    """One line of the table: milliseconds of an operation, and of the product it is compared with."""

    operation: str
    kind: str
    shape: tuple[int, int, int]
    milliseconds: float
    product: float

    @property
    def ratio(self) -> float:
        return self.milliseconds / self.product

    @property
    def verdict(self) -> str:
        bar = BARS.get((self.operation, self.kind))
        return "" if bar is None else f"{'meets' if self.ratio <= bar else 'MISSES'} {bar}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    rows = [row for shape in SHAPES for kind in KINDS for row in measure(shape, kind, args.repeats)]
    machine = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda}
    print(f"{machine}, K = {CURVATURE}\n")
    heads = ("operation", "in", "N x M x D", "ms", "cuBLAS mm, ms", "TFLOP/s of mm", "ratio", "bar")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        n, m, d = row.shape
        speed = 2e-9 * n * m * d / row.product
        print(
            f"| {row.operation} | {row.kind} | {n} x {m} x {d} | {row.milliseconds:.3f} | {row.product:.3f} |"
            f" {speed:.0f} | {row.ratio:.2f} | {row.verdict} |"
        )
    if args.json:
        facts = [{**row.__dict__, "ratio": row.ratio} for row in rows]
        args.json.write_text(json.dumps({"settings": machine, "rows": facts}, indent=2))


def measure(shape: tuple[int, int, int], kind: str, repeats: int) -> list[Row]:
    """The rows of one shape and kind; each operation is timed in turn with the product."""
    torch.backends.cuda.matmul.allow_tf32 = kind == "TF32"
    (n, m, dim), dtype = shape, KINDS[kind]
    x, y = (_on_device(points(count, dim, seed), dtype) for seed, count in enumerate((n, m)))
    out = torch.empty(n, m, dtype=dtype, device="cuda")
    a, b = x.direction[0], y.direction[0].mT
    rows = []
    for name, run in operations(x, y, out, kind).items():
        own, product = paired(run, lambda: torch.mm(a, b, out=out), repeats)
        rows.append(Row(name, kind, shape, own, product))
    return rows


def operations(x: Polar, y: Polar, out: Tensor, kind: str) -> dict[str, Callable[[], object]]:
    """Native operations by name, on prepared tensors, and some of them by Triton and plain PyTorch."""
    angle, distance, energy = (QUANTITIES[name] for name in ("exterior_angle", "distance", "energy"))
    psi, points = pairwise.half_aperture(x.radius, CURVATURE), Factor(x, y, CURVATURE)
    m = y.radius.shape[-1]
    upstream = torch.full((1, x.radius.shape[-1], 1), 1 / m, device="cuda").expand(1, -1, m)
    order = torch.argsort(y.radius[0])
    ends = torch.linspace(m / THRESHOLDS, m, THRESHOLDS, device="cuda").long()
    reach, target = x.radius + 1, torch.arange(x.radius.shape[-1], device="cuda")[None] % m
    halves = [
        Factor(Polar(ux, x.radius), Polar(uy, y.radius), CURVATURE)
        for ux, uy in zip(x.direction.chunk(2, -1), y.direction.chunk(2, -1), strict=True)
    ]
    one = torch.ones(1, dtype=torch.float64, device="cuda")
    terms = LogitTerms(14 * one, 0 * one, None, False, "logsumexp")
    reduced = NATIVE.contrast([points], distance, terms)
    assert reduced is not None, "the library has no kernels of contrast for CUDA"
    native: dict[str, Callable[[], object]] = {
        "exterior angle, stored": lambda: NATIVE.store([points], angle, out[None]),
        "distance, stored": lambda: NATIVE.store([points], distance, out[None]),
        "count": lambda: NATIVE.count([points._replace(aperture=psi)], QUANTITIES["cone_margin"], None),
        "energy sum": lambda: NATIVE.energy_sum(x, y, CURVATURE, psi),
        "energy minimum": lambda: NATIVE.energy_min(x, y, CURVATURE, psi),
        "top-10": lambda: NATIVE.smallest([points], angle, 10, False),
        "top-10 by distance": lambda: NATIVE.smallest([points], distance, 10, False),
        "rank by distance": lambda: NATIVE.rank([points], distance, target, False),
        "count within a distance": lambda: NATIVE.count([points], distance, reach),
        "distance in a product of two halves, stored": lambda: NATIVE.store(halves, distance, out[None]),
        f"ladder by distance, {THRESHOLDS} thresholds": lambda: NATIVE.nearest_ladder([points], distance, order, ends),
        f"ladder, {THRESHOLDS} thresholds": lambda: NATIVE.ladder(x.direction[0], y.direction[0], None, order, ends),
        "energy total and its gradients": lambda: NATIVE.energy_total(x, y, CURVATURE, psi, None, True),
        "contrast of distances": lambda: NATIVE.contrast([points], distance, terms),
        "contrast of distances, backward": lambda: NATIVE.contrast_backward(
            [points], distance, terms, reduced[:2], reduced
        ),
        "energy sum, backward": lambda: NATIVE.backward(upstream, x, y, CURVATURE, energy, psi),
    }
    for title, other in {} if kind == "TF32" else {"Triton": TRIAL, "plain PyTorch": PORTABLE}.items():
        native |= {
            f"{title}: exterior angle, stored": partial(other.store, [points], angle, out[None]),
            f"{title}: distance, stored": partial(other.store, [points], distance, out[None]),
            f"{title}: top-10 by distance": partial(other.smallest, [points], distance, 10, False),
            f"{title}: energy sum": partial(other.energy_sum, x, y, CURVATURE, psi),
            f"{title}: energy sum, backward": partial(other.backward, upstream, x, y, CURVATURE, energy, psi),
            f"{title}: contrast of distances": partial(other.contrast, [points], distance, terms),
            f"{title}: contrast of distances, backward": partial(
                other.contrast_backward, [points], distance, terms, reduced[:2], reduced
            ),
        }
    return native


def _on_device(point: Polar, dtype: torch.dtype) -> Polar:
    return Polar(point.direction[None].to("cuda", dtype), point.radius[None].to("cuda", torch.float64))


def paired(own: Callable[[], object], product: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median milliseconds of both, measured one after the other, after two calls that warm up."""
    for _ in range(2):
        own()
        product()
    times = [(milliseconds(own), milliseconds(product)) for _ in range(repeats)]
    return statistics.median(first for first, _ in times), statistics.median(second for _, second in times)


def milliseconds(run: Callable[[], object]) -> float:
    """Time of one call on the device, launches included."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    run()
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop)


if __name__ == "__main__":
    main()
