"""Build the CUDA kernels for the emulated machine: ``python -m tests.simt.build`` prints where the library is.

The library registers the operators for CPU tensors. Objects are kept in build/simt/ and compiled again only where the
command, the compiler or a file that they read has changed.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from build_native import DIALECT, BuildError, Compiler, Headers, Unit, call, folder_of

MACHINE = Path("tests/simt")
KERNELS = Path("csrc")
FOLDER = Path("build/simt")

COMMON = ("-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wno-psabi", f"-I{MACHINE}/include")
ON_X86_64 = ("-mavx2", "-mfma")
"""Fused multiply-adds, as GPUs have."""

CHECKED = ("-fsanitize=thread,bounds", "--param", "tsan-instrument-func-entry-exit=0")
"""Accesses of kernels call the machine, which stands in for the runtimes of both sanitizers."""

ARITHMETIC = ("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
AS_CUDA = ("-x", "c++", "-include", "cuda_runtime.h", "-Wno-unknown-pragmas", "-Wno-sign-compare")


@dataclass(frozen=True)
class Emulation:
    """A build of one tree of kernels; of another tree than `KERNELS` only the files named are compiled.

    Attributes:
        kernels: the folder that takes the place of ``csrc``.
        only: names of files in its folder ``cuda`` to compile; the others come from ``csrc``. All if empty.
    """

    kernels: Path = KERNELS
    only: Sequence[str] = ()

    def build(self, target: Path) -> Path:
        """Compile and link the library, and return its path.

        Raises:
            BuildError: no g++, or it fails.
        """
        compiler = Compiler.find()
        if not compiler.name.startswith("g++"):
            raise BuildError(f"the emulation of the CUDA kernels needs g++, not {compiler.name}")
        torch = folder_of("torch")
        headers = Headers((f"{torch}/include",), (version("torch"),))
        units = list(self._units(compiler, headers))
        jobs = int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
        with ThreadPoolExecutor(jobs) as pool:
            objects = list(pool.map(lambda unit: unit.compile(FOLDER / "objects"), units))
        if not target.exists() or target.stat().st_mtime < max(part.stat().st_mtime for part in objects):
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_name(f"{target.name}.{os.getpid()}")
            libraries = (f"-L{torch}/lib", "-ltorch_cpu", "-ldl", "-Wl,--no-undefined")
            call([*compiler.command, "-shared", "-o", str(fresh), *map(str, objects), *libraries], "linking")
            fresh.replace(target)
        return target

    def _units(self, compiler: Compiler, headers: Headers) -> Iterable[Unit]:
        plain = (*compiler.command, *COMMON, *(ON_X86_64 if compiler.x86_64 else ()))
        for source in (*sorted(MACHINE.glob("*.cpp")), KERNELS / "library.cpp"):
            yield Unit(source, (*plain, *DIALECT, "-O3"), compiler.name, headers)
        largest_first = sorted((KERNELS / "cuda").glob("*.cu"), key=lambda path: -path.stat().st_size)
        for source in largest_first:
            tree = self.kernels if not self.only or source.name in self.only else KERNELS
            own = (f"-I{tree}", *DIALECT, "-O2", *CHECKED, *ARITHMETIC, *AS_CUDA)
            yield Unit(tree / "cuda" / source.name, (*plain, *own), compiler.name, headers)


def library() -> Path:
    """Build the library of the kernels as they are, and return its absolute path.

    Raises:
        BuildError: no g++, or it fails.
    """
    return Emulation().build(FOLDER / "_kernels.so").resolve()


if __name__ == "__main__":
    try:
        print(library())
    except BuildError as error:
        sys.exit(str(error))
