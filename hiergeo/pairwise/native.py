"""The native kernels as a backend: finds and loads their library and hands tensors over as the kernels expect them.

The kernels take directions of one dtype in contiguous rows, radii and apertures in float64, and refuse everything else.
They can be called once `missing` has returned None.
"""

import ctypes
import functools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype
from hiergeo._core.polar import Exact, Polar, Shadow, exact
from hiergeo.pairwise import settings
from hiergeo.pairwise.interface import FEW, Factor, Gradients, LogitTerms
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.settings import (
    LIBRARY,
    PRODUCT,
    SIMD,
    SIMD_LEVELS,
    TileProduct,
    is_library_named,
    tile_product,
    word,
)

BUILD = Path(__file__).parents[1] / "_build.json"
"""Record of the build: "reason" says why no library was built, "cuda_reason" why it has no CUDA kernels."""

NAMESPACE = "hiergeo_native"

MOST_FACTORS = 12
"""The largest number of factors whose operands fit the parameters of a CUDA kernel."""


def missing(device: torch.device) -> str | None:
    """Why there are no native kernels for a device, or None where there are."""
    reason = _load()
    if reason is not None:
        return reason
    if not _has_kernels(device.type):
        return _recorded(f"{device.type}_reason") or f"the library has no kernels for {device.type}"
    return None if device.index is None else _unfit(device.index)


@functools.cache
def _unfit(index: int) -> str | None:
    built = build_info()
    return unfit(index, built.get("cuda", ""), built.get("cuda_version", ""))


def setting(device: torch.device) -> tuple[str, bool]:
    """SIMD level and tile product of a device under the current settings, and whether float32 is multiplied in TF32."""
    level = simd_level() if device.type == "cpu" else ""
    product = tile_product(device.type, level)
    return f"{level} {product.name}".strip(), product is TileProduct.TF32


def build_info() -> dict[str, str]:
    """Facts of the build: compiler, simd, cuda and cuda_version, the latter "none" without; empty without a build."""
    built = _record()
    if not built.get("native"):
        return {}
    return {
        "compiler": built["compiler"],
        "simd": ",".join(built["simd"]),
        "cuda": ",".join(built["cuda"]) or "none",
        "cuda_version": built["cuda_version"] or "none",
    }


def simd_level() -> str:
    """The SIMD level of the CPU kernels: HIERGEO_SIMD, or the best of the machine."""
    return _simd_level(word(SIMD))


@functools.cache
def _simd_level(_: str | None) -> str:
    return _call("simd_level")  # torch keeps a copy of every string that an operator returns


@functools.cache
def _load() -> str | None:
    if not LIBRARY.exists():
        if is_library_named():
            return f"HIERGEO_KERNELS names {LIBRARY}, which does not exist"
        return _recorded("reason") or f"{LIBRARY.name} was never built"
    try:
        torch.ops.load_library(LIBRARY)
    except OSError as error:
        detail = str(error.__cause__ or error).splitlines()[0]
        return f"{LIBRARY.name} does not load: {detail}"
    return None


def _recorded(key: str) -> str:
    return _record().get(key) or ""


def _record() -> dict[str, Any]:
    try:
        return dict(json.loads(BUILD.read_text()))
    except (OSError, ValueError):
        return {}


@functools.cache
def _has_kernels(device_type: str, name: str = "store") -> bool:
    try:
        key = torch._C._dispatch_key_for_device(device_type)
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(f"{NAMESPACE}::{name}", key))
    except AttributeError:  # torch has no public way to ask
        return device_type == "cpu"


def store(factors: Sequence[Factor], quantity: Quantity, out: Tensor) -> None:
    """As `PairBackend.store`."""
    _call("store", *_factors(factors, quantity), _product(out), out)


def backward(
    upstream: Tensor, x: Polar, y: Polar, curvature: float, quantity: Quantity, aperture: Tensor | None
) -> Gradients:
    """As `PairBackend.backward`."""
    upstream = upstream.to(pair_dtype(x.direction, y.direction))
    operands = (
        upstream,
        *_points(x, y),
        curvature,
        quantity.code,
        _wide(aperture),
        _exact(x, y),
        _product(x.direction),
    )
    return _gradients(_call("backward", *operands))


def count(factors: Sequence[Factor], quantity: Quantity, reach: Tensor | None) -> Tensor:
    """As `PairBackend.count`."""
    return _call("count", *_factors(factors, quantity), reach, _product(factors[0].x.direction))


def members(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """As `PairBackend.members`."""
    return _call("members", *_points(x, y), curvature, _wide(aperture), _exact(x, y), _product(x.direction))


def smallest(factors: Sequence[Factor], quantity: Quantity, k: int, swap: bool) -> tuple[Tensor, Tensor]:
    """As `PairBackend.smallest`."""
    first = factors[0]
    operands, product = _factors(factors, quantity), _product(first.x.direction)
    few = first.x.radius.shape[-1] <= FEW and isinstance(first.y, Exact) and first.y.shadow is not None
    if not few or not (shadows := _shadows(factors)):
        return _call("smallest", *operands, k, swap, product)
    rows, numbers, _ = map(list, zip(*shadows, strict=True))
    return _call("smallest_among", *operands, rows, numbers, k, swap, product)


def shadow(point: Polar, curvature: float) -> Shadow | None:
    """As `PairBackend.shadow`."""
    u = point.direction
    if u.ndim != 2 or u.dtype != torch.float32 or not _has_kernels(u.device.type, "shadow"):
        return None
    rows, numbers = _call("shadow", *_in_rows([u.unsqueeze(0)]), point.radius.double().unsqueeze(0), curvature)
    return Shadow(rows, numbers, curvature) if numbers.numel() else None


def rank(factors: Sequence[Factor], quantity: Quantity, target: Tensor, swap: bool) -> Tensor:
    """As `PairBackend.rank`."""
    return _call("rank", *_factors(factors, quantity), target, swap, _product(target))


def nearest_ladder(factors: Sequence[Factor], quantity: Quantity, order: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """As `PairBackend.nearest_ladder`."""
    return _call("nearest_ladder", *_factors(factors, quantity), order, ends, _product(order))


def energy_sum(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
    """As `PairBackend.energy_sum`."""
    return _call("energy_sum", *_points(x, y), curvature, _wide(aperture), _exact(x, y), _product(x.direction))


def energy_total(
    x: Polar, y: Polar, curvature: float, aperture: Tensor, margin: float | None, gradients: bool
) -> tuple[Tensor, Gradients | None]:
    """As `PairBackend.energy_total`."""
    operands = (*_points(x, y), curvature, _wide(aperture), _exact(x, y), margin, gradients, _product(x.direction))
    total, *found = _call("energy_total", *operands)
    return total, _gradients(found) if gradients else None


def energy_min(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """As `PairBackend.energy_min`; the kernels return infinity where all pairs are NaN."""
    operands = (*_points(x, y), curvature, _wide(aperture), _exact(x, y), _product(x.direction))
    values, indices = _call("energy_min", *operands)
    return values.masked_fill(indices < 0, math.nan), indices


def contrast(factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms) -> Sequence[Tensor] | None:
    """As `PairBackend.contrast`."""
    directions = factors[0].x.direction
    if not _has_kernels(directions.device.type, "contrast"):
        return None
    found: Sequence[Tensor] = _call("contrast", *_factors(factors, quantity), *_terms(terms), _product(directions))
    return found


def contrast_backward(
    factors: Sequence[Factor], terms: LogitTerms, found: Sequence[Tensor], upstream: Sequence[Tensor]
) -> Sequence[Tensor] | None:
    """As `PairBackend.contrast_backward`."""
    x, y, curvature, _ = factors[0]
    if len(factors) > 1 or not _has_kernels(x.direction.device.type, "contrast_backward"):
        return None
    numbers = *(part.double() for part in found), [part.double() for part in upstream]
    operands = *numbers, *_points(x, y), curvature, _exact(x, y), *_terms(terms), _product(x.direction)
    gradients: Sequence[Tensor] = _call("contrast_backward", *operands)
    return gradients


def ladder(
    queries: Tensor, candidates: Tensor, norms: Tensor | None, order: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor]:
    """As `PairBackend.ladder`."""
    return _call("ladder", *_directions(queries, candidates), norms, order, ends, _product(queries))


def weigh(items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> Tensor | None:
    """As `PairBackend.weigh`."""
    if not _has_kernels(items.device.type, "weigh"):
        return None
    found: Tensor = _call("weigh", items, positive, negative, precision, chance)
    return found


def _call(name: str, *operands: object) -> Any:
    return getattr(getattr(torch.ops, NAMESPACE), name).default(*operands)


def _product(directions: Tensor) -> TileProduct:
    kind = directions.device.type
    product = (settings.CURRENT or settings.current()).products.get(kind)
    if product is None:
        product = tile_product(kind, simd_level() if kind == "cpu" else "")
        if kind == "cpu" and product is TileProduct.OWN and word(PRODUCT) is None and simd_level() in SIMD_LEVELS[1:]:
            settings.current().products[kind] = product
    return product


def is_settled() -> bool:
    """Whether no setting of torch can change what multiplies tiles on the CPU."""
    return "cpu" in settings.current().products


def _factors(factors: Sequence[Factor], quantity: Quantity) -> tuple[Any, ...]:
    """The leading operands of native operators on factors: lists with an entry for each factor, and the quantity."""
    lists: tuple[list[Any], ...] = ([], [], [], [], [], [])
    ux, rx, uy, ry, curvatures, apertures = lists
    vx: list[Tensor] = []
    vy: list[Tensor] = []
    origins: list[Tensor] = []
    in_rows = True
    for x, y, curvature, aperture in factors:
        u, v = x[0], y[0]
        if u.dtype != v.dtype or u.stride(-1) != 1 or v.stride(-1) != 1:
            u, v = _directions(u, v)
        ux.append(u)
        rx.append(x[1].double())
        uy.append(v)
        ry.append(y[1].double())
        curvatures.append(curvature)
        if aperture is not None and quantity.cone is not None:
            apertures.append(aperture.double())
        if isinstance(x, Exact) and isinstance(y, Exact) and x.source is y.source:
            vx.append(x.vectors)
            vy.append(y.vectors)
            origins.append(x.origin)
            in_rows = in_rows and x.vectors.stride(-1) == 1 and y.vectors.stride(-1) == 1
    exact = [*vx, *vy, *origins] if len(origins) == len(factors) else []
    return *lists, exact if in_rows else _in_rows(exact), quantity.code


def _shadows(factors: Sequence[Factor]) -> list[Shadow]:
    """Those of y under the curvatures of the factors; none where a factor has none."""
    found = []
    for _, y, curvature, _ in factors:
        if not isinstance(y, Exact) or y.shadow is None or y.shadow.curvature != curvature:
            return []
        found.append(y.shadow)
    return found


def _terms(terms: LogitTerms) -> tuple[Any, ...]:
    numbers = terms.scale.double(), terms.bias.double()
    return *numbers, *(terms.labels or (None, None)), terms.squared, terms.reduction == "softplus"


def _gradients(found: Sequence[Tensor]) -> Gradients:
    ux, rx, uy, ry, by_aperture, by_curvature = found
    return Gradients(ux, rx, uy, ry, by_curvature, by_aperture)


def _points(x: Polar, y: Polar) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ux, uy = _directions(x.direction, y.direction)
    return ux, x.radius.double(), uy, y.radius.double()


def _exact(x: Polar, y: Polar) -> list[Tensor]:
    return _in_rows(exact(x, y))


def _in_rows(matrices: list[Tensor]) -> list[Tensor]:
    """Matrices with contiguous rows."""
    for place, matrix in enumerate(matrices):
        if matrix.stride(-1) != 1:
            matrices[place] = matrix.clone(memory_format=torch.contiguous_format)
    return matrices


def _directions(ux: Tensor, uy: Tensor) -> list[Tensor]:
    """Directions in contiguous rows. A narrower dtype of one side is kept: the kernels widen it."""
    dtype = torch.promote_types(ux.dtype, uy.dtype)
    if dtype == torch.float64:
        ux, uy = ux.to(dtype), uy.to(dtype)
    return _in_rows([ux, uy])


def _wide(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.double()


ANY_NEWER = 10
"""From this compute capability on kernels are compiled by the driver, which then has to support their CUDA version."""


def unfit(index: int, architectures: str, runtime: str) -> str | None:
    """Why kernels cannot run on a GPU; None if they can, or if that is unknown.

    Args:
        index: of the GPU.
        architectures: those compiled for, as in "sm_80,sm_90,compute_90".
        runtime: the version of CUDA that they are linked with, as in "13.0".
    """
    if torch.version.hip is not None:
        return "the kernels are for CUDA, and this torch is for ROCm"
    capability = torch.cuda.get_device_capability(index)
    oldest = min(map(int, re.findall(r"\d+", architectures)), default=0)
    if capability[0] * 10 + capability[1] < oldest:
        name = torch.cuda.get_device_name(index)
        return f"the kernels need compute capability {oldest // 10}.{oldest % 10}, and {name} has {_dotted(capability)}"
    driver, linked = driver_version(), tuple(map(int, re.findall(r"\d+", runtime)[:2]))
    if driver is None or not linked:
        return None
    needed = linked if capability[0] >= ANY_NEWER else (linked[0], 0)
    if driver < needed:
        return f"the kernels need a driver for CUDA {_dotted(needed)} or newer, and this one is for {_dotted(driver)}"
    return None


@functools.cache
def driver_version() -> tuple[int, int] | None:
    """The newest version of CUDA that the driver supports; None if unknown."""
    try:
        number = ctypes.c_int()
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)) != 0:
            return None
    except (OSError, AttributeError):
        return None
    return number.value // 1000, number.value % 1000 // 10


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
