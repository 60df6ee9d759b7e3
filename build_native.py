"""Builds the native kernels: the library `hiergeo/_kernels.abi3.so`, and `hiergeo._C`, which says how it was built.

Both use stable interfaces alone, of torch and of CPython, so that one wheel serves every Python and torch.
Every outcome is written to `hiergeo/_build.json`. Where something is missing or fails, the package installs without the
kernels, or without their CUDA part, and the file says why; HIERGEO_NATIVE=1 and HIERGEO_CUDA=1 make that an error.
"""

import json
import logging
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import SetupError

from build_compilers import (
    CUDA,
    SOURCES,
    TORCH_TARGET,
    BuildError,
    Compiler,
    Headers,
    Nvcc,
    Unit,
    folder_of,
)

LOG = logging.getLogger(__name__)

KERNELS = "_kernels.abi3.so"
RECORD = "_build.json"

PYTHON_TARGET = (3, 10)
"""The oldest Python that `hiergeo._C` loads in; CPython's limited API hides whatever is newer."""

LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")
"""Whether there is a limited API: a CPython without the global lock has none, and takes a module of its own version."""

SIMD = {
    "baseline": (),
    "avx2": ("-march=x86-64-v3",),
    "avx512": ("-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512bf16", "-mavx512vnni"),
}
"""Flags of `cpu/*_NAME.cpp`; those with flags are for x86-64, where compilers that know x86-64-v4 know bfloat16 and
8-bit products too.

Files are linked in this order: the linker keeps the first of the copies of an inline function, which runs everywhere.
"""

SKIP = "HIERGEO_CUDA=0 leaves them out"


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


@dataclass(frozen=True)
class Build:
    """One build of both libraries: where they go, where objects are kept, and how many files are compiled at once."""

    kernels: Path
    module: Path
    objects: Path
    jobs: int

    def run(self, cuda: bool | None) -> Record:
        """Compiles and links.

        Args:
            cuda: whether CUDA kernels have to be there (True), are left out (False) or are built if they can be and the
                torch of the build has CUDA (None).

        Raises:
            BuildError: something is missing or failed; of CUDA only where `cuda` is True.
        """
        if sys.platform == "win32":
            raise BuildError("the kernels are for Linux and macOS")
        compiler = Compiler.find()
        torch = folder_of("torch")
        headers = Headers((f"{torch}/include",), (version("torch"),))
        libraries = (f"-L{torch}/lib", "-ltorch_cpu")
        levels = [name for name, flags in SIMD.items() if compiler.x86_64 or not flags]
        sources = [SOURCES / "library.cpp", *sorted(SOURCES.glob("cpu/*.cpp"))]
        by_level = [(source, name) for name in levels for source in sources if level(source) == name]
        units = [compiler.unit(source, headers, SIMD[name]) for source, name in by_level]
        LOG.warning("compiling %d C++ files with %s", len(units), compiler.name)
        objects = self._compile(units)
        record = Record(native=True, compiler=compiler.name, simd=levels)
        try:
            nvcc, kernels = self._cuda(cuda, compiler, headers)
            compiler.link("library", self.kernels, [*kernels, *objects], [*libraries, *nvcc.libraries])
            record = replace(record, cuda=list(CUDA), cuda_version=nvcc.version)
        except BuildError as error:
            if cuda:
                raise
            compiler.link("library", self.kernels, objects, libraries)
            record = replace(record, cuda_reason=str(error))
        compiler.link("module", self.module, self._compile([information(compiler, record)]))
        return record

    def _cuda(self, wanted: bool | None, host: Compiler, headers: Headers) -> tuple[Nvcc, list[Path]]:
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
        objects = self._compile([nvcc.unit(source, host, headers) for source in sources])
        report = "".join(Path(f"{name}.log").read_text() for name in objects)
        self.objects.with_name("ptxas.txt").write_text(report)
        return nvcc, objects

    def _compile(self, units: Iterable[Unit]) -> list[Path]:
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(lambda unit: unit.compile(self.objects), units))


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
            remove([*in_place, *in_place[-1].parent.glob("_C.*.so")])
            for built, place in self.get_output_mapping().items():
                shutil.copy(built, place)

    def get_outputs(self) -> list[str]:
        return [str(product) for product in self._products() if product.exists()]

    def get_output_mapping(self) -> dict[str, str]:
        pairs = zip(self._products(), self._products_in_place(), strict=True) if self.inplace else ()
        return {str(built): str(place) for built, place in pairs if built.exists()}

    def _products(self) -> list[Path]:
        module = Path(self.build_lib, self.get_ext_filename("hiergeo._C"))
        return [module.with_name(KERNELS), module, module.with_name(RECORD)]

    def _products_in_place(self) -> list[Path]:
        package = Path(self.get_finalized_command("build_py").get_package_dir("hiergeo"))
        return [package / product.name for product in self._products()]

    def _record(self) -> Record:
        native, cuda = switch("HIERGEO_NATIVE"), switch("HIERGEO_CUDA")
        if native is False and cuda:
            raise SetupError("HIERGEO_CUDA=1 asks for a part of what HIERGEO_NATIVE=0 leaves out")
        if native is False:
            return Record(reason="the build ran with HIERGEO_NATIVE=0, as that of the wheel for any platform does")
        kernels, module, _ = self._products()
        jobs = self.parallel or int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
        try:
            return Build(kernels, module, Path(self.build_temp), jobs).run(cuda)
        except BuildError as error:
            if native or cuda:
                raise SetupError(f"{'HIERGEO_CUDA' if cuda else 'HIERGEO_NATIVE'}=1, but {error}") from error
            return Record(reason=str(error))


class Wheel(bdist_wheel):
    """`bdist_wheel` tagged by what was built: for this platform and CPython from 3.10 on, or for any."""

    def get_tag(self) -> tuple[str, str, str]:
        built = self.get_finalized_command("build_ext").get_outputs()
        self.root_is_pure = not any(Path(name).name == KERNELS for name in built)
        if self.root_is_pure:
            return "py3", "none", "any"
        python, abi, platform = super().get_tag()
        return ("cp{}{}".format(*PYTHON_TARGET), "abi3", platform) if LIMITED else (python, abi, platform)


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


def information(compiler: Compiler, record: Record) -> Unit:
    """The module `hiergeo._C`, told what was built."""
    facts = {
        "COMPILER": record.compiler,
        "SIMD_LEVELS": ",".join(record.simd),
        "CUDA_ARCHITECTURES": ",".join(record.cuda) or "none",
        "CUDA_VERSION": record.cuda_version or "none",
        "TORCH_TARGET": ".".join(map(str, TORCH_TARGET)),
    }
    headers = Headers((sysconfig.get_path("include"),), (sys.version,))
    defines = [f'-DHIERGEO_{key}="{fact}"' for key, fact in facts.items()]
    if LIMITED:
        defines.append("-DPy_LIMITED_API=0x{:02x}{:02x}0000".format(*PYTHON_TARGET))
    return compiler.unit(SOURCES / "build_info.cpp", headers, defines)


def switch(name: str) -> bool | None:
    """An environment variable that is 0, 1 or not set."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise SetupError(f"{name}={value} means nothing here: set it to 0 or 1, or leave it out")
    return value == "1" if value else None


def remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
