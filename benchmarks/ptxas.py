"""Registers, spills and shared memory of the CUDA kernels, from what the compiler said: ``python -m benchmarks.ptxas``.

Reads ``build/ptxas.txt``, which every build of the CUDA kernels writes, and prints a Markdown table. A range stands for
the instances of one kernel: signs of curvature, laws, folds.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import table
from benchmarks.sass import KINDS

REPORT = Path("build/ptxas.txt")

ENTRY = re.compile(r"Compiling entry function '(?P<name>\S+)' for '(?P<target>\S+)'")
SPILL = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


@dataclass(frozen=True)
class Kernel:
    """One instance of a kernel on one architecture.

    Attributes:
        name: of the kernel, without its namespace and constants.
        dtype: what it multiplies or computes in; empty where one instance serves all.
        target: the architecture, as "sm_90".
        registers: of a thread.
        spilled: bytes stored and loaded because registers did not suffice.
        shared: bytes of static shared memory.
    """

    name: str
    dtype: str
    target: str
    registers: int
    spilled: int
    shared: int


def kernels_of(report: str) -> Iterator[Kernel]:
    """The kernels in what ptxas said."""
    for part in report.split("ptxas info    : Compiling")[1:]:
        entry, used = ENTRY.search("Compiling" + part), USED.search(part)
        if entry is None or used is None:
            continue
        spill, shared = SPILL.search(part), SHARED.search(part)
        name, dtype = _plain(entry["name"])
        spilled = sum(map(int, spill.groups())) if spill else 0
        yield Kernel(name, dtype, entry["target"], int(used[1]), spilled, int(shared[1]) if shared else 0)


def _plain(mangled: str) -> tuple[str, str]:
    """The name of a kernel and its dtype, from a mangled name."""
    words = re.search(r"_cu_[0-9a-f]{8}(\d+)(\w+)", mangled)
    if words is None:
        return mangled, ""
    name, constants = words[2][: int(words[1])], words[2][int(words[1]) :]
    kind = re.search(r"4KindE(\d)", constants)
    if kind:
        return name, KINDS[int(kind[1])]
    scalar = re.match(r"I\w*?([fd])E", constants)
    return name, {"f": "float32", "d": "float64"}[scalar[1]] if scalar else ""


def rows(kernels: Iterable[Kernel]) -> list[list[str]]:
    """One row for each kernel and dtype."""
    groups: dict[tuple[str, str], list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        groups[kernel.name, kernel.dtype].append(kernel)
    return [
        [
            f"`{name}`",
            dtype or "any",
            str(len(group) // len({one.target for one in group})),
            *(_range(one.registers for one in group if one.target == target) for target in ("sm_80", "sm_90")),
            _range(one.spilled for one in group),
            _range(one.shared for one in group),
        ]
        for (name, dtype), group in sorted(groups.items())
    ]


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return "–" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ptxas", description=__doc__)
    parser.add_argument("report", nargs="?", type=Path, default=REPORT)
    report = parser.parse_args().report
    try:
        found = list(kernels_of(report.read_text(encoding="utf-8")))
    except OSError as error:
        raise SystemExit(f"{report} cannot be read ({error.strerror}): build the CUDA kernels first.") from None
    heads = (
        "kernel",
        "dtype",
        "instances",
        "registers, sm_80",
        "registers, sm_90",
        "spilled bytes",
        "static shared bytes",
    )
    print(table(heads, rows(found)))


if __name__ == "__main__":
    main()
