"""Checks of the arguments of pair operations, made before any work starts; those of searches are in `search_checks`.

Shapes, dtypes and devices are checked where a function is called or traced; values (radii, directions, a curvature,
thresholds) are checked by the operators, on the device.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import WITHOUT_FLOAT64, readable, widest
from hiergeo._core.polar import Polar

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""The dtypes of directions and of stored results."""

NARROW = FLOATS[1:]
"""The dtypes that pairs are computed of in float32."""

REALS = (*FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
"""The dtypes of thresholds, of what is compared with them, and of a curvature."""

FLATTEST = torch.finfo(torch.float32).tiny
"""A smaller |K| counts as 0: below it s r is less than 1e-9 for every radius up to 1e10."""


def check_pair(x: Polar, y: Polar) -> None:
    """Raise InputError unless the shapes, dtypes and devices of x and y fit, but for their leading dimensions."""
    _check_form("x", x)
    _check_form("y", y)
    if x.direction.shape[-1] != y.direction.shape[-1]:
        raise InputError(
            f"x has dimension {x.direction.shape[-1]} and y has dimension {y.direction.shape[-1]}: they must be equal."
        )
    if x.direction.device != y.direction.device:
        raise InputError(f"x is on {x.direction.device} and y is on {y.direction.device}: move one of them.")


def check_equal_batch(x: torch.Size, y: torch.Size) -> None:
    """Raise InputError unless the leading dimensions that an operator gets are equal."""
    if x != y:
        raise InputError(f"an operator needs equal leading dimensions, not {tuple(x)} of x and {tuple(y)} of y.")


def check_factors(*counts: int) -> None:
    """Raise InputError unless all operands of a product have the same number of factors, at least one."""
    if not counts[0] or len(set(counts)) > 1:
        raise InputError(f"a product needs points and a curvature for each of its factors, not {counts} of them.")


def broadcast(x: Sequence[Polar], y: Sequence[Polar]) -> torch.Size:
    """The broadcast of the leading dimensions of x and y, in all factors, or InputError."""
    batches = [p.radius.shape[:-1] for p in (*x, *y)]
    if batches.count(batches[0]) == len(batches):
        return batches[0]
    try:
        return torch.broadcast_shapes(*batches)
    except RuntimeError:
        shapes = (f"{tuple(p.radius.shape[:-1])} of {name}" for name, side in (("x", x), ("y", y)) for p in side)
        raise InputError(f"the leading dimensions {' and '.join(shapes)} do not broadcast.") from None


def check_alike(x: Sequence[Polar], y: Sequence[Polar], batches: bool = True) -> None:
    """Raise InputError unless all factors have pairs of one shape and, for x and for y, directions of one dtype.

    Without `batches` leading dimensions may differ.
    """
    for name, side in (("x", x), ("y", y)):
        first = side[0]
        for f, point in enumerate(side):
            sizes = [tuple(p.radius.shape if batches else p.radius.shape[-1:]) for p in (point, first)]
            if sizes[0] != sizes[1]:
                raise InputError(f"factor {f} of {name} has the shape {sizes[0]} and the first one {sizes[1]}.")
            if point.direction.dtype != first.direction.dtype:
                dtypes = f"{point.direction.dtype}, that of the first {first.direction.dtype}"
                raise InputError(f"{name}.direction of factor {f} is {dtypes}.")
            if point.direction.device != first.direction.device:
                raise InputError(
                    f"factor {f} is on {point.direction.device}, the first one on {first.direction.device}."
                )


def check_curvature(curvature: float | Tensor) -> None:
    """Raise InputError unless `curvature` is a float or a 0-dim tensor of a real number."""
    if isinstance(curvature, Tensor):
        if curvature.ndim != 0:
            shape = tuple(curvature.shape)
            raise InputError(f"curvature must be a float or a 0-dim tensor, not a tensor of shape {shape}.")
        check_dtype("curvature", curvature, REALS, "a real number")


def check_capturable(curvature: Tensor) -> None:
    """Raise InputError where the value of `curvature` cannot be read while a CUDA graph is captured."""
    if curvature.is_cuda:
        raise InputError("curvature must be a float, not a tensor on the GPU, while a CUDA graph is captured.")


def as_number(curvature: float | Tensor) -> float:
    """The value of `curvature`, or InputError unless it is one finite number; below `FLATTEST` it is 0."""
    if isinstance(curvature, Tensor):
        if curvature.ndim or curvature.dtype not in REALS:
            check_curvature(curvature)
        curvature = curvature.detach().item()
    value: float = curvature
    if not math.isfinite(value):
        raise InputError(f"curvature must be finite, not {value}.")
    return value if abs(value) >= FLATTEST else 0.0


def check_values(x: Polar, y: Polar, curvature: float) -> None:
    """Raise InputError unless radii are >= 0 and within reach and no zero direction has one. Waits for the device once.

    One number a point suffices to accept ordinary input; directions are read in full only where it does not.
    """
    if bool(_suspicious(x, curvature) | _suspicious(y, curvature)):
        for name, point in (("x", x), ("y", y)):
            _check_point(name, point, curvature)


def check_exact(exact: Sequence[Tensor], ux: Sequence[Tensor], uy: Sequence[Tensor]) -> None:
    """Raise InputError unless what directions were rounded from fits them."""
    if not exact:
        return
    if len(exact) != 3 * len(ux):
        raise InputError(f"exact must have {3 * len(ux)} entries or none, not {len(exact)}.")
    for index, (vectors, directions) in enumerate(zip(exact, (*ux, *uy), strict=False)):
        name = f"the exact vectors of {'xy'[index >= len(ux)]}"
        check_dtype(name, vectors, NARROW, "a float32, bfloat16 or float16 tensor")
        check_operand(name, vectors, directions.shape, directions.device)
        if directions.dtype == torch.float64:
            raise InputError(f"{name} must be absent where directions are float64, which are not rounded.")
    for origin, directions in zip(exact[2 * len(ux) :], ux, strict=True):
        check_dtype("the exact origin", origin, (widest(origin.device),), f"a tensor of {widest(origin.device)}")
        check_operand("the exact origin", origin, directions.shape[-1:], directions.device)


def is_exact(exact: Sequence[Tensor], ux: Tensor, uy: Tensor) -> bool:
    """Whether the vectors of points in one space, and their origin, fit the directions that were rounded from them."""
    if len(exact) != 3:
        return False
    vx, vy, origin = exact
    for vectors, directions in ((vx, ux), (vy, uy)):
        if vectors.dtype not in NARROW or vectors.shape != directions.shape or vectors.device != directions.device:
            return False
        if directions.dtype == torch.float64 or vectors.layout is not torch.strided:
            return False
    dtype = torch.float32 if origin.device.type in WITHOUT_FLOAT64 else torch.float64
    return origin.dtype == dtype and origin.shape == ux.shape[-1:] and origin.device == ux.device


def check_rows(ux: Tensor, rx: Tensor, uy: Tensor, ry: Tensor) -> None:
    """Raise InputError unless the points of a row-wise law fit each other."""
    shape, device = ux.shape, ux.device
    for part, own in ((ux, shape), (rx, shape[:-1]), (uy, shape), (ry, shape[:-1])):
        if part.dtype not in FLOATS or part.shape != own or part.device != device or part.layout is not torch.strided:
            break
    else:
        return
    for name, direction, radius in (("x", ux, rx), ("y", uy, ry)):
        check_floats(f"{name}.direction", direction, ux.shape, ux.device)
        check_floats(f"{name}.radius", radius, ux.shape[:-1], ux.device)


def check_floats(name: str, numbers: Tensor, shape: torch.Size, device: torch.device) -> None:
    """Raise InputError unless `numbers` is a floating-point tensor of `shape` on `device`."""
    fits = numbers.dtype in FLOATS and numbers.layout is torch.strided
    if not (fits and numbers.shape == shape and numbers.device == device):
        check_float(name, numbers)
        check_operand(name, numbers, shape, device)


def check_float(name: str, operand: Tensor) -> None:
    check_dtype(name, operand, FLOATS, "a float64, float32, bfloat16 or float16 tensor")


def check_dtype(name: str, operand: Tensor, dtypes: tuple[torch.dtype, ...], wanted: str) -> None:
    if operand.dtype not in dtypes or operand.layout is not torch.strided:
        kind = operand.dtype if operand.layout is torch.strided else operand.layout
        raise InputError(f"{name} must be {wanted}, not {kind}.")


def check_operand(name: str, operand: Tensor, shape: torch.Size, device: torch.device) -> None:
    if operand.shape != shape:
        raise InputError(f"{name} must have the shape {tuple(shape)}, not {tuple(operand.shape)}.")
    if operand.device != device:
        raise InputError(f"{name} is on {operand.device} and x is on {device}: move one of them.")


def _check_form(name: str, point: Polar) -> None:
    direction, radius = point
    for part in point:
        if part.dtype not in FLOATS or part.layout is not torch.strided:
            check_float(f"{name}.direction" if part is direction else f"{name}.radius", part)
    if direction.ndim < 2 or direction.shape[:-1] != radius.shape:
        shapes = f"{tuple(direction.shape)} and {tuple(radius.shape)}"
        raise InputError(f"{name} needs directions (..., N, D) and radii (..., N), not {shapes}.")
    if direction.device != radius.device:
        raise InputError(
            f"{name}.direction is on {direction.device} and {name}.radius on {radius.device}: move one of them."
        )


def _suspicious(point: Polar, curvature: float) -> Tensor:
    direction, radius = point
    undirected = (radius > 0) & (direction.select(-1, 0) == 0) if direction.shape[-1] else radius > 0
    doubtful = (radius < 0) | undirected
    return (doubtful | _beyond(radius, curvature) if curvature > 0 else doubtful).any()


def _check_point(name: str, point: Polar, curvature: float) -> None:
    direction, radius = _distinct(point.direction, 2), _distinct(point.radius, 1)
    negative = radius < 0
    if bool(negative.any()):
        raise InputError(f"{name}.radius must not be negative: entry {_first(negative)} is {float(radius.min()):.3g}.")
    lost = (direction[..., :1] == 0).all(-1) & (radius > 0)
    lost[lost.clone()] = (direction.expand(*lost.shape, -1)[lost] == 0).all(-1)
    if bool(lost.any()):
        raise InputError(
            f"{name}.direction {_first(lost)} is zero but its radius is not: only the root has no direction."
        )
    check_reach(name, radius, curvature)


def check_reach(name: str, radius: Tensor, curvature: float | Tensor) -> None:
    """Raise InputError where a radius lies beyond the antipode of a sphere; skipped where values are not readable."""
    if not readable(radius):
        return
    curvature = float(curvature.detach()) if isinstance(curvature, Tensor) else curvature
    if curvature > 0:
        radius = radius.detach()
        beyond = _beyond(radius, curvature)
        if bool(beyond.any()):
            raise InputError(
                f"the radius of {name} {_first(beyond)} is {float(radius[beyond][0]):.4g}, beyond the antipode at "
                f"pi/sqrt(K) = {_antipode(curvature):.4g} of a sphere with K = {curvature:g}: use a smaller curvature."
            )


def _beyond(radius: Tensor, curvature: float) -> Tensor:
    """Which radii lie beyond the antipode; those of float32 embeddings come in float64 and may be rounded beyond it."""
    eps = max(torch.finfo(dtype).eps for dtype in (radius.dtype, torch.float32))
    return (radius > _antipode(curvature) * (1 + eps)) & torch.isfinite(radius)


def _antipode(curvature: float) -> float:
    return math.pi / math.sqrt(curvature)


def check_min_radius(min_radius: float) -> None:
    """Raise InputError unless `min_radius` is a positive number."""
    if not 0 < min_radius < math.inf:
        raise InputError(f"min_radius must be a positive number, not {min_radius}.")


def check_widening(widening: float) -> None:
    """Raise InputError unless `widening` is a number >= 0."""
    if not 0 <= widening < math.inf:
        raise InputError(f"widening must be a number >= 0, radians, not {widening}.")


def check_margin(margin: float | None) -> None:
    """Raise InputError unless `margin`, where there is one, is a number > 0."""
    if margin is not None and not 0 < margin < math.inf:
        raise InputError(f"margin must be a number > 0, radians, not {margin}.")


def check_slopes(
    slopes: Sequence[Tensor], forms: Sequence[tuple[torch.Size, torch.dtype]], device: torch.device
) -> None:
    """Raise InputError unless `slopes` is empty or holds a tensor of each shape and dtype."""
    if slopes and len(slopes) != len(forms):
        raise InputError(f"slopes must hold {len(forms)} gradients or none, not {len(slopes)}.")
    for gradient, (shape, dtype) in zip(slopes, forms, strict=False):
        check_dtype("slopes", gradient, (dtype,), f"a {dtype} tensor")
        check_operand("slopes", gradient, shape, device)


def check_single(x: torch.Size, y: torch.Size) -> None:
    """Raise InputError where directions of x or y, of these shapes, have leading dimensions."""
    for name, shape in (("x", x), ("y", y)):
        if len(shape) > 2:
            raise InputError(
                f"{name}.direction must be (N, D) here, not {tuple(shape)}: loop over the leading dimensions."
            )


def check_filled(operation: str, y: Polar) -> None:
    """Raise InputError where there is no y to reduce over."""
    if y.radius.shape[-1] == 0:
        raise InputError(f"{operation} needs at least one y.")


def check_combine(combine: str) -> None:
    """Raise InputError unless `combine` is a way to combine lengths."""
    if combine not in ("l1", "l2"):
        raise InputError(f"combine must be 'l2' or 'l1', not '{combine}'.")


def check_out_dtype(dtype: torch.dtype) -> None:
    """Raise InputError unless results can be stored in `dtype`."""
    if dtype not in FLOATS:
        raise InputError(f"results are float64, float32, bfloat16 or float16, not {dtype}.")


def check_out(out: Tensor, shape: torch.Size, device: torch.device) -> None:
    """Raise InputError unless `out` can hold a result of `shape` that is computed on `device`."""
    if out.shape != shape:
        raise InputError(f"out must have the shape {tuple(shape)} of the result, not {tuple(out.shape)}.")
    check_out_dtype(out.dtype)
    check_operand("out", out, shape, device)


def check_layout(out: Tensor) -> None:
    """Raise InputError unless rows of `out` are contiguous, apart, and its leading dimensions one regular stack."""
    sizes, strides = out.shape, out.stride()
    rows = strides[-1] == 1 or sizes[-1] < 2
    apart = _apart(sizes, strides)
    stack = [(size, stride) for size, stride in zip(sizes[:-2], strides[:-2], strict=True) if size != 1]
    stacked = all(outer == inner * size for (_, outer), (size, inner) in pairwise(stack))
    if out.numel() and not (rows and apart and stacked):
        raise InputError(f"out must have contiguous rows that do not overlap, not the strides {strides}.")


def _apart(sizes: torch.Size, strides: tuple[int, ...]) -> bool:
    """Whether no two entries share memory, dimension by dimension from the smallest stride to the largest."""
    extent = 0
    for stride, size in sorted(zip(strides, sizes, strict=True)):
        if size > 1:
            if stride <= extent:
                return False
            extent += stride * (size - 1)
    return True


def check_out_alone(out_dtype: torch.dtype | None) -> None:
    """Raise InputError where a dtype is asked for beside an `out` that has one."""
    if out_dtype is not None:
        raise InputError("give out or out_dtype, not both: a result in out has the dtype of out.")


def check_no_gradient(*operands: float | Tensor | None) -> None:
    """Raise InputError where a result written to `out` would have to carry a gradient to an operand."""
    if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in operands):
        raise InputError("out carries no gradient: detach what requires one, use torch.no_grad(), or do not pass out.")


def _distinct(x: Tensor, trailing: int) -> Tensor:
    """`x` with expanded leading dimensions reduced to size 1."""
    for dim in reversed(range(x.ndim - trailing)):
        if x.stride(dim) == 0 and x.shape[dim] > 1:
            x = x.select(dim, 0)
    return x


def _first(mask: Tensor) -> int | tuple[int, ...]:
    index = tuple(int(i) for i in torch.nonzero(mask)[0])
    return index[0] if len(index) == 1 else index
