"""The native kernels as a backend: finds and loads their library and hands tensors over as the kernels expect them.

The kernels take directions of one dtype in contiguous rows, radii and apertures in float64, and refuse everything else.
They can be called once `missing` has returned None.
"""

import ctypes
import functools
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype
from hiergeo._core.polar import Exact, Polar, Shadow, exact, part_of
from hiergeo.pairwise import settings
from hiergeo.pairwise.interface import FEW, Factor, Gradients, LogitTerms
from hiergeo.pairwise.portable import PORTABLE
from hiergeo.pairwise.quantity import QUANTITIES, Quantity
from hiergeo.pairwise.reference import TileBackend
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
from hiergeo.pairwise.tiles import GradientSums, Measure, Tile, TiledPairs, Values

BUILD = Path(__file__).parents[1] / "_build.json"
"""Record of the build: "reason" says why no library was built, "cuda_reason" why it has no CUDA kernels."""

NAMESPACE = "hiergeo_native"

STORED_PAIRS = 1 << 21
"""Pairs that are stored at a time for what has no kernel."""

MOST_FACTORS = 8
"""The largest number of factors of a product of spaces that CUDA kernels take."""


def missing(device: torch.device) -> str | None:
    """Why there are no native kernels for a device, or None where there are."""
    reason = _load()
    if reason is not None:
        return reason
    if not _has_kernels(device.type):
        return _recorded(f"{device.type}_reason") or f"the library has no kernels for {device.type}"
    return None if device.index is None else _unfit(device.index)


def takes(device_type: str, dtype: torch.dtype, factors: int) -> bool:
    """Whether the kernels for a type of device take pairs that are computed in `dtype`, in so many factors."""
    return device_type != "cuda" or (dtype != torch.float64 and factors <= MOST_FACTORS)


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
    upstream: Tensor,
    x: Polar,
    y: Polar,
    curvature: float,
    quantity: Quantity,
    aperture: Tensor | None,
    by_curvature: bool = True,
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
    total, *slopes = _call("energy_total", *operands)
    return total, _gradients(slopes) if gradients else None


def energy_min(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """As `PairBackend.energy_min`; the kernels return infinity where all pairs are NaN."""
    operands = (*_points(x, y), curvature, _wide(aperture), _exact(x, y), _product(x.direction))
    values, indices = _call("energy_min", *operands)
    return values.masked_fill(indices < 0, math.nan), indices


def contrast(factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms) -> Sequence[Tensor]:
    """As `PairBackend.contrast`."""
    directions = factors[0].x.direction
    if not _has_kernels(directions.device.type, "contrast"):
        return PORTABLE.contrast(factors, quantity, terms)
    reduced: Sequence[Tensor] = _call("contrast", *_factors(factors, quantity), *_terms(terms), _product(directions))
    return reduced


def contrast_backward(
    factors: Sequence[Factor],
    quantity: Quantity,
    terms: LogitTerms,
    reduced: Sequence[Tensor],
    upstream: Sequence[Tensor],
    by_curvature: bool = True,
) -> Sequence[Tensor]:
    """As `PairBackend.contrast_backward`; in products of spaces by stored distances and `backward`."""
    x, y, curvature, _ = factors[0]
    if len(factors) > 1:
        return STORED.contrast_backward(factors, quantity, terms, reduced, upstream, by_curvature)
    if not _has_kernels(x.direction.device.type, "contrast_backward"):
        return PORTABLE.contrast_backward(factors, quantity, terms, reduced, upstream, by_curvature)
    numbers = *(part.double() for part in reduced), [part.double() for part in upstream]
    operands = *numbers, *_points(x, y), curvature, _exact(x, y), *_terms(terms), _product(x.direction)
    gradients: Sequence[Tensor] = _call("contrast_backward", *operands)
    return gradients


class Stored(NamedTuple):
    """Distances of a block of pairs that the kernels stored."""

    lengths: Tensor

    def distance(self) -> Tensor:
        """The distances, (n, M)."""
        return self.lengths


class StoredValues(Values):
    """Distances in a product that the kernels store, combined as they combine them elsewhere."""

    def combined(self, tiles: Sequence[Tile], values: Sequence[Tensor]) -> Tensor:
        """The distances of the pairs of corresponding tiles."""
        factors = [Factor(tile.x, tile.y, pairs.curvature) for tile, pairs in zip(tiles, self.factors, strict=True)]
        return _stored(factors, self.quantity)


def _stored(factors: Sequence[Factor], quantity: Quantity) -> Tensor:
    x, y = factors[0].x, factors[0].y
    dtype = pair_dtype(x.direction, y.direction)
    out = torch.empty(1, x.radius.shape[1], y.radius.shape[1], dtype=dtype, device=y.radius.device)
    store(factors, quantity, out)
    return out[0]


class StoredPairs(TiledPairs):
    """Pairs whose distances the kernels store, a block of rows at a time."""

    def rows(self) -> Iterator[slice]:
        """The blocks."""
        total, step = len(self.x.radius), max(1, STORED_PAIRS // max(1, len(self.y.radius)))
        return (slice(start, min(start + step, total)) for start in range(0, total, step))

    def tiles(self, i: slice) -> Iterator[Tile]:
        """The one tile of block `i`."""
        x, y = (part_of(of, None, index) for of, index in ((self.x, i), (self.y, slice(None))))
        lengths = _stored([Factor(x, y, self.curvature)], QUANTITIES["distance"])
        yield Tile(i, slice(0, len(self.y.radius)), x, y, Stored(lengths))


class StoredSums(GradientSums):
    """Gradients of distances that the kernels form block by block."""

    def masked(self, b: int, tile: Tile, weight: Tensor) -> Tensor:
        """The weights as they are: kernels leave out what is not a number."""
        return weight

    def add(self, b: int, tile: Tile, pairs: TiledPairs, weight: Tensor, quantity: Quantity) -> None:
        """Add `weight` times the distances of one block."""
        of = backward(weight.unsqueeze(0), tile.x, tile.y, pairs.curvature, quantity, None)
        self.pull_x[b, tile.i], self.radius_x[b, tile.i] = of.ux[0].to(self.pull_x.dtype), of.rx[0]
        self.pull_y[b] += of.uy[0]
        self.radius_y[b] += of.ry[0]
        self.curvature[b] += of.curvature[0]

    def gradients(self) -> Gradients:
        """The sums, in the compute dtype."""
        dtype = pair_dtype(self.x.direction, self.y.direction)
        ux, rx, uy, ry = (part.to(dtype) for part in (self.pull_x, self.radius_x, self.pull_y, self.radius_y))
        return Gradients(ux, rx, uy, ry, self.curvature, self.aperture)


class StoredMeasure(Measure):
    """Pairs that are stored by the kernels."""

    def pairs(self, x: Polar, y: Polar, curvature: float, swap: bool = False) -> TiledPairs:
        """The pairs of two unbatched point sets."""
        return StoredPairs(x, y, curvature, swap)

    def sums(self, x: Polar, y: Polar, aperture: Tensor | None, by_curvature: bool) -> GradientSums:
        """What adds up gradients over blocks."""
        return StoredSums(x, y, aperture, by_curvature)

    def values(self, factors: Sequence[Factor], quantity: Quantity, swap: bool = False) -> Iterator[Values]:
        """The distances of each entry of a flattened batch."""
        for of in super().values(factors, quantity, swap):
            yield StoredValues(of.factors, of.apertures, of.quantity)


STORED = TileBackend(lambda _: StoredMeasure())


def ladder(
    queries: Tensor, candidates: Tensor, norms: Tensor | None, order: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor]:
    """As `PairBackend.ladder`."""
    return _call("ladder", *_directions(queries, candidates), norms, order, ends, _product(queries))


def weigh(items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> Tensor | None:
    """As `PairBackend.weigh`."""
    if not _has_kernels(items.device.type, "weigh"):
        return None
    values: Tensor = _call("weigh", items, positive, negative, precision, chance)
    return values


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
    shadows = []
    for _, y, curvature, _ in factors:
        if not isinstance(y, Exact) or y.shadow is None or y.shadow.curvature != curvature:
            return []
        shadows.append(y.shadow)
    return shadows


def _terms(terms: LogitTerms) -> tuple[Any, ...]:
    numbers = terms.scale.double(), terms.bias.double()
    return *numbers, *(terms.labels or (None, None)), terms.squared, terms.reduction == "softplus"


def _gradients(parts: Sequence[Tensor]) -> Gradients:
    ux, rx, uy, ry, by_aperture, by_curvature = parts
    return Gradients(ux, rx, uy, ry, by_curvature, by_aperture)


def _points(x: Polar, y: Polar) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ux, uy = _directions(x.direction, y.direction)
    return ux, x.radius.double(), uy, y.radius.double()


def _exact(x: Polar, y: Polar) -> list[Tensor]:
    return _in_rows(exact(x, y))


def _in_rows(matrices: list[Tensor]) -> list[Tensor]:
    """Matrices with contiguous rows."""
    for index, matrix in enumerate(matrices):
        if matrix.stride(-1) != 1:
            matrices[index] = matrix.clone(memory_format=torch.contiguous_format)
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
