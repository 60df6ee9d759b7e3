"""Builds the native kernels, the library `hiergeo/_kernels.abi3.so`.

It uses the stable interface of torch and nothing of Python, so that one wheel serves every version of both. Ninja
compiles, several files at a time and only what has changed; each file has flags of its own.
Every outcome is written to `hiergeo/_build.json`. Where something is missing or fails, the package installs without the
kernels, or without their CUDA part, and the file says why; HIERGEO_NATIVE=1 and HIERGEO_CUDA=1 make that an error.
"""

import importlib.util
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import SetupError

LOG = logging.getLogger(__name__)

SOURCES, KERNELS, RECORD = Path("csrc"), "_kernels.abi3.so", "_build.json"

TORCH_TARGET = (2, 10)
"""The oldest torch that the library runs under; its stable ABI hides whatever is newer."""

COMMON = ("-O3", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
"""For every file. Never -ffast-math: it loses NaN, and linked in, it flushes subnormals to 0 in the whole process."""

DIALECT = ("-std=c++17", f"-DTORCH_TARGET_VERSION=0x{TORCH_TARGET[0]:02x}{TORCH_TARGET[1]:02x}{0:012x}", f"-I{SOURCES}")

SIMD = {
    "baseline": (),
    "avx2": ("-march=x86-64-v3",),
    "avx512": (
        "-march=x86-64-v4",
        "-mprefer-vector-width=512",
        "-mavx512bf16",
        "-mavx512vnni",
        "-mamx-tile",
        "-mamx-int8",
    ),
}
"""Flags of `cpu/*_NAME.cpp`; those with flags are for x86-64, where compilers that know x86-64-v4 know bfloat16,
8-bit products and tiles too.

Files are linked in this order: the linker keeps the first of the copies of an inline function, which runs everywhere.
"""

WHOLE = {"linux": "-Wl,--no-undefined", "macos": "-Wl,-undefined,error"}
STRIPPED = {"linux": ("-Wl,--strip-all",), "macos": ("-Wl,-dead_strip", "-Wl,-x")}
"""What linkers are told: that nothing may be missing, and to keep no names for debuggers."""

CUDA = {
    "sm_80": "arch=compute_80,code=sm_80",
    "sm_90": "arch=compute_90,code=sm_90",
    "compute_90": "arch=compute_90,code=compute_90",
}
"""Machine code for two architectures, and PTX for all newer ones."""

ROUGH = ("--prec-div=false", "--prec-sqrt=false")
"""float32 quotients and roots of CUDA kernels to 2 units in the last place: a tenth of the cost, within the bars."""

DEFAULT_NVCC = "/usr/local/cuda/bin/nvcc"

SKIP = "HIERGEO_CUDA=0 leaves them out"

RULES = """
rule compile
  command = $tool -c $in -o $out -MD -MF $out.d >$out.log 2>&1 || { cat $out.log; exit 1; }
  depfile = $out.d
  deps = gcc
  description = $in
"""
"""What ninja is told of a file that is compiled; what its compiler prints lies beside the object."""


class BuildError(SetupError):
    """What is missing or failed, in a few words."""


class Unit(NamedTuple):
    """A source file, and the command that compiles it."""

    source: Path
    command: Sequence[str]


class Compiler(NamedTuple):
    """A C++ compiler: its command, its name with the version, and whether it makes code for x86-64 and for macOS."""

    command: list[str]
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

    def flags(self, *own: str) -> list[str]:
        """The command for a file of the kernels."""
        return [*self.command, *COMMON, *DIALECT, "-Wall", "-Wno-psabi", *flags_of("CXXFLAGS"), *own]

    def link(self, target: Path, words: Iterable[str | Path]) -> None:
        """Makes the library; the names of what is inside stay only where CXXFLAGS asks for debugging with -g."""
        target.parent.mkdir(parents=True, exist_ok=True)
        LOG.warning("linking %s", target.name)
        system = "macos" if self.macos else "linux"
        strip = () if "-g" in flags_of("CXXFLAGS") else STRIPPED[system]
        last = (WHOLE[system], *flags_of("LDFLAGS"), *strip)
        call([*self.command, "-shared", "-o", str(target), *map(str, words), *last], f"linking {target.name}")


class Nvcc(NamedTuple):
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

    def flags(self, host: Compiler) -> list[str]:
        """The command for a file of the CUDA kernels."""
        compiler = ("-ccbin", *host.command) if len(host.command) == 1 else ()
        code = [word for architecture in CUDA.values() for word in ("-gencode", architecture)]
        last = ("--expt-relaxed-constexpr", "-Xptxas", "-v", "-Xcompiler", ",".join(COMMON), *DIALECT)
        return [self.path, *compiler, *code, "-O3", *ROUGH, *last]


@dataclass(frozen=True)
class Record:
    """The outcome of a build, as `_build.json` keeps it; a reason is empty where the kernels it speaks of are there."""

    native: bool = False
    reason: str = ""
    compiler: str = ""
    simd: list[str] = field(default_factory=list)
    cuda: list[str] = field(default_factory=list)
    cuda_version: str = ""
    cuda_reason: str = ""


class BuildNative(build_ext):
    """`build_ext` with flags by file, objects that are kept, and no kernels where they cannot be built."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_temp = "build/native"

    def run(self) -> None:
        products = self._products()
        remove(products)
        record = self._record()
        if not record.native:
            remove(products)
        products[-1].parent.mkdir(parents=True, exist_ok=True)
        products[-1].write_text(json.dumps(asdict(record), indent=2) + "\n")
        LOG.info("native kernels: %s", record)
        if self.inplace:
            in_place = self._products_in_place()
            remove(in_place)
            for built, place in self.get_output_mapping().items():
                shutil.copy(built, place)

    def get_outputs(self) -> list[str]:
        return [str(product) for product in self._products() if product.exists()]

    def get_output_mapping(self) -> dict[str, str]:
        pairs = zip(self._products(), self._products_in_place(), strict=True) if self.inplace else ()
        return {str(built): str(place) for built, place in pairs if built.exists()}

    def _products(self) -> list[Path]:
        return [Path(self.build_lib, "hiergeo", name) for name in (KERNELS, RECORD)]

    def _products_in_place(self) -> list[Path]:
        package = Path(self.get_finalized_command("build_py").get_package_dir("hiergeo"))
        return [package / product.name for product in self._products()]

    def _record(self) -> Record:
        native, cuda = switch("HIERGEO_NATIVE"), switch("HIERGEO_CUDA")
        if native is False and cuda:
            raise SetupError("HIERGEO_CUDA=1 asks for a part of what HIERGEO_NATIVE=0 leaves out")
        if native is False:
            return Record(reason="the build ran with HIERGEO_NATIVE=0, as that of the wheel for any platform does")
        try:
            return self._built(cuda)
        except BuildError as error:
            if native or cuda:
                raise SetupError(f"{'HIERGEO_CUDA' if cuda else 'HIERGEO_NATIVE'}=1, but {error}") from error
            return Record(reason=str(error))

    def _built(self, cuda: bool | None) -> Record:
        """Compiles and links; CUDA kernels must be there (True), are left out (False) or built if they can be (None).

        Raises:
            BuildError: something is missing or failed; of CUDA only where `cuda` is True.
        """
        if sys.platform == "win32":
            raise BuildError("the kernels are for Linux and macOS")
        compiler = Compiler.find()
        torch = folder_of("torch")
        libraries = (f"-L{torch}/lib", "-ltorch_cpu")
        levels = [name for name, flags in SIMD.items() if compiler.x86_64 or not flags]
        sources = [SOURCES / "library.cpp", *sorted(SOURCES.glob("cpu/*.cpp"))]
        by_level = [(source, name) for name in levels for source in sources if level(source) == name]
        LOG.warning("compiling %d C++ files with %s", len(by_level), compiler.name)
        units = [Unit(source, compiler.flags(*SIMD[name], *headers(torch))) for source, name in by_level]
        objects = self._compiled("", units)
        kernels, _ = self._products()
        record = Record(native=True, compiler=compiler.name, simd=levels)
        try:
            nvcc, cuda_objects = self._cuda(cuda, compiler, headers(torch, "-Xcompiler"))
            compiler.link(kernels, [*cuda_objects, *objects, *libraries, *nvcc.libraries])
            record = replace(record, cuda=list(CUDA), cuda_version=nvcc.version)
        except BuildError as error:
            if cuda:
                raise
            compiler.link(kernels, [*objects, *libraries])
            record = replace(record, cuda_reason=str(error))
        return record

    def _cuda(self, wanted: bool | None, host: Compiler, include: Sequence[str]) -> tuple[Nvcc, list[Path]]:
        """The compiled CUDA kernels; what ptxas said of their registers and spills goes to `ptxas.txt`."""
        sources = sorted(SOURCES.glob("cuda/*.cu"))
        if wanted is False:
            raise BuildError("the build ran with HIERGEO_CUDA=0")
        if not sources:
            raise BuildError("csrc/cuda holds no kernels")
        nvcc = Nvcc.find()
        if wanted is None and not torch_has_cuda():
            raise BuildError("the torch of the build has no CUDA: HIERGEO_CUDA=1 builds the CUDA kernels nevertheless")
        LOG.warning("compiling %d CUDA files with nvcc %s, some minutes of work: %s", len(sources), nvcc.version, SKIP)
        objects = self._compiled("cuda", [Unit(source, [*nvcc.flags(host), *include]) for source in sources])
        report = "".join(Path(f"{name}.log").read_text() for name in objects)
        Path(self.build_temp).with_name("ptxas.txt").write_text(report)
        return nvcc, objects

    def _compiled(self, part: str, units: Sequence[Unit]) -> list[Path]:
        return compiled(units, Path(self.build_temp, part), self.parallel)


class Wheel(bdist_wheel):
    """`bdist_wheel` tagged by what was built: for this platform and CPython from 3.10 on, or for any.

    A CPython without the global lock knows no stable ABI, and gets a wheel of its own version.
    """

    def get_tag(self) -> tuple[str, str, str]:
        built = self.get_finalized_command("build_ext").get_outputs()
        self.root_is_pure = not any(Path(name).name == KERNELS for name in built)
        if self.root_is_pure:
            return "py3", "none", "any"
        python, abi, platform = super().get_tag()
        return (python, abi, platform) if abi.endswith("t") else ("cp310", "abi3", platform)


def compiled(units: Sequence[Unit], folder: Path, jobs: int | None = None) -> list[Path]:
    """The objects of files, in a folder; ninja compiles those whose command or text has changed.

    Args:
        units: the files.
        folder: where objects, their logs and the file `build.ninja` are kept.
        jobs: how many files are compiled at once; None is MAX_JOBS, else one a processor.

    Raises:
        BuildError: there is no ninja, or a compiler fails.
    """
    ninja = shutil.which("ninja", path=os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent))))
    if ninja is None:
        raise BuildError("no ninja was found: pip install ninja")
    objects = [folder / f"{unit.source}.o" for unit in units]
    lines = [f"builddir = {escaped(folder)}", RULES]
    for unit, target in zip(units, objects, strict=True):
        tool = shlex.join(unit.command).replace("$", "$$")
        lines += [f"build {escaped(target)}: compile {escaped(unit.source)}", f"  tool = {tool}"]
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "build.ninja"
    plan.write_text("\n".join(lines) + "\n")
    at_once = str(jobs or os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
    call([ninja, "-f", str(plan), "-j", at_once], "compiling", progress="[")
    for target in objects:
        log = Path(f"{target}.log").read_text()
        if "warning" in log:
            LOG.warning(log)
    return objects


def escaped(path: Path) -> str:
    """A path as ninja reads it."""
    return re.sub(r"([$ :])", r"$\1", str(path))


def compiles() -> bool:
    """Whether a build here has a compiler and may use it."""
    if switch("HIERGEO_NATIVE") is False or sys.platform == "win32":
        return False
    try:
        Compiler.find()
    except BuildError:
        return False
    return True


def torch_has_cuda() -> bool:
    """Whether the torch of the build is one for CUDA, told from its libraries without importing it."""
    return any(Path(folder_of("torch"), "lib").glob("*torch_cuda*"))


def level(source: Path) -> str:
    """The SIMD level that the name of a source file asks for."""
    return next((name for name in SIMD if source.stem.endswith(f"_{name}")), "baseline")


def headers(torch: str, *through: str) -> list[str]:
    """Flags for the headers of torch; `through` goes before a flag for the C++ compiler behind another.

    What is compiled does not say where the headers lay, though messages of torch name the files that they come from.
    """
    return ["-isystem", f"{torch}/include", *through, f"-ffile-prefix-map={torch}/include=include"]


def call(command: Sequence[str], purpose: str, progress: str = "\0") -> str:
    """What a command prints, standard error included; BuildError with its first complaint where it fails.

    Lines that begin with `progress` are shown as they come.
    """
    output, around = "", {**os.environ, "LC_ALL": "C"}
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=around) as done:
            for line in done.stdout or ():
                output += line
                if line.startswith(progress):
                    LOG.warning(line.rstrip())
    except OSError as error:
        raise BuildError(f"{purpose} failed: {error.strerror}") from error
    if done.returncode:
        complaints = [line for line in output.splitlines() if re.search(r"(error|fatal)\s*:|undefined", line)]
        LOG.error(output)
        complaint = (complaints or output.splitlines() or [f"exit status {done.returncode}"])[0]
        raise BuildError(f"{purpose} failed: {complaint}")
    return output


def folder_of(package: str) -> str:
    """Where a package is installed, found without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BuildError(f"{package} is not installed where the build runs")
    return found.submodule_search_locations[0]


def flags_of(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


def switch(name: str) -> bool | None:
    """An environment variable that is 0, 1 or not set."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise SetupError(f"{name}={value} means nothing here: set it to 0 or 1, or leave it out")
    return value == "1" if value else None


def remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
