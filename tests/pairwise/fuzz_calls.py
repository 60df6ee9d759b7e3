"""Random calls of native operators, right and wrong: their operands, and what may be changed of them."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo.pairwise.quantity import QUANTITIES
from tests.pairwise.fuzz_rules import (
    COMBINED,
    DISTANCES,
    FLOATS,
    HUGE,
    MARGIN,
    NARROW,
    ORDERED,
    SHAPES,
    is_huge,
    schema,
    tensors,
)

Dtypes = tuple[torch.dtype, torch.dtype]

SIZES = (0, 1, 2, 3, 5, 8, 17, 40)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16)
CHOICES = {"smallest": ORDERED, "among": ORDERED, "rank": ORDERED, "ladder": DISTANCES}
"""The quantities of operators, by the last word of their names; those that are not here take all."""


@dataclass
class Call:
    """One call: the operator, and its operands by name."""

    name: str
    operands: dict[str, Any]
    changes: list[str] = field(default_factory=list)

    @property
    def operator(self) -> Callable[..., Any]:
        return getattr(torch.ops.hiergeo_native, self.name)

    @property
    def huge(self) -> bool:
        return any(map(is_huge, tensors(self.operands.values())))

    @property
    def traced(self) -> bool:
        """Whether torch only asks for shapes, because some operand has no data."""
        return any(tensor.is_meta for tensor in tensors(self.operands.values()))

    @property
    def scattered(self) -> bool:
        """Whether operands that belong on one device are on two."""
        return len({tensor.device for tensor in tensors(self.operands.values())}) > 1

    @property
    def comparable(self) -> bool:
        """Whether the reference has to agree: not where numbers became NaN, nor with norms of other candidates."""
        norms = self.operands.get("norms") is not None
        if self.name == "shadow" or (self.name == "smallest_among" and self.changes):
            return False
        return not any(
            "values" in change or (norms and change.endswith(("norms", "candidates"))) for change in self.changes
        )

    def __str__(self) -> str:
        parts = (f"{name}={described(operand)}" for name, operand in self.operands.items())
        return f"{self.operator}({', '.join(parts)}) after {self.changes}"


def described(operand: object) -> str:
    if isinstance(operand, list):
        return f"[{', '.join(map(described, operand))}]"
    if not isinstance(operand, Tensor):
        return repr(operand)
    layout = operand.stride() if operand.layout is torch.strided else operand.layout
    return f"{operand.dtype} {tuple(operand.shape)} strides {layout} on {operand.device}"


class Fuzzer:
    """Draws calls from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def call(self) -> Call:
        """A call that is right, or one in which up to two operands were changed."""
        call = self.right(self.random.choice(list(SHAPES)))
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2))):
            self._change(call)
        return call

    def right(self, name: str) -> Call:
        """A call whose operands are all right."""
        pick, arguments = self.random.choice, schema(name)
        n, m = pick(SIZES), max(pick(SIZES), 1 if name.endswith("rank") else 0)
        batch = (1 if name.endswith(("members", "ladder", "shadow", "among")) else pick((0, 1, 2, 3)),)
        count = pick((1, 1, 2, 3)) if any(is_list for _, is_list in arguments) else 1
        dtypes = self._dtypes()
        if name in ("shadow", "smallest_among"):
            dtypes = pick(NARROW), pick(NARROW)
        spaces = [self._space(batch, (n, m), dtypes) for _ in range(count)]
        drawn: dict[str, Any] = {key: [space[key] for space in spaces] for key in spaces[0]}
        compute = torch.float64 if torch.float64 in dtypes else torch.float32
        quantity, reach = pick(CHOICES.get(name.split("_")[-1], tuple(QUANTITIES))), pick((True, False))
        if name.endswith("count"):
            quantity = pick(DISTANCES) if reach else MARGIN
        elif count > 1 and quantity not in COMBINED:
            quantity = pick([one for one in COMBINED if one in CHOICES.get(name.split("_")[-1], COMBINED)])
        drawn |= {
            "quantity": QUANTITIES[quantity].code, "swap": pick((True, False)),
            "product": pick((0, 1, 2)), "out": torch.zeros(*batch, n, m, dtype=pick(FLOATS)),
            "upstream": self._normal(*batch, n, m).to(compute),
            "k": self.random.randint(1, 50), "reach": self._uniform(*batch, n).mul(2) if reach else None,
            "target": torch.randint(max(m, 1), (*batch, n), generator=self.generator),
            "margin": pick((None, 0.8)), "gradients": pick((True, False)),
            **self._search(n, m, dtypes), **self._ranking(n, m),
        }  # fmt: skip
        apex = m if drawn["swap"] and "swap" in dict(arguments) else n
        cones = [self._uniform(*batch, apex).mul(1.5) for _ in range(count)]
        drawn["aperture"] = cones if QUANTITIES[quantity].cone or ("quantity", False) not in arguments else []
        if not dict(arguments).get("aperture") and not drawn["aperture"]:
            drawn["aperture"] = [pick((None, cones[0]))]
        drawn |= self._exact(drawn, torch.float64 in dtypes)
        if name == "smallest_among":
            shade = torch.ops.hiergeo_native.shadow
            points = zip(drawn["uy"], drawn["ry"], drawn["curvature"], strict=True)
            drawn["rows"], drawn["numbers"] = map(list, zip(*(shade(*point) for point in points), strict=True))
        if "contrast" in name:
            drawn |= self._contrast(batch, n, m)
        one = {
            key: drawn[key] if is_list or not isinstance(drawn[key], list) else drawn[key][0]
            for key, is_list in arguments
        }
        return Call(name, one)

    def _exact(self, drawn: dict[str, Any], wide: bool) -> dict[str, Any]:
        """What directions were rounded from, in half of the calls, and these with their lengths."""
        if wide or self.random.random() < 0.5:
            return {"exact": []}
        dtype = self.random.choice(NARROW)
        origins = [self._normal(u.shape[-1]) for u in drawn["ux"]]
        vectors: list[Tensor] = []
        for side in "xy":
            rays, lengths = drawn[f"u{side}"], drawn[f"r{side}"]
            away = [
                normalize(u.double(), dim=-1) * r.double().unsqueeze(-1) for u, r in zip(rays, lengths, strict=True)
            ]
            rounded = [(w + o).to(dtype) for w, o in zip(away, origins, strict=True)]
            exact = [v.double() - o for v, o in zip(rounded, origins, strict=True)]
            drawn[f"u{side}"] = [normalize(w, dim=-1).float() for w in exact]
            drawn[f"r{side}"] = [w.norm(dim=-1) for w in exact]
            vectors += rounded
        return {"exact": [*vectors, *origins]}

    def _contrast(self, batch: tuple[int, ...], n: int, m: int) -> dict[str, Any]:
        """What contrasts take beside points, and numbers that they reduce to."""
        pick = self.random.choice
        labels = [torch.randint(4, (*batch, size), generator=self.generator) for size in (n, m)]
        of_x, of_y = pick((labels, [None, None]))
        return {
            "aperture": [], "quantity": QUANTITIES[pick(DISTANCES)].code, "squared": pick((True, False)),
            "softplus": pick((True, False)), "scale": self._uniform(*batch), "bias": self._uniform(*batch),
            "labels_x": of_x, "labels_y": of_y, "rows": self._uniform(*batch, n), "columns": self._uniform(*batch, m),
            "upstream": [self._uniform(*batch, size) for size in (n, m, n, m)],
        }  # fmt: skip

    def _dtypes(self) -> Dtypes:
        """The dtypes of the directions of x and of y; kernels take none in float64 beside a narrower one."""
        first, second = self.random.choice(FLOATS), self.random.choice(FLOATS)
        mixed = self.random.random() < 0.3 and torch.float64 not in (first, second)
        return first, second if mixed else first

    def _space(self, batch: tuple[int, ...], sizes: tuple[int, int], dtypes: Dtypes) -> dict[str, Any]:
        """The points of one space, and its curvature."""
        k, d = self.random.choice((-4.0, -1.0, -0.3, 0.0, 0.25, 0.7)), self.random.choice(SIZES)
        (ux, rx), (uy, ry) = (self._points(batch, n, d, k, u) for n, u in zip(sizes, dtypes, strict=True))
        return {"ux": ux, "rx": rx, "uy": uy, "ry": ry, "curvature": k}

    def _search(self, n: int, m: int, dtypes: Dtypes) -> dict[str, Any]:
        """The operands of ladders."""
        pick, d = self.random.choice, self.random.choice(SIZES)
        candidates = self._normal(m, d).to(dtypes[1])
        stops = sorted(self.random.randint(0, m) for _ in range(pick((0, 1, 4))))
        order = torch.randperm(m, generator=self.generator)
        norms = torch.linalg.vector_norm(candidates.double(), dim=-1)
        return {
            "queries": self._normal(n, d).to(dtypes[0]), "candidates": candidates, "norms": pick((None, norms)),
            "order": order, "ends": torch.tensor(stops, dtype=torch.int64),
        }  # fmt: skip

    def _ranking(self, n: int, m: int) -> dict[str, Any]:
        """A ranking of positives of n rows and negatives of m, and weights of them."""
        rows = [(2, n)] * (n > 0) + [(0, m)] * (m > 0)
        sides = [self.random.choice(rows) for _ in range(self.random.choice(SIZES) if rows else 0)]
        listed = [4 * self.random.randrange(count) + side + self.random.randint(0, 1) for side, count in sides]
        samples = self.random.choice(SIZES)
        return {
            "items": torch.tensor(listed, dtype=torch.int32), "positive": self._uniform(samples, n),
            "negative": self._uniform(samples, m), "precision": self.random.choice((True, False)), "chance": 0.5,
        }  # fmt: skip

    def _points(self, batch: tuple[int, ...], size: int, d: int, k: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        s = math.sqrt(abs(k)) or 1.0
        direction = 0.6 + self._normal(*batch, size, d)
        if d == 1:
            direction = direction.sign()  # rays of different lengths that coincide are beyond what is promised
        radius = (0.2 + 1.2 * self._uniform(*batch, size)) / s
        return direction.to(dtype), radius * (d > 0)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, dtype=torch.float64)

    def _change(self, call: Call) -> None:
        name = self.random.choice(list(call.operands))
        operand = call.operands[name]
        if isinstance(operand, list) and operand and self.random.random() < 0.7:
            index = self.random.randrange(len(operand))
            changed, kind = self._changed(operand[index])
            changed = [*operand[:index], changed, *operand[index + 1 :]]
        else:
            changed, kind = self._changed(operand)
        if kind:
            call.operands[name] = changed
            call.changes.append(f"{kind} of {name}")

    def _changed(self, operand: object) -> tuple[object, str]:
        """An operand changed in some way, and the name of the way; empty where it does not suit."""
        if isinstance(operand, Tensor):
            if is_huge(operand):
                return operand, ""
            change: Callable[..., Any] = self.random.choice(TENSOR_CHANGES)
        else:
            change = _other_length if isinstance(operand, list) else _other_value
        try:
            return change(self.random, operand), change.__name__.strip("_")
        except (RuntimeError, IndexError, ValueError):  # not every change suits every tensor
            return operand, ""


def _other_length(draw: random.Random, operands: list[Any]) -> list[Any]:
    return draw.choice(([], operands[1:], operands[:1] * 2, [*operands, *operands], operands[::-1]))


def _other_value(draw: random.Random, operand: object) -> object:
    if isinstance(operand, bool):
        return not operand
    if isinstance(operand, float):
        return draw.choice((math.nan, math.inf, -math.inf, 0.0, -2.0))
    if isinstance(operand, int):
        return draw.choice((*range(-1, 7), operand + 1, 1025, 1 << 40, -(1 << 62)))
    return operand


def _size(draw: random.Random, tensor: Tensor) -> Tensor:
    shape = list(tensor.shape)
    dim = draw.randrange(len(shape))
    shape[dim] = draw.choice((0, 1, shape[dim] + 1, max(0, shape[dim] - 1)))
    return tensor.new_zeros(shape)


def _fewer_dimensions(draw: random.Random, tensor: Tensor) -> Tensor:
    return tensor.select(draw.randrange(tensor.ndim), 0)


def _more_dimensions(draw: random.Random, tensor: Tensor) -> Tensor:
    return tensor.unsqueeze(draw.randrange(tensor.ndim + 1))


def _dtype(draw: random.Random, tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        raise ValueError("torch warns where imaginary parts are dropped")
    return tensor.to(draw.choice(DTYPES))


def _column_major(_: random.Random, tensor: Tensor) -> Tensor:
    return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)


def _every_other(draw: random.Random, tensor: Tensor) -> Tensor:
    dim = draw.randrange(tensor.ndim)
    return tensor.repeat_interleave(2, dim)[(slice(None),) * dim + (slice(None, None, 2),)]


def _expanded(draw: random.Random, tensor: Tensor) -> Tensor:
    dim = draw.randrange(tensor.ndim)
    return tensor.narrow(dim, 0, 1).expand(tensor.shape)


def _overlapping(draw: random.Random, tensor: Tensor) -> Tensor:
    return tensor.new_ones(4 * sum(tensor.shape) + 1).as_strided(
        tensor.shape, [draw.choice((0, 1, 2, 3)) for _ in tensor.shape]
    )


def _unaligned(_: random.Random, tensor: Tensor) -> Tensor:
    return torch.nn.functional.pad(tensor, (1, 0))[..., 1:]


def _huge(draw: random.Random, tensor: Tensor) -> Tensor:
    shape = list(tensor.shape)
    dim = draw.randrange(len(shape))
    return tensor.narrow(dim, 0, 1).expand(*shape[:dim], draw.choice((HUGE, 1 << 58)), *shape[dim + 1 :])


def _elsewhere(_: random.Random, tensor: Tensor) -> Tensor:
    return tensor.to("meta")


def _sparse(_: random.Random, tensor: Tensor) -> Tensor:
    return tensor.to_sparse()


def _values(draw: random.Random, tensor: Tensor) -> Tensor:
    changed = tensor.clone()
    changed.view(-1)[draw.randrange(tensor.numel())] = draw.choice(
        (-7, 1 << 40) if tensor.dtype == torch.int64 else (math.nan,)
    )
    return changed


TENSOR_CHANGES: list[Callable[[random.Random, Tensor], Tensor]] = [
    _size, _size, _size, _fewer_dimensions, _more_dimensions, _dtype, _dtype, _column_major, _every_other, _expanded,
    _overlapping, _unaligned, _huge, _elsewhere, _sparse, _values, _values,
]  # fmt: skip
