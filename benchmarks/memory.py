"""Peak extra memory of an operation: the high-water mark of the resident set of a fresh process.

In a process of its own the inputs are made and the operation runs once on a few rows, so that libraries, thread pools
and code are there. Then the high-water mark is reset and the operation runs once on everything. Extra is the mark less
the resident set before; what remains of it without the outputs and the packed copy of x, N x D float32, is the
temporaries, the packed stretch of y among them.
"""

import gc
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from benchmarks.cases import SCALES, Case, memory_cases
from benchmarks.competitors import Competitor, native
from benchmarks.peers import Missing
from benchmarks.problem import FLOAT, Problem, Shape
from hiergeo._core.errors import UnavailableError

FEW = 8  # points of each side in the call that warms up, if there are as many
GOAL = 64 * 2**20  # bytes that the temporaries of a reduction should stay below


@dataclass(frozen=True)
class Use:
    """Memory of one operation in bytes; `note` says why it is not known.

    Attributes:
        case: name of the case.
        label: name of the competitor.
        shape: N, M and D.
        extra: high-water mark of the resident set while it ran, less the resident set before.
        outputs: what it returned.
        packed: one packed copy of x.
    """

    case: str
    label: str
    shape: Shape
    extra: int | None = None
    outputs: int = 0
    packed: int = 0
    note: str = ""

    @property
    def temporaries(self) -> int | None:
        """What is neither an output nor the packed copy; never below 0, as not every page of those need be resident."""
        return None if self.extra is None else max(0, self.extra - self.outputs - self.packed)


def uses(scale: str, curvature: float) -> Iterator[Use]:
    """The memory of every reduction, each in a fresh process."""
    for case in memory_cases(SCALES[scale]):
        for competitor in native(case):
            yield _in_child(case, competitor.label, scale, curvature)


def _in_child(case: Case, label: str, scale: str, curvature: float) -> Use:
    print(f"memory, {case.name} ({case.shape}): {label}", file=sys.stderr)
    arguments = [sys.executable, "-m", "benchmarks.memory", scale, case.name, label, str(curvature)]
    child = subprocess.run(arguments, capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["the process died"])[-1]
        return Use(case.name, label, case.shape, note=reason)
    return Use(case.name, label, case.shape, **json.loads(child.stdout.splitlines()[-1]))


def main() -> None:
    """The child: measures one case and prints what it found as JSON."""
    scale, name, label, curvature = sys.argv[1:]
    case = next(case for case in memory_cases(SCALES[scale]) if case.name == name)
    competitor = next(competitor for competitor in native(case) if competitor.label == label)
    (problem,) = case.problems(float(curvature))
    try:
        with competitor.at_work():
            extra, outputs = _measured(competitor, problem, case.backward)
    except (Missing, UnavailableError) as reason:
        raise SystemExit(str(reason)) from None
    print(json.dumps({"extra": extra, "outputs": outputs, "packed": FLOAT * problem.shape.n * problem.shape.dim}))


def _measured(competitor: Competitor, problem: Problem, backward: bool) -> tuple[int, int]:
    few = problem.part(FEW, 2 * FEW)
    competitor.prepare(few.leaves if backward else few)()
    run = competitor.prepare(problem)
    gc.collect()
    reset_peak()
    before = resident("VmRSS")
    result = run()
    return resident("VmHWM") - before, size(result)


def reset_peak() -> None:
    """Let the high-water mark of this process begin anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise SystemExit(f"the high-water mark of the resident set cannot be reset here: {error}") from None


def resident(field: str) -> int:
    """Bytes of "VmRSS", the resident set, or "VmHWM", its high-water mark."""
    found = re.search(rf"^{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def size(result: object) -> int:
    """Bytes of all tensors of a result."""
    if isinstance(result, Tensor):
        return result.nbytes
    return sum(size(part) for part in result) if isinstance(result, tuple | list) else 0


def facts(use: Use) -> dict[str, object]:
    """For JSON."""
    return {**asdict(use), "temporaries": use.temporaries}


if __name__ == "__main__":
    main()
