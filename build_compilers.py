"""The compilers of a build: C++ for Linux and macOS, and nvcc; what they are told, and objects that are kept."""

import hashlib
import importlib.util
import logging
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from setuptools.errors import SetupError

LOG = logging.getLogger(__name__)

SOURCES = Path("csrc")

TORCH_TARGET = (2, 10)
"""The oldest torch that the library runs under; its stable ABI hides whatever is newer."""

COMMON = ("-O3", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
"""For every file. Never -ffast-math: it loses NaN, and linked in, it flushes subnormals to 0 in the whole process."""

DIALECT = ("-std=c++17", f"-DTORCH_TARGET_VERSION=0x{TORCH_TARGET[0]:02x}{TORCH_TARGET[1]:02x}{0:012x}", f"-I{SOURCES}")

LINUX = {
    "library": ("-Wl,--no-undefined",),
    "module": ("-Wl,--no-as-needed",),
    "strip": ("-Wl,--strip-all",),
}
"""What linkers of Linux are told: of the kernels, of the module, and where no names are kept for debuggers.

The module calls nothing of the C library and names it nevertheless: that tells auditwheel which one a wheel is for.
"""

MACOS = {
    "library": ("-Wl,-undefined,error",),
    "module": ("-Wl,-undefined,dynamic_lookup",),
    "strip": ("-Wl,-dead_strip", "-Wl,-x"),
}
"""The same on macOS, where every library says at which path it is looked up: torch_cpu is in the process already."""

CUDA = {
    "sm_80": "arch=compute_80,code=sm_80",
    "sm_90": "arch=compute_90,code=sm_90",
    "compute_90": "arch=compute_90,code=compute_90",
}
"""Machine code for two architectures, and PTX for all newer ones."""

ROUGH = ("--prec-div=false", "--prec-sqrt=false")
"""float32 quotients and roots of CUDA kernels to 2 units in the last place: a tenth of the cost, within the bars."""

DEFAULT_NVCC = "/usr/local/cuda/bin/nvcc"


class BuildError(SetupError):
    """What is missing or failed, in a few words."""


@dataclass(frozen=True)
class Headers:
    """Folders with headers of other packages, and the versions that tell when these have changed.

    What is compiled does not say where the headers lay, though messages of torch name the files that they come from.
    """

    folders: Sequence[str]
    versions: Sequence[str]
    through: Sequence[str] = ()
    """What goes before a flag that is for the C++ compiler behind another."""

    @property
    def flags(self) -> list[str]:
        words = (("-isystem", name, *self.through, f"-ffile-prefix-map={name}=include") for name in self.folders)
        return [word for folder in words for word in folder]


@dataclass(frozen=True)
class Unit:
    """A source file, the command that compiles it, the version of that compiler, and the headers of other packages."""

    source: Path
    command: Sequence[str]
    compiler: str
    headers: Headers

    def compile(self, folder: Path) -> Path:
        """The object of this file in a folder, compiled unless the one there comes from the same command and text."""
        target = folder / f"{self.source}.o"
        key = Path(f"{target}.key")
        if target.exists() and key.exists() and key.read_text() == self._fingerprint(target):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        key.unlink(missing_ok=True)
        paths = ("-c", str(self.source), "-o", str(target), "-MMD", "-MF", f"{target}.d")
        output = call([*self.command, *self.headers.flags, *paths], f"compiling {self.source}")
        Path(f"{target}.log").write_text(output)
        if "warning" in output:
            LOG.warning(output)
        key.write_text(self._fingerprint(target))
        return target

    def _fingerprint(self, target: Path) -> str:
        digest = hashlib.sha256(repr((self.command, self.compiler, self.headers.versions)).encode())
        rule = Path(f"{target}.d").read_text().replace("\\\n", " ")
        for name in rule.partition(": ")[2].split():
            digest.update(Path(name).read_bytes() if Path(name).exists() else b"gone")
        return digest.hexdigest()


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: its command, its name with the version, and whether it makes code for x86-64 and for macOS."""

    command: Sequence[str]
    name: str
    x86_64: bool
    macos: bool

    @classmethod
    def find(cls) -> "Compiler":
        """The compiler named by CXX, else the first of g++, clang++ and c++ on the path."""
        found = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)
        if found is None:
            raise BuildError("no C++ compiler was found: install g++, or set CXX")
        command = shlex.split(found)
        text = call([*command, "-E", "-dM", "-x", "c++", os.devnull], f"running the C++ compiler {found}")
        macros = dict(re.findall(r"#define (\w+) (.*)", text))
        kind, keys = "g++", ("__GNUC__", "__GNUC_MINOR__", "__GNUC_PATCHLEVEL__")
        if "__clang__" in macros:
            kind, keys = "clang++", ("__clang_major__", "__clang_minor__", "__clang_patchlevel__")
        name = f"{kind} {'.'.join(macros.get(key, '?') for key in keys)}"
        return cls(command, name, "__x86_64__" in macros, "__APPLE__" in macros)

    def unit(self, source: Path, headers: Headers, own: Iterable[str] = ()) -> Unit:
        flags = (*COMMON, *DIALECT, "-Wall", "-Wno-psabi", *flags_of("CXXFLAGS"), *own)
        return Unit(source, (*self.command, *flags), self.name, headers)

    def link(self, kind: str, target: Path, objects: Iterable[Path], libraries: Iterable[str] = ()) -> None:
        """Makes a shared library of a kind, "library" or "module".

        The names of what is inside stay only where CXXFLAGS asks for debugging with -g.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        system = MACOS if self.macos else LINUX
        words = [*map(str, objects), *libraries, *system[kind], *flags_of("LDFLAGS")]
        strip = () if "-g" in flags_of("CXXFLAGS") else system["strip"]
        call([*self.command, "-shared", "-o", str(target), *words, *strip], f"linking {target.name}")


@dataclass(frozen=True)
class Nvcc:
    """The CUDA compiler: its path, its version, and what to link with its objects."""

    path: str
    version: str
    libraries: Sequence[str]

    @classmethod
    def find(cls) -> "Nvcc":
        """The nvcc of CUDA_HOME, of the path, or of /usr/local/cuda, in this order."""
        home = os.environ.get("CUDA_HOME", "")
        found = next(filter(None, (shutil.which(name) for name in (f"{home}/bin/nvcc", "nvcc", DEFAULT_NVCC))), None)
        if found is None:
            raise BuildError(f"no nvcc was found in CUDA_HOME, on the path or at {DEFAULT_NVCC}")
        release = re.search(r"release ([\d.]+)", call([found, "--version"], f"running {found}"))
        plan = call([found, "--dryrun", "-x", "cu", os.devnull], f"running {found}")
        folders = re.findall(r'"(-L[^"]+)"', plan)
        runtime = ("-lcudart_static", "-Wl,--exclude-libs,libcudart_static.a", "-ldl", "-lrt", "-lpthread")
        return cls(found, release[1] if release else "unknown", (*folders, *runtime))

    def unit(self, source: Path, host: Compiler, headers: Headers) -> Unit:
        behind = replace(headers, through=("-Xcompiler",))
        compiler = ("-ccbin", *host.command) if len(host.command) == 1 else ()
        code = [word for architecture in CUDA.values() for word in ("-gencode", architecture)]
        flags = ("-O3", *ROUGH, "--expt-relaxed-constexpr", "-Xptxas", "-v", "-Xcompiler", ",".join(COMMON), *DIALECT)
        return Unit(source, (self.path, *compiler, *code, *flags), f"nvcc {self.version} with {host.name}", behind)


def call(command: Sequence[str], purpose: str) -> str:
    """What a command prints, standard error included; BuildError with its first complaint where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    except OSError as error:
        raise BuildError(f"{purpose} failed: {error.strerror}") from error
    output = done.stdout + done.stderr
    if done.returncode:
        complaints = [line for line in output.splitlines() if "error" in line] or output.splitlines()
        LOG.error(output)
        raise BuildError(f"{purpose} failed: {complaints[0] if complaints else f'exit status {done.returncode}'}")
    return output


def folder_of(package: str) -> str:
    """Where a package is installed, found without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BuildError(f"{package} is not installed where the build runs")
    return found.submodule_search_locations[0]


def flags_of(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))
