"""The smoke test of native and Triton kernels: small fixed problems through each, against the reference.

It takes milliseconds and is made once a process for every device and setting of the kernels, before their first use.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hiergeo._core.numerics import compute_dtype
from hiergeo._core.polar import Exact, Polar, part_of
from hiergeo.pairwise.interface import FEW, Factor, LogitTerms, PairBackend
from hiergeo.pairwise.quantity import QUANTITIES, unchecked_aperture
from hiergeo.pairwise.reference import REFERENCE

VALUES, GRADIENTS = 1e-4, 1e-3
"""Largest errors of values and of gradients, relative to the largest number that is expected."""

DOUBLE = 1e-9
TF32 = 1e-2
"""Largest errors in float64, and of what is multiplied in TF32."""

LISTED = 3
"""How many failures a reason names; further ones are counted."""

IN_TF32 = ("store", "backward", "contrast", "contrast_backward", "energy_sum", "energy_total", "energy_min")
"""Kernels that multiply in TF32 where torch is allowed to, and whose numbers are compared then; searches stay exact."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class KernelOutcome:
    """The result of one kernel on one problem.

    Attributes:
        kernel: its name.
        dtype: of the directions.
        factors: of the space.
        error: against the reference; infinite if the kernel raised or its result was invalid.
        bar: the largest error that passes.
        raised: the error that it raised, or empty.
    """

    kernel: str
    dtype: str
    factors: int
    error: float
    bar: float
    raised: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.bar

    def __str__(self) -> str:
        what = f"raised {self.raised}" if self.raised else f"is off by {self.error:.2g}, more than {self.bar:g}"
        product = f", {self.factors} factors" if self.factors > 1 else ""
        return f"{self.kernel} ({self.dtype}{product}) {what}"


Results = Sequence[Tensor | None]


class Sample:
    """Two small sets of points in many of each other's cones, and what every kernel makes of them.

    Some pairs lie on one ray, which is computed by a path of its own.

    Args:
        shape: how many x and y.
        spaces: dimension and curvature of each factor.
        dtype: of the directions.
    """

    def __init__(self, shape: tuple[int, int], spaces: Sequence[tuple[int, float]], dtype: torch.dtype) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.shape, self.dtype = shape, dtype
        self._sides: list[tuple[Polar, Polar, float]] = []
        for dim, curvature in spaces:
            scale, centre = math.sqrt(abs(curvature)) or 1.0, self._normal(dim)
            x, y = (
                Polar(centre + self._normal(1, n, dim), (0.2 + 1.2 * self._normal(1, n).sigmoid()) / scale)
                for n in shape
            )
            y.direction[:, :3], y.radius[:, :3] = 2 * x.direction[:, :3], x.radius[:, :3] * (1 + 1e-6)
            x, y = (Polar(point.direction.to(dtype), point.radius) for point in (x, y))
            self._sides.append((x, y, curvature))
        self.upstream = self._normal(1, *shape).to(compute_dtype(dtype))
        self.target = torch.randint(shape[1], (1, shape[0]), generator=self.generator)
        self.labels = tuple(torch.randint(4, (1, n), generator=self.generator) for n in shape)
        self.pulls = [self._normal(1, n) for n in (*shape, *shape)]
        self.order = torch.randperm(shape[1], generator=self.generator)
        self.ends = torch.tensor([0, 1, shape[1] // 3, shape[1]])
        self._expected: dict[str, Results] = {}

    def __len__(self) -> int:
        """How many factors the space has."""
        return len(self._sides)

    def expected(self, kernel: str) -> Results:
        """What the reference makes of a kernel."""
        if kernel not in self._expected:
            self._expected[kernel] = self.kernels()[kernel](REFERENCE, CPU)
        return self._expected[kernel]

    def kernels(self) -> dict[str, Callable[[PairBackend, torch.device], Results]]:
        """Every kernel of the space by its name, as a function of a backend and a device."""
        names = ("store", "count", "smallest", "shadow", "rank", "nearest_ladder", "contrast", "contrast_backward")
        single = ("backward", "members", "energy_sum", "energy_total", "energy_min", "ladder", "weigh")
        return {name: getattr(self, name) for name in (*names, *(single if len(self) == 1 else ()))}

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64, device="cpu")

    def _factors(self, quantity: str, device: torch.device, swap: bool = False) -> list[Factor]:
        factors = []
        for *sides, k in self._sides:
            x, y = (Polar(*(field.to(device) for field in point)) for point in sides)
            psi = unchecked_aperture((y if swap else x).radius, k, 0.1) if QUANTITIES[quantity].cone else None
            factors.append(Factor(x, y, k, psi))
        return factors

    def _cone(self, device: torch.device) -> tuple[Polar, Polar, float, Tensor]:
        x, y, k, psi = self._factors("energy", device)[0]
        assert psi is not None
        return x, y, k, psi

    def _stored(self) -> list[str]:
        return (
            ["exterior_angle", "distance", "energy"] if len(self) == 1 else ["distance", "distance_l1", "cone_margin"]
        )

    def store(self, backend: PairBackend, device: torch.device) -> Results:
        results = []
        for quantity in self._stored():
            out = torch.full((1, *self.shape), 7.0, dtype=compute_dtype(self.dtype), device=device)
            backend.store(self._factors(quantity, device), QUANTITIES[quantity], out)
            results.append(out)
        return results

    def backward(self, backend: PairBackend, device: torch.device) -> Results:
        x, y, k, psi = self._cone(device)
        return [
            part
            for quantity, aperture in (("distance", None), ("energy", psi))
            for part in backend.backward(self.upstream.to(device), x, y, k, QUANTITIES[quantity], aperture)
        ]

    def count(self, backend: PairBackend, device: torch.device) -> Results:
        reach = torch.full((1, self.shape[0]), 1.234567, dtype=torch.float64, device=device)
        within = backend.count(self._factors("distance", device), QUANTITIES["distance"], reach)
        return within, backend.count(self._factors("cone_margin", device), QUANTITIES["cone_margin"], None)

    def members(self, backend: PairBackend, device: torch.device) -> Results:
        return backend.members(*self._cone(device))

    def smallest(self, backend: PairBackend, device: torch.device) -> Results:
        return [
            part
            for quantity, swap in (("distance", False), ("cone_margin", True))
            for part in backend.smallest(self._factors(quantity, device, swap), QUANTITIES[quantity], 9, swap)
        ]

    def shadow(self, backend: PairBackend, device: torch.device) -> Results:
        factors = []
        for x, y, k, _ in self._factors("distance", device):
            shadow = backend.shadow(part_of(y, 0, slice(None)), k)
            beside = Exact.of(y, y.direction, y.direction[0, 0].double(), shadow=shadow)
            factors.append(Factor(part_of(x, slice(FEW)), beside, k))
        return backend.smallest(factors, QUANTITIES["distance"], 9, False)

    def rank(self, backend: PairBackend, device: torch.device) -> Results:
        factors = self._factors("distance", device)
        return [backend.rank(factors, QUANTITIES["distance"], self.target.to(device), False)]

    def nearest_ladder(self, backend: PairBackend, device: torch.device) -> Results:
        ends = self.order.to(device), self.ends.to(device)
        return backend.nearest_ladder(self._factors("distance", device), QUANTITIES["distance"], *ends)

    def energy_sum(self, backend: PairBackend, device: torch.device) -> Results:
        return [backend.energy_sum(*self._cone(device))]

    def energy_total(self, backend: PairBackend, device: torch.device) -> Results:
        total, gradients = backend.energy_total(*self._cone(device), 0.5, True)
        return total, *(gradients or ())

    def energy_min(self, backend: PairBackend, device: torch.device) -> Results:
        return backend.energy_min(*self._cone(device))

    def ladder(self, backend: PairBackend, device: torch.device) -> Results:
        x, y, *_ = self._cone(device)
        return backend.ladder(x.direction[0], y.direction[0], None, self.order.to(device), self.ends.to(device))

    def contrast(self, backend: PairBackend, device: torch.device) -> Results:
        return backend.contrast(self._factors("distance", device), QUANTITIES["distance"], self._terms(device))

    def contrast_backward(self, backend: PairBackend, device: torch.device) -> Results:
        reduced = [part.to(device) for part in self.expected("contrast")[:2] if part is not None]
        pulls = [part.to(device) for part in self.pulls]
        factors, terms = self._factors("distance", device), self._terms(device)
        return backend.contrast_backward(factors, QUANTITIES["distance"], terms, reduced, pulls)

    def _terms(self, device: torch.device) -> LogitTerms:
        scale, bias = torch.tensor([3.0, 0.2], dtype=torch.float64, device=device).split(1)
        of_x, of_y = (labels.to(device) for labels in self.labels)
        return LogitTerms(scale, bias, (of_x, of_y), False, "logsumexp")

    def weigh(self, backend: PairBackend, device: torch.device) -> Results:
        items = torch.tensor([4 * row + 2 * positive + 1 for row, positive in RANKED], dtype=torch.int32, device=device)
        weights = torch.tensor([[1.0, 1.0], [3.0, 1.0]], dtype=torch.float64, device=device)
        values = [backend.weigh(items, weights, weights, precision, 0.5) for precision in (False, True)]
        return [torch.tensor(by_hand) if value is None else value for value, by_hand in zip(values, AREAS, strict=True)]


RANKED = ((0, 1), (1, 0), (0, 0), (1, 1))
"""A ranking, best first: rows, and whether they are positives."""

AREAS = ([0.5, 0.75], [0.75, 0.875])
"""Its area under the ROC curve and its average precision, by hand, with weights of 1 and with 3 for the first row."""


def samples(on_cuda: bool) -> Iterator[Sample]:
    """The problems of the smoke test: full and partial tiles, in every dtype with an implementation of its own.

    On CUDA, where none is of float64, rows are longer than one stage of the product.
    """
    dtypes = (torch.float32, torch.bfloat16, torch.float16) if on_cuda else (torch.float32,)
    shape, dim = ((20, 150), 200) if on_cuda else ((14, 70), 40)
    for dtype in dtypes:
        yield Sample(shape, [(dim, -0.7)], dtype)
    for dtype in dtypes[:2] if on_cuda else (torch.float64,):
        yield Sample(shape, [(dim, -1.3), (17, 0.25)], dtype)


def compared(backend: PairBackend, sample: Sample, device: torch.device, tf32: bool) -> Iterator[KernelOutcome]:
    """Run every kernel on a problem; without counts and members where products are rounded to TF32."""
    tf32 = tf32 and sample.dtype == torch.float32
    for name, kernel in sample.kernels().items():
        if tf32 and name in ("count", "members"):
            continue
        raised = ""
        try:
            error = _error(kernel(backend, device), sample.expected(name), integers=not (tf32 and name in IN_TF32))
        except Exception as failure:  # a kernel or driver may raise anything
            first = str(failure).splitlines()[0] if str(failure) else ""
            error, raised = math.inf, f"{type(failure).__name__}: {first}"
        bar = _bar(name, sample.dtype, tf32)
        yield KernelOutcome(name, str(sample.dtype).removeprefix("torch."), len(sample), error, bar, raised)


def _bar(kernel: str, dtype: torch.dtype, tf32: bool) -> float:
    if tf32 and kernel in IN_TF32:
        return TF32
    if dtype == torch.float64:
        return DOUBLE
    return GRADIENTS if kernel in ("backward", "contrast_backward", "energy_total") else VALUES


def _error(results: Results, expected: Results, integers: bool) -> float:
    """The largest difference, of floats relative to the largest that is expected; infinite for results unlike these."""
    errors = [0.0]
    for result, right in zip(results, expected, strict=True):
        if result is None or right is None or result.shape != right.shape:
            return math.inf
        if not right.is_floating_point() and not integers:
            continue
        a, b = result.to(CPU, torch.float64), right.double()
        odd = a.isnan() != b.isnan()
        apart = (a - b).abs().nan_to_num(nan=0.0).masked_fill(odd, math.inf)
        size = float(b.abs().nan_to_num(nan=0.0).max()) if right.is_floating_point() and right.numel() else 1.0
        errors.append(float(apart.max()) / (size or 1.0) if right.numel() else 0.0)
    return max(errors)


def failures(outcomes: Sequence[KernelOutcome]) -> str | None:
    """The kernels that failed as text; None if all passed."""
    failed = [str(outcome) for outcome in outcomes if not outcome.passed]
    if not failed:
        return None
    more = f"; {len(failed) - LISTED} more" if len(failed) > LISTED else ""
    return f"{'; '.join(failed[:LISTED])}{more}"


class KernelVerdicts:
    """Results of smoke tests by device and by settings of its kernels."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[torch.device, str], str | None] = {}
        self._locks: dict[int, threading.Lock] = {}

    def has(self, device: torch.device, setting: str) -> bool:
        """Whether the kernels were tested with these settings."""
        return (device, setting) in self._verdicts

    def failure(self, backend: PairBackend, device: torch.device, setting: str, tf32: bool) -> str | None:
        """The failure as text, None if all kernels passed; runs the smoke test if it has not run."""
        if not self.has(device, setting):
            with self._locks.setdefault(os.getpid(), threading.Lock()):  # a forked child takes one of its own
                if not self.has(device, setting):
                    self._verdicts[device, setting] = _alone(lambda: failures(_outcomes(backend, device, tf32)))
        return self._verdicts[device, setting]


def _outcomes(backend: PairBackend, device: torch.device, tf32: bool) -> list[KernelOutcome]:
    return [out for sample in samples(device.type == "cuda") for out in compared(backend, sample, device, tf32)]


def _alone(work: Callable[[], str | None]) -> str | None:
    """The result of `work` in a new thread, where no mode of the caller, such as autocast or vmap, is active."""
    results: list[str | None] = []

    def run() -> None:
        try:
            with torch.no_grad():
                results.append(work())
        except Exception as error:  # whatever a kernel raises is the result of the test
            results.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name="hiergeo smoke test")
    thread.start()
    thread.join()
    return results[0]
