"""Other libraries at the same work. Each is imported where it is used; one that is not there is `Missing`."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from benchmarks.ours import NEIGHBOURS
from benchmarks.problem import Problem
from benchmarks.textbook import cosine, sine

Run = Callable[[], object]


class Missing(Exception):
    """Why a competitor does not run, in one phrase."""


def peer(module: str, package: str) -> ModuleType:
    """The module of an optional package, or Missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"does not import ({error})"
        raise Missing(f"{package} {why}: pip install 'hiergeo[bench]'") from None


def faiss_top(p: Problem) -> Run:
    """Exact top-10 by inner product alone, which is less work than by margin."""
    faiss: Any = peer("faiss", "faiss-cpu")
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(p.shape.dim)
    index.add(p.y.direction.numpy())
    queries = p.x.direction.numpy()
    return lambda: index.search(queries, NEIGHBOURS)


def keops_angle(p: Problem) -> Any:
    """The exterior angle of every pair as a symbolic matrix."""
    keops: Any = peer("pykeops.torch", "pykeops")
    keops_lazy = keops.LazyTensor

    def column(x: torch.Tensor) -> Any:
        return keops_lazy(x[:, None, None].contiguous())

    def row(y: torch.Tensor) -> Any:
        return keops_lazy(y[None, :, None].contiguous())

    cos = (keops_lazy(p.x.direction[:, None]) | keops_lazy(p.y.direction[None])).clamp(-1, 1)
    sin = (1 - cos.square()).sqrt()
    sine_y, cosine_y = row(sine(p.y.radius, p.curvature)), row(cosine(p.y.radius, p.curvature))
    sine_x, cosine_x = column(sine(p.x.radius, p.curvature)), column(cosine(p.x.radius, p.curvature))
    return (sine_y * sin).atan2(cosine_x * sine_y * cos - sine_x * cosine_y)


def keops_row_sum(p: Problem) -> Run:
    """Row sums of the angle: KeOps stores no pairs."""
    angle = keops_angle(p)
    return lambda: angle.sum(1)


def keops_top(p: Problem) -> Run:
    """The smallest angles, which are the largest margins."""
    angle = keops_angle(p)
    return lambda: angle.Kmin_argKmin(NEIGHBOURS, dim=1)


KEOPS: dict[str, tuple[str, Callable[[Problem], Run]]] = {
    "exterior angle": ("KeOps, row sums", keops_row_sum),
    "top-10": ("KeOps, smallest angles", keops_top),
}
"""By operation, a label and what prepares it."""
