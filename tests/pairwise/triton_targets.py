"""The Triton kernels compiled for GPUs that need not be there, and the registers and instructions that this takes.

`python -m tests.pairwise.triton_targets` prints a table.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from hiergeo.pairwise import epilogues
from hiergeo.pairwise.fused import options

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "sm_120": GPUTarget("cuda", 120, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
    "gfx1100": GPUTarget("hip", "gfx1100", 32),
}
SIGNS = {"K < 0": -1, "K = 0": 0, "K > 0": 1}
TYPES = {"scale": "fp32", "s": "fp32", "near": "fp32", "counts": "*i32", "least_columns": "*i32"}
NUMBERS = ("n", "m", "out_step", "down", "right")
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


class Kernel(NamedTuple):
    """A kernel with its constants; `even` where rows are a multiple of 16 numbers long."""

    title: str
    name: str
    constants: dict[str, int]
    even: bool


class Code(NamedTuple):
    """What a kernel takes on a target: registers a thread, bytes of stack and spills, instructions a pair."""

    registers: int
    memory: int
    instructions: float


def kernels() -> Iterator[Kernel]:
    """Every kernel with every sign and kind; the one of margins is that of energies without its last step."""
    for (sign, k), even in product(SIGNS.items(), (True, False)):
        law = {"SIGN": k, "SWAP": int(not even)}
        yield Kernel(f"angle, {sign}", "law", {**law, "KIND": 0, "CONE": 0}, even)
        yield Kernel(f"energy, {sign}", "law", {**law, "KIND": 0, "CONE": 2}, even)
        yield Kernel(f"distance, {sign}", "law", {**law, "KIND": 1, "CONE": 0}, even)
        for by_curvature, title in enumerate(("weights", "weights, also by K,")):
            weigh = {"SIGN": k, "K": by_curvature}
            yield Kernel(f"{title} of angles, {sign}", "weigh", {**weigh, "KIND": 0}, even)
            yield Kernel(f"{title} of distances, {sign}", "weigh", {**weigh, "KIND": 1}, even)
    for softplus, reduction in enumerate(("logsumexp", "softplus")):
        yield Kernel(f"logits reduced, {reduction}", "reduce_logits", {"SOFTPLUS": softplus}, True)
        yield Kernel(f"weights of logits, {reduction}", "weigh_logits", {"SOFTPLUS": softplus}, True)
    yield Kernel("count", "count", {"AT_MOST": 1}, True)
    yield Kernel("least", "least", {}, True)


def compiled(kernel: Kernel, target: GPUTarget) -> Code:
    """Compile a kernel as `fused.launch` does; addresses are multiples of 16."""
    chosen = options(kernel.name, kernel.constants)
    function: Any = getattr(epilogues, kernel.name)
    constants = dict(kernel.constants)
    signature, hints = {}, {}
    for number, parameter in enumerate(function.params):
        name = parameter.name
        if name in constants:
            signature[name] = "constexpr"
        elif name == "right":
            signature[name], constants[name] = "constexpr", 1
        else:
            signature[name] = "i32" if name in NUMBERS else TYPES.get(name, "*fp32")
            if signature[name][0] == "*" or (kernel.even and name in ("m", "out_step", "down")):
                hints[number,] = [["tt.divisibility", 16]]
    source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=hints)
    code = triton.compile(source, target=target, options=chosen)
    pairs = epilogues.ROWS.value * epilogues.COLUMNS.value / (chosen["num_warps"] * target.warp_size)
    registers, memory, instructions = of_cubin(code.asm["cubin"]) if "cubin" in code.asm else of_amd(code.asm["amdgcn"])
    return Code(registers, memory, instructions / pairs)


def of_cubin(cubin: bytes) -> tuple[int, int, int]:
    """Registers, bytes of stack and local memory, and instructions."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage, listing = (
            subprocess.run([tool(name), *options, file.name], capture_output=True, text=True, check=True).stdout
            for name, options in (("cuobjdump", ["-res-usage"]), ("nvdisasm", ["-c"]))
        )
    facts = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", usage))
    instructions = [line for line in listing.splitlines() if re.match(r"\s+.*;\s*$|\s+/\*[0-9a-f]{4}\*/", line)]
    padding = [line for line in instructions if re.search(r"\bNOP\b", line)]
    return int(facts["REG"]), int(facts["STACK"]) + int(facts["LOCAL"]), len(instructions) - len(padding)


def of_amd(assembly: str) -> tuple[int, int, int]:
    """Vector registers, bytes of scratch memory and spilled registers, and instructions."""
    facts = {name: int(number) for name, number in re.findall(r"^\s+\.(\w+):\s+(\d+)$", assembly, re.MULTILINE)}
    memory = sum(facts[name] for name in ("private_segment_fixed_size", "sgpr_spill_count", "vgpr_spill_count"))
    instructions = re.findall(r"^\s+[sv]_(?!nop|code_end)\w+|^\s+(?:global|buffer|ds|flat)_\w+", assembly, re.MULTILINE)
    return facts["vgpr_count"], memory, len(instructions)


def missing(target: str) -> str | None:
    """Which tool is not there that a target takes; None where all are."""
    if target.startswith("gfx"):
        return None
    absent = [name for name in ("cuobjdump", "nvdisasm") if not shutil.which(tool(name))]
    return f"no {' and no '.join(absent)} beside Triton or on the path" if absent else None


def tool(name: str) -> str:
    """A tool of CUDA, which Triton brings."""
    there = TOOLS / name
    return str(there) if there.exists() else shutil.which(name) or name


def main() -> None:
    """Print a table in Markdown, with the numbers for rows of odd lengths after those for even ones."""
    print("|", " | ".join(("registers, instructions a pair", *TARGETS)), "|")
    print("|---" * (len(TARGETS) + 1) + "|")
    rows: dict[str, list[list[str]]] = {}
    for kernel in kernels():
        codes = [compiled(kernel, target) for target in TARGETS.values()]
        assert not any(code.memory for code in codes), f"{kernel.title}: a stack or spills"
        rows.setdefault(kernel.title, []).append([f"{code.registers}, {code.instructions:.0f}" for code in codes])
    for title, lengths in rows.items():
        print("|", " | ".join((title, *(" / ".join(cell) for cell in zip(*lengths, strict=True)))), "|")


if __name__ == "__main__":
    main()
