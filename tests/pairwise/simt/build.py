"""Build the CUDA kernels for the emulated machine: ``python -m tests.pairwise.simt.build`` prints where the library is.

The library registers the operators for CPU tensors. Objects are kept in build/simt/ and compiled again only where the
command, the compiler or a file that they read has changed.
"""

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from build_native import DIALECT, BuildError, Compiler, Unit, call, compiled, folder_of, headers

MACHINE = Path("tests/pairwise/simt")
KERNELS = Path("csrc")
FOLDER = Path("build/simt")

COMMON = ("-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wno-psabi", f"-I{MACHINE}/include")
ON_X86_64 = ("-mavx2", "-mfma")
"""Fused multiply-adds, as GPUs have."""

CHECKED = ("-fsanitize=thread,bounds", "--param", "tsan-instrument-func-entry-exit=0", "-fno-optimize-sibling-calls")
"""Accesses of kernels call the machine, which stands in for the runtimes of both sanitizers."""

ARITHMETIC = ("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
AS_CUDA = ("-x", "c++", "-include", "cuda_runtime.h", "-Wno-unknown-pragmas", "-Wno-sign-compare")


@dataclass(frozen=True)
class Tools:
    """The compiler, the folder of torch, and where objects are kept."""

    compiler: Compiler
    torch: str
    objects: Path = FOLDER / "objects"

    @classmethod
    def find(cls) -> "Tools":
        """Raise BuildError where there is no g++."""
        compiler = Compiler.find()
        if not compiler.name.startswith("g++"):
            raise BuildError(f"the emulation of the CUDA kernels needs g++, not {compiler.name}")
        return cls(compiler, folder_of("torch"))

    def plain(self, source: Path) -> Unit:
        """A file of the machine or of the host."""
        return self._unit(source, *DIALECT, "-O3")

    def checked(self, source: Path, *flags: str) -> Unit:
        """A file of kernels."""
        return self._unit(source, *flags, *DIALECT, "-O2", *CHECKED, *ARITHMETIC, *AS_CUDA)

    def link(self, units: Sequence[Unit], target: Path) -> Path:
        """Compile what has changed and link it; the target appears whole, under its absolute path."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock():
            objects = compiled(units, self.objects)
            if not target.exists() or target.stat().st_mtime < max(part.stat().st_mtime for part in objects):
                libraries = (f"-L{self.torch}/lib", "-ltorch_cpu", "-ldl", "-Wl,--as-needed", "-Wl,--no-undefined")
                call(
                    [*self.compiler.command, "-shared", "-o", f"{target}.new", *map(str, objects), *libraries],
                    "linking",
                )
                Path(f"{target}.new").replace(target)
        return target.resolve()

    def _unit(self, source: Path, *flags: str) -> Unit:
        fused = ON_X86_64 if self.compiler.x86_64 else ()
        return Unit(source, [*self.compiler.command, *COMMON, *fused, *flags, *headers(self.torch)])


@contextmanager
def lock() -> Iterator[None]:
    """One build at a time, also by several processes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def machine() -> list[Path]:
    return sorted(path for path in MACHINE.glob("*.cpp") if path.stem != "library")


def library() -> Path:
    """Build the operators on emulated kernels, and return the absolute path of their library.

    Raises:
        BuildError: no g++, or it fails.
    """
    return variant(KERNELS, (), FOLDER / "_kernels.so")


def variant(kernels: Path, only: Sequence[str], target: Path) -> Path:
    """Build the operators on other kernels than those of ``csrc``, and return the absolute path of their library.

    Args:
        kernels: a copy of ``csrc``.
        only: names of the files of its folder ``cuda`` to compile; the others come from ``csrc``. All if empty.
        target: where the library goes.

    Raises:
        BuildError: no g++, or it fails.
    """
    tools = Tools.find()
    units = [tools.plain(path) for path in (*machine(), MACHINE / "library.cpp", KERNELS / "library.cpp")]
    for source in sorted(KERNELS.glob("cuda/*.cu"), key=lambda path: -path.stat().st_size):
        tree = kernels if not only or source.name in only else KERNELS
        units.append(tools.checked(tree / "cuda" / source.name, f"-I{tree}"))
    return tools.link(units, target)


def faults(*flags: str) -> Path:
    """Build the machine with the kernels of ``faults.cu``, and return the absolute path of the library.

    Args:
        flags: more flags for the compiler, such as ``-DSIMT_UCONTEXT``.

    Raises:
        BuildError: no g++, or it fails.
    """
    tools = Tools.find()
    if flags:
        compiler = tools.compiler._replace(command=[*tools.compiler.command, *flags])
        tools = Tools(compiler, tools.torch, FOLDER / f"objects{''.join(flags)}")
    target = FOLDER / f"faults{''.join(flags)}.so"
    return tools.link([*map(tools.plain, machine()), tools.checked(MACHINE / "faults.cu")], target)


if __name__ == "__main__":
    try:
        print(library())
    except BuildError as error:
        sys.exit(str(error))
