"""Random calls of every native operator, right and wrong: a program, so that a crash ends it and not the tests.

An operator must return results of the shapes that its operands promise, which agree with the reference, or raise an
error that names an operand: nothing else keeps C++ from reading out of bounds. `fuzz_rules` says independently of the
operators which operands are right. Every call is described in a file before it is made, in case nothing comes back.

    python -m tests.pairwise.fuzz_operators SEED CALLS LOG
"""

import math
import os
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError
from hiergeo._core.polar import Exact, Polar
from hiergeo.pairwise import backend, kernel_info
from hiergeo.pairwise.interface import Factor, LogitTerms
from hiergeo.pairwise.operands import thirds
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from tests.pairwise.fuzz_calls import Call, Fuzzer
from tests.pairwise.fuzz_rules import CODES, SHAPES, weighed

MEMORY = ("allocate memory", "bad_alloc", "API call failed", "overflow", "too large", "invalid argument", "numel")
"""What an error may speak of instead of an operand where sizes are huge."""


def outcome(call: Call) -> tuple[list[Tensor] | None, Exception | None]:
    """The results of a call, and the error that it raised instead."""
    try:
        results = call.operator(*call.operands.values())
    except (HiergeoError, RuntimeError, MemoryError) as error:
        return None, error
    if results is None:
        return [call.operands["out"]], None
    return [results] if isinstance(results, Tensor) else list(results), None


@backend(native=True)
def examine(call: Call) -> str | None:
    """What is wrong with how a call ended, or None."""
    results, error = outcome(call)
    if call.traced:
        return "accepted, though operands are on two devices" if error is None and call.scattered else None
    right = SHAPES[call.name](call.operands)
    if error is not None:
        hollow = any("size of u" in change for change in call.changes)  # directions that lost all but zeros
        if right is not None and not (call.huge or hollow):
            return f"refused, though every operand is right: {error!r}"
        return None if names_an_operand(error, call) else f"the error names no operand: {error!r}"
    if right is None:
        return "accepted, though an operand is wrong"
    shapes = [tuple(result.shape) for result in results or []]
    if any(shape != promised for shape, promised in zip(shapes, right, strict=True) if promised is not None):
        return f"results of the shapes {shapes}, not {right}"
    if call.huge or not call.comparable or (call.changes and call.operands.get("exact")):
        return None  # a point that was changed is not what it was rounded from
    return disagreement(call, [result.clone() for result in results or []])


def names_an_operand(error: Exception, call: Call) -> bool:
    """Whether an error names an operand of a call, or torch knows no such kind of tensor here."""
    if isinstance(error, NotImplementedError):
        return True
    wanted = (*call.operands, "x", "y", "results")
    words = f" {error} ".replace(".", " ").replace(",", " ").replace(":", " ")
    return any(f" {name} " in words for name in wanted) or (call.huge and any(word in words for word in MEMORY))


def disagreement(call: Call, results: Sequence[Tensor]) -> str | None:
    """How results differ from those of the reference; indices may differ where scores tie, and are not compared."""
    for result, wanted in zip(results, referred(call), strict=True):
        if result.shape != wanted.shape and call.name != "members":
            return f"a result of the shape {tuple(result.shape)}, not {tuple(wanted.shape)}"
        if result.is_floating_point() and (error := difference(result, wanted)):
            return error
    return None


def difference(result: Tensor, wanted: Tensor) -> str | None:
    tolerance = 2e-2 if torch.finfo(result.dtype).eps > 1e-5 else 2e-3
    result, wanted = result.double(), wanted.double()
    size = max(1.0, float(wanted.abs().nan_to_num(posinf=1.0).max())) if wanted.numel() else 1.0
    if torch.allclose(result, wanted, rtol=tolerance, atol=tolerance * size, equal_nan=True):
        return None
    return f"differs from the reference by {float((result - wanted).abs().nan_to_num().max()):.3g}"


def referred(call: Call) -> list[Tensor]:
    """What the reference gives for the operands of a native operator."""
    given = dict(call.operands)
    if call.name == "weigh":
        return [weighed(**given)]
    given.pop("product")
    if "quantity" in given:
        given["quantity"] = QUANTITIES[CODES[given["quantity"]]]
    if call.name == "store":
        given["out"] = torch.empty_like(given["out"], memory_format=torch.contiguous_format)
    exact = given.pop("exact", [])
    if isinstance(given.get("ux"), list):
        points, cones = [given.pop(name) for name in ("ux", "rx", "uy", "ry", "curvature")], given.pop("aperture")
        parts = zip(*points, cones or [None] * len(points[0]), strict=True)
        factors = [Factor(Polar(ux, rx), Polar(uy, ry), k, psi) for ux, rx, uy, ry, k, psi in parts]
        if exact:
            vx, vy, origins = thirds(exact)
            factors = [
                factor._replace(x=Exact.of(factor.x, a, o), y=Exact.of(factor.y, b, o))
                for factor, a, b, o in zip(factors, vx, vy, origins, strict=True)
            ]
        given["factors"] = factors
    elif "ux" in given:
        x, y = Polar(given.pop("ux"), given.pop("rx")), Polar(given.pop("uy"), given.pop("ry"))
        given |= (
            {"x": Exact.of(x, exact[0], exact[2]), "y": Exact.of(y, exact[1], exact[2])} if exact else {"x": x, "y": y}
        )
    if call.name.startswith("contrast"):
        nothing = [torch.empty(shape or ()) for shape in SHAPES[call.name](call.operands) or []]
        return contrasted(given) or nothing
    if call.name == "smallest_among":
        del given["rows"], given["numbers"]
    results = getattr(REFERENCE, call.name.removesuffix("_among"))(**given)
    if call.name == "store":
        return [given["out"]]
    if call.name == "backward":
        return [results.ux, results.rx, results.uy, results.ry, results.aperture, results.curvature]
    if call.name == "energy_total":
        total, g = results
        empty = total.new_empty(len(total), 0)
        return [total, *([empty] * 6 if g is None else [g.ux, g.rx, g.uy, g.ry, g.aperture, g.curvature])]
    if call.name == "energy_min":
        return [results[0].nan_to_num(nan=math.inf), results[1]]
    return [results] if isinstance(results, Tensor) else list(results)


def contrasted(given: dict[str, Any]) -> list[Tensor]:
    """The contrast of the reference or its gradients; nothing of no problems."""
    labels = None if given["labels_x"] is None else (given["labels_x"], given["labels_y"])
    reduction = "softplus" if given["softplus"] else "logsumexp"
    terms = LogitTerms(given["scale"], given["bias"], labels, given["squared"], reduction)
    if "factors" in given:
        return list(REFERENCE.contrast(given["factors"], given["quantity"], terms))
    factors = [Factor(given["x"], given["y"], given["curvature"])]
    reduced = [given["rows"], given["columns"]]
    return list(REFERENCE.contrast_backward(factors, QUANTITIES["distance"], terms, reduced, given["upstream"]))


def main(seed: int, calls: int, log: Path) -> int:
    """Makes the calls; the exit status is 0 where all of them ended well."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
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
