"""Who takes part in a case: labelled ways to do the same work."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from benchmarks import machine, ours, peers, textbook
from benchmarks.cases import Case
from benchmarks.peers import Missing, Run
from benchmarks.problem import Problem
from hiergeo.pairwise.resolver import SIMD_LEVELS

BASELINE = "torch.mm"  # the label that ratios are taken to: U V^T in float32 into fresh memory


@dataclass(frozen=True)
class Competitor:
    """One way to do the work of a case.

    Attributes:
        label: its name in the table.
        prepare: makes what is timed from a problem; raises Missing where it cannot.
        settings: environment variables while it runs.
        arrays: how many arrays of N x M float32 it keeps at a time, about.
        slow: whether it may take minutes, and is tried on a part of the rows first.
    """

    label: str
    prepare: Callable[[Problem], Run]
    settings: Mapping[str, str] = field(default_factory=dict)
    arrays: int = 0
    slow: bool = False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The settings in force."""
        before = {name: os.environ.get(name) for name in self.settings}
        os.environ.update(self.settings)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def competitors(case: Case, every_level: bool) -> list[Competitor]:
    """Everyone who takes part in `case`; hiergeo at every SIMD level on request."""
    levels = SIMD_LEVELS if every_level else ()
    found = [Competitor(BASELINE, _product, arrays=1), *([plain(case)] if case.plain else native(case))]
    found += [_ours(case, f"hiergeo, {level}", HIERGEO_SIMD=level) for level in levels]
    return [*found, *_torch(case), *_others(case)] if case.peers else found


def native(case: Case) -> list[Competitor]:
    """hiergeo's kernels, where there is a choice of screens once for each."""
    if case.operation not in ours.SEARCHES:
        return [_ours(case, "hiergeo")]
    narrow = _ours(case, "hiergeo, 8-bit screen")
    single = _ours(case, "hiergeo, float32 screen", HIERGEO_SCREEN="float32")
    return [Competitor(narrow.label, partial(_narrow, narrow.prepare), narrow.settings), single]


def _ours(case: Case, label: str, **settings: str) -> Competitor:
    call = ours.OPERATIONS[case.operation]
    return Competitor(label, _run(case, call), {"HIERGEO_NATIVE": "1", **settings})


def plain(case: Case) -> Competitor:
    """hiergeo without its kernels."""
    return Competitor("hiergeo, plain PyTorch", _run(case, ours.OPERATIONS[case.operation]), {"HIERGEO_NATIVE": "0"})


def _torch(case: Case) -> Iterator[Competitor]:
    yield plain(case)
    call = _spread(textbook.FORMULAS[case.operation])
    arrays = 20 if case.backward else 6
    yield Competitor("eager PyTorch", _run(case, call), arrays=arrays, slow=case.operation in ours.SEARCHES)
    if case.operation in textbook.ONE_GRAPH:
        compiled = _spread(torch.compile(textbook.FORMULAS[case.operation], dynamic=False))
        yield Competitor("torch.compile", _run(case, compiled), arrays=arrays)


def _others(case: Case) -> Iterator[Competitor]:
    if case.operation in peers.KEOPS and not case.backward:
        label, prepare = peers.KEOPS[case.operation]
        yield Competitor(label, prepare, slow=True)
    if case.operation == "top-10":
        yield Competitor("faiss flat, inner product only", peers.faiss_top)


def _run(case: Case, call: Callable[[Problem], object]) -> Callable[[Problem], Run]:
    return partial(_bound, _with_gradients(call) if case.backward else call)


def _bound(call: Callable[[Problem], object], problem: Problem) -> Run:
    return partial(call, problem)


def _spread(formula: Callable[..., object]) -> Callable[[Problem], object]:
    return lambda p: formula(*p.x, *p.y, p.curvature)


def _with_gradients(call: Callable[[Problem], object]) -> Callable[[Problem], tuple[Tensor, ...]]:
    def step(problem: Problem) -> tuple[Tensor, ...]:
        result = call(problem)
        assert isinstance(result, Tensor)
        return torch.autograd.grad(result.mean(), [*problem.x, *problem.y])

    return step


def _product(problem: Problem) -> Run:
    u, v = problem.x.direction.detach().float(), problem.y.direction.detach().float().mT
    return lambda: torch.mm(u, v)


def _narrow(prepare: Callable[[Problem], Run], problem: Problem) -> Run:
    if not machine.has("avx512_vnni"):
        raise Missing("this processor has no AVX512-VNNI")
    return prepare(problem)
