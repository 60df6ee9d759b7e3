"""Random calls of every operator, right and wrong: a program, so that a crash ends it and not the tests.

An operator must return results of the shapes that its operands promise, which agree with the reference, or raise an
error that names an operand. `fuzz_rules` says independently of the operators which operands are right. Every call is
described in a file before it is made, in case nothing comes back.

    python tests/fuzz_operators.py SEED CALLS LOG
"""

import math
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fuzz_rules import FLOATS, HUGE, NATIVE_SHAPES, OPERATORS, SHAPES, named_operands
from torch import Tensor

from hiergeo.errors import HiergeoError
from hiergeo.pairwise import kernel_info, ops  # noqa: F401 - registers the operators
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.resolver import REFERENCE
from hiergeo.polar import Polar

SIZES = (0, 1, 2, 3, 5, 8, 17, 40)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16)
MEMORY = ("allocate memory", "bad_alloc", "API call failed", "overflow", "too large", "invalid argument", "numel")
"""What an error may speak of instead of an operand where sizes are huge."""


@dataclass
class Call:
    """One call: the operator, and its operands by name."""

    name: str
    native: bool
    operands: dict[str, Any]
    changes: list[str] = field(default_factory=list)

    @property
    def operator(self) -> Callable[..., Any]:
        return getattr(torch.ops.hiergeo_native if self.native else torch.ops.hiergeo, self.name)

    @property
    def huge(self) -> bool:
        return any(isinstance(o, Tensor) and max(o.shape, default=0) >= HUGE for o in self.operands.values())

    @property
    def traced(self) -> bool:
        """Whether torch only asks for shapes, because some operand has no data."""
        return any(isinstance(o, Tensor) and o.is_meta for o in self.operands.values())

    def __str__(self) -> str:
        parts = (f"{name}={described(operand)}" for name, operand in self.operands.items())
        return f"{self.operator}({', '.join(parts)}) after {self.changes}"


def described(operand: object) -> str:
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
        native, name = self.random.choice(OPERATORS)
        call = Call(name, native, self._operands(native, name))
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2))):
            self._change(call)
        return call

    def _operands(self, native: bool, name: str) -> dict[str, Any]:
        pick = self.random.choice
        n, m, d = pick(SIZES), pick(SIZES), pick(SIZES)
        batch = (pick((0, 1, 2, 3)),) if native else pick(((), (2,), (0,), (2, 1), (1, 3)))
        if name.endswith("members"):
            batch = (1,) if native else ()
        dtype = pick(FLOATS)
        k = pick((-4.0, -1.0, -0.3, 0.0, 0.25, 0.7))
        radii = torch.float64 if native else pick(FLOATS)
        (ux, rx), (uy, ry) = (self._points(batch, size, d, k, dtype, radii) for size in (n, m))
        angles = self._uniform(*batch, n).mul(1.5).to(radii)
        compute = torch.float64 if dtype == torch.float64 else torch.float32
        quantity = pick(range(4)) if native else pick(list(QUANTITIES))
        whole = torch.zeros(*batch, n, m, dtype=pick(FLOATS))
        upstream = self._normal(*batch, n, m).to(compute if native else pick(FLOATS))
        candidates, stops = (
            self._normal(m, d).to(dtype),
            sorted(self.random.randint(0, m) for _ in range(pick((0, 1, 4)))),
        )
        drawn: dict[str, Any] = {
            "ux": ux, "rx": rx, "uy": uy, "ry": ry,
            "curvature": k if native else torch.tensor(k, dtype=pick((torch.float64, torch.float32))),
            "quantity": quantity, "aperture": angles, "product": pick((0, 1, 2)), "out": whole, "upstream": upstream,
            "offset": pick((None, self._uniform(*batch, m).to(radii))), "k": self.random.randint(min(1, m), m),
            "swap": pick((True, False)), "out_dtype": pick((None, *FLOATS)),
            "queries": self._normal(n, d).to(dtype), "candidates": candidates,
            "order": torch.randperm(m, generator=self.generator), "ends": torch.tensor(stops, dtype=torch.int64),
            "radius": self._uniform(m), "thresholds": self._uniform(pick((0, 1, 4))).sort().values,
        }  # fmt: skip
        if name == "backward" and quantity == 2:
            drawn["quantity"] = 3
        if name == "row_backward":
            drawn |= {"uy": ux.flip(-1).clone(), "ry": rx.clone(), "upstream": self._normal(*batch, n)}
        if quantity in (0, 1, "exterior_angle", "distance"):
            drawn["aperture"] = pick((None, angles)) if "quantity" in named_operands(native, name) else angles
        return {operand: drawn[operand] for operand in named_operands(native, name)}

    def _points(
        self, batch: tuple[int, ...], size: int, d: int, k: float, dtype: torch.dtype, radii: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        s = math.sqrt(abs(k)) or 1.0
        direction = 0.6 + self._normal(*batch, size, d)
        if d == 1:
            direction = direction.sign()  # rays of different lengths that coincide are beyond what is promised
        radius = (0.2 + 1.2 * self._uniform(*batch, size)) / s
        return direction.to(dtype), radius.to(radii) * (d > 0)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, dtype=torch.float64)

    def _change(self, call: Call) -> None:
        name = self.random.choice(list(call.operands))
        operand = call.operands[name]
        if isinstance(operand, Tensor) and max(operand.shape, default=0) >= HUGE:
            return
        change = self.random.choice(TENSOR_CHANGES if isinstance(operand, Tensor) else [_other_value])
        try:
            call.operands[name] = change(self.random, operand)
        except (RuntimeError, IndexError, ValueError):  # not every change suits every tensor
            return
        call.changes.append(f"{change.__name__.strip('_')} of {name}")


def _other_value(draw: random.Random, operand: object) -> object:
    if isinstance(operand, bool):
        return not operand
    if isinstance(operand, str):
        return draw.choice(("nonsense", "", "margin"))
    if isinstance(operand, float):
        return draw.choice((math.nan, math.inf, -math.inf, 0.0, -2.0))
    if isinstance(operand, int):
        return draw.choice((-1, 0, operand + 1, 4, 1025, 1 << 40, -(1 << 62)))
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


def outcome(call: Call) -> tuple[list[Tensor] | None, Exception | None]:
    """The results of a call, and the error that it raised instead."""
    try:
        results = call.operator(*call.operands.values())
    except (HiergeoError, RuntimeError, MemoryError) as error:
        return None, error
    if results is None:
        return [call.operands["out"]], None
    return [results] if isinstance(results, Tensor) else list(results), None


def examine(call: Call) -> str | None:
    """What is wrong with how a call ended, or None."""
    os.environ["HIERGEO_NATIVE"] = "1"
    results, error = outcome(call)
    if call.traced:
        return None
    right = (NATIVE_SHAPES if call.native else SHAPES)[call.name](call.operands)
    if error is not None:
        if right is not None and not call.huge:
            return f"refused, though every operand is right: {error!r}"
        wanted = (*call.operands, "x", "y", "results", *(MEMORY if call.huge else ()))
        if isinstance(error, NotImplementedError):  # torch knows no such kind of tensor here
            return None
        words = f" {error} ".replace(".", " ").replace(",", " ").replace(":", " ")
        if not any(f" {name} " in words or (name in MEMORY and name in words) for name in wanted):
            return f"the error names no operand: {error!r}"
        return None
    if right is None:
        return "accepted, though an operand is wrong"
    shapes = [tuple(result.shape) for result in results or []]
    if any(shape != promised for shape, promised in zip(shapes, right, strict=True) if promised is not None):
        return f"results of the shapes {shapes}, not {right}"
    if call.huge or any("values" in change for change in call.changes):
        return None
    return disagreement(call, [result.clone() for result in results or []])


def disagreement(call: Call, results: Sequence[Tensor]) -> str | None:
    """How results differ from those of the reference; indices may differ where scores tie, and are not compared."""
    if call.native:
        expected = referred(call)
    else:
        os.environ["HIERGEO_NATIVE"] = "0"
        expected, error = outcome(call)
        if expected is None:
            return f"the reference refuses it: {error!r}"
    for result, wanted in zip(results, expected, strict=True):
        if not result.is_floating_point():
            if result.shape != wanted.shape and not call.name.endswith("members"):
                return f"integers of the shape {tuple(result.shape)}, not {tuple(wanted.shape)}"
            continue
        tolerance = 2e-2 if torch.finfo(result.dtype).eps > 1e-5 else 2e-3
        size = max(1.0, float(wanted.abs().nan_to_num().max())) if wanted.numel() else 1.0
        if not torch.allclose(result.double(), wanted.double(), rtol=tolerance, atol=tolerance * size, equal_nan=True):
            return f"differs from the reference by {float((result.double() - wanted.double()).abs().max()):.3g}"
    return None


def referred(call: Call) -> list[Tensor]:
    """What the reference gives for the operands of a native operator."""
    given = dict(call.operands)
    given.pop("product")
    if call.name == "ladder":
        return [REFERENCE.ladder(**given)]
    x, y = Polar(given.pop("ux"), given.pop("rx")), Polar(given.pop("uy"), given.pop("ry"))
    if "quantity" in given:
        given["quantity"] = list(QUANTITIES.values())[given["quantity"]]
    if call.name == "store":
        given["out"] = torch.empty_like(given["out"], memory_format=torch.contiguous_format)
    found = getattr(REFERENCE, call.name)(x=x, y=y, **given)
    if call.name == "store":
        return [given["out"]]
    if call.name == "backward":
        return [found.ux, found.rx, found.uy, found.ry, found.aperture, found.curvature]
    if call.name == "energy_min":
        return [found[0].nan_to_num(nan=math.inf), found[1]]
    return [found] if isinstance(found, Tensor) else list(found)


def main(seed: int, calls: int, log: Path) -> int:
    """Makes the calls; the exit status is 0 where all of them ended well."""
    torch.set_num_threads(1)
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    assert "native" in kernel_info()["kernels"], kernel_info()
    fuzzer = Fuzzer(seed)
    for number in range(calls):
        call = fuzzer.call()
        log.write_text(f"seed {seed}, call {number}: {call}\n")
        signal.alarm(60)
        wrong = examine(call)
        signal.alarm(0)
        if wrong is not None:
            print(f"seed {seed}, call {number}: {call}\n{wrong}")
            return 1
    print(f"{calls} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
