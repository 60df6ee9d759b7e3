"""Instructions that CUDA kernels execute for every pair, counted in machine code: no GPU is needed.

``python -m benchmarks.sass scores.cubin`` disassembles what ``nvcc -cubin`` made of a file of csrc/cuda with nvdisasm
(of the CUDA toolkit, or NVDISASM) and prints, for every kernel that walks over tiles, the instructions of one turn of
its loop over pairs. Calls are not counted: they are the slow paths of divisions and roots, and pairs near a line.
"""

import argparse
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

KINDS = ("float32", "float64", "bfloat16", "float16", "tf32")
"""The names of `Kind`, in the order of csrc/cuda/side.cuh."""

LINE = re.compile(r"/\*([0-9a-f]+)\*/\s+(.+?)\s*;")
TARGET = re.compile(r"`\((\.L_x_\d+)\)")


@dataclass(frozen=True)
class Instruction:
    """One machine instruction: its text without the address, and the label that it may jump to."""

    text: str
    target: str | None

    @property
    def name(self) -> str:
        """Name with modifiers, without the predicate."""
        words = self.text.split()
        return words[1] if words[0].startswith("@") else words[0]

    @property
    def conditional(self) -> bool:
        """Whether a predicate decides if it is executed, before its name or before the target of a jump."""
        return self.text.startswith("@") or bool(re.search(r"BRA\S* !?U?P\d", self.text))


@dataclass(frozen=True)
class Kernel:
    """The code of a kernel, and the place of every label."""

    name: str
    code: list[Instruction]
    labels: dict[str, int]

    def loops(self) -> Iterator[range]:
        """Loops, from the first instruction to the jump back."""
        for tail, one in enumerate(self.code):
            head = self.labels.get(one.target or "", tail) if one.name == "BRA" else tail
            if head < tail:
                yield range(head, tail + 1)

    def executed(self, loop: range) -> int:
        """Instructions of the longest way through a loop that makes no call."""
        longest = {loop.stop: 0}  # the jump back falls through to it
        for i in reversed(loop):
            one = self.code[i]
            ends = one.name in ("BRA", "EXIT", "RET") and not one.conditional
            ways = [] if ends else [i + 1]
            if one.name == "BRA" and i < (place := self.labels[str(one.target)]) < loop.stop:
                ways.append(place)
            if not one.name.startswith("CALL") and any(way in longest for way in ways):
                longest[i] = 1 + max(longest[way] for way in ways if way in longest)
        return longest.get(loop.start, 0)

    def uses(self, loop: range, name: str) -> bool:
        """Whether a loop has an instruction whose name begins so."""
        return any(self.code[i].name.startswith(name) for i in loop)


def kernels_of(listing: str) -> Iterator[Kernel]:
    """The kernels in what nvdisasm prints."""
    for section in re.split(r"^\.text\.", listing, flags=re.MULTILINE)[1:]:
        name = section.split(":", 1)[0]
        code: list[Instruction] = []
        labels: dict[str, int] = {}
        for line in section.splitlines():
            if label := re.match(r"(\.L_x_\d+):", line):
                labels[label[1]] = len(code)
            elif found := LINE.search(line):
                target = TARGET.search(found[2])
                code.append(Instruction(found[2], target[1] if target else None))
        yield Kernel(name, code, labels)


def title(mangled: str) -> str:
    """A kernel's name with its kind, sign of curvature and further constants."""
    match = re.search(r"_cu_[0-9a-f]{8}\d+([a-z_]+)I(.*)EEv", mangled)
    name, constants = match.groups() if match else (mangled, "")
    kind = re.search(r"4KindE(\d)", constants)
    words = [KINDS[int(kind[1])]] if kind else []
    words += [{"1": "K > 0", "0": "K = 0", "n1": "K < 0"}[sign] for sign in re.findall(r"Li(n?\d)E", constants)[:1]]
    words += [f"law {law}" for law in re.findall(r"3LawE(\d)", constants)]
    words += ["distance" if flag == "1" else "angle" for flag in re.findall(r"Lb(\d)E", constants)]
    words += re.findall(r"(Sum|Minimum)", constants)
    return f"{name}: {', '.join(words)}"


def disassembled(path: str) -> str:
    """What nvdisasm prints of a cubin."""
    command = [os.environ.get("NVDISASM", "nvdisasm"), "-c", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rows(kernels: Sequence[Kernel]) -> Iterator[tuple[str, int]]:
    """Title and count of every loop over pairs: one that votes and divides, and waits for no thread.

    Of loops inside each other the shortest counts. A kernel that chooses between laws has a loop for each, in which the
    longest way combines the factors of a product by the l2 norm.
    """
    for kernel in kernels:
        last = 0
        for loop in sorted(kernel.loops(), key=lambda loop: (loop.stop, len(loop))):
            walk = kernel.uses(loop, "VOTE") and kernel.uses(loop, "LDS") and not kernel.uses(loop, "BAR")
            if walk and loop.start >= last and (count := kernel.executed(loop)):
                last = loop.stop
                yield title(kernel.name), count


def main() -> None:
    """Print one line a kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cubin", nargs="+")
    parser.add_argument("--only", default="", help="print the kernels whose title holds this")
    options = parser.parse_args()
    for path in options.cubin:
        for name, count in sorted(rows(list(kernels_of(disassembled(path))))):
            if options.only in name:
                print(f"{count:5d}  {name}")


if __name__ == "__main__":
    main()
