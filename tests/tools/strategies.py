"""Hypothesis strategies for curvatures, pairs of polar points and embeddings, ordinary ones and every special kind."""

import math
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from hiergeo._core.polar import Polar
from hiergeo.testing.samples import frame

KINDS = (
    "ordinary",
    "coincident",
    "x at the root",
    "y at the root",
    "both at the root",
    "collinear",
    "opposite",
    "nearly collinear",
    "nearly opposite",
    "tiny",
    "huge",
)
"""What `pairs` draws from; on a sphere "huge" is close to the antipode of the root, which is the furthest there is."""


class Pair(NamedTuple):
    """Two points, each (1, D) and (1,), of a space of curvature K."""

    x: Polar
    y: Polar
    curvature: float


@st.composite
def curvatures(draw: st.DrawFn, signs: tuple[int, ...] = (-1, 0, 1)) -> float:
    """Signed curvatures of the given signs, |K| in [1e-3, 10] and never 1, or 0."""
    sign = draw(st.sampled_from(signs))
    return sign * draw(st.floats(-3, 1).map(lambda exponent: 10.0**exponent).filter(lambda k: k != 1))


@st.composite
def pairs(
    draw: st.DrawFn,
    signs: tuple[int, ...] = (-1, 0, 1),
    kinds: tuple[str, ...] = KINDS,
    dtype: torch.dtype = torch.float32,
) -> Pair:
    """Pairs of points of every kind in `KINDS`, in 2 to 16 dimensions, inside the range of the space."""
    curvature, kind = draw(curvatures(signs)), draw(st.sampled_from(kinds))
    s = math.sqrt(abs(curvature)) or 1.0
    far = 0.999 * math.pi if curvature > 0 else 12.0
    rx, ry = (draw(st.floats(1e-3, far)) / s for _ in range(2))
    if kind == "tiny":
        rx, ry = (10 ** draw(st.floats(-30, -6)) for _ in range(2))
    if kind == "huge":
        largest = math.pi * (1 - 1e-6) / s if curvature > 0 else min(1e6, 1e4 / s)
        rx, ry = (largest * draw(st.floats(0.5, 1)) for _ in range(2))
    theta = {
        "coincident": 0.0,
        "collinear": 0.0,
        "opposite": math.pi,
        "nearly collinear": 10 ** draw(st.floats(-6, -2)),
        "nearly opposite": math.pi - 10 ** draw(st.floats(-6, -2)),
    }.get(kind, draw(st.floats(0.01, 3.13)))
    x_at_root, y_at_root = kind in ("x at the root", "both at the root"), kind in ("y at the root", "both at the root")
    (first,), (second,) = frame(1, draw(st.integers(2, 16)), torch.Generator().manual_seed(draw(st.integers(0, 2**32))))
    turned = {0.0: first, math.pi: -first}.get(theta, math.cos(theta) * first + math.sin(theta) * second)
    return Pair(
        _point(first, 0.0 if x_at_root else rx, dtype),
        _point(turned, 0.0 if y_at_root else rx if kind == "coincident" else ry, dtype),
        curvature,
    )


@st.composite
def embeddings(draw: st.DrawFn, dim: int, rows: int = 4, longest: float = 10.0) -> Tensor:
    """Tangent vectors (rows, dim) of float32, of norms in {0} or [1e-30, longest]; rows may repeat or be opposite."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    directions = torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)
    norms = [draw(st.one_of(st.just(0.0), st.just(1e-30), st.floats(1e-3, longest))) for _ in range(rows)]
    vectors = directions * torch.tensor(norms, dtype=torch.float64)[:, None]
    vectors[-1] = draw(st.sampled_from((1.0, -1.0, 0.5))) * vectors[0]
    return vectors.float()


def _point(direction: Tensor, radius: float, dtype: torch.dtype) -> Polar:
    ray = direction if radius else torch.zeros_like(direction)
    return Polar(ray.to(dtype)[None], torch.tensor([radius], dtype=dtype))
