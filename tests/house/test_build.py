"""The build: what it makes, what it keeps, and that a missing or failing tool costs the kernels and says so.

Builds run in a copy of the packaging around a few small kernels, so that they take seconds.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

import hiergeo

pytest.importorskip("setuptools", minversion="77", reason="builds here need setuptools: pip install 'hiergeo[test]'")

ROOT = Path(__file__).parents[2]
PACKAGING = (
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "build_backend.py",
    "build_native.py",
    "pyproject.toml",
    "setup.py",
)
LIBRARY = "_kernels.abi3.so"
SETTINGS = ("CXX", "CXXFLAGS", "LDFLAGS", "CUDA_HOME", "HIERGEO_CUDA", "HIERGEO_NATIVE")

NOTHING = {"compiler": "", "simd": [], "cuda": [], "cuda_version": "", "cuda_reason": ""}
NO_CUDA = {"HIERGEO_CUDA": "0"}

KERNELS = {
    "library.cpp": """
        #include <torch/csrc/stable/library.h>
        #include <torch/csrc/stable/ops.h>
        #include "level.h"
        static torch::stable::Tensor same(const torch::stable::Tensor& x) { return torch::stable::clone(x); }
        static int64_t shared() { return avx512::shared(); }
        STABLE_TORCH_LIBRARY(hiergeo_native, m) { m.def("same(Tensor x) -> Tensor"); m.def("shared() -> int"); }
        STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CompositeExplicitAutograd, m) {
          m.impl("same", TORCH_BOX(&same));
          m.impl("shared", TORCH_BOX(&shared));
        }
    """,
    "level.h": """
        #pragma once
        #include <cstdint>
        #if defined(__AVX512BF16__)
        constexpr int64_t OWN = 512;
        #elif defined(__AVX2__)
        constexpr int64_t OWN = 256;
        #else
        constexpr int64_t OWN = 0;
        #endif
        __attribute__((noinline)) inline int64_t level_of_the_linked_copy() { return OWN; }
        namespace baseline { int64_t shared(); }
        namespace avx2 { int64_t shared(); }
        namespace avx512 { int64_t shared(); }
    """,
    "cpu/level_baseline.cpp": """
        #include "../level.h"
        static_assert(OWN == 0);
        int64_t baseline::shared() { return level_of_the_linked_copy(); }
    """,
    "cpu/level_avx2.cpp": """
        #include "../level.h"
        static_assert(OWN == 256);
        int64_t avx2::shared() { return level_of_the_linked_copy(); }
    """,
    "cpu/level_avx512.cpp": """
        #include "../level.h"
        #include "only_512.h"
        static_assert(OWN == 512);
        int64_t avx512::shared() { return level_of_the_linked_copy(); }
    """,
    "cpu/only_512.h": "",
    "cuda/empty.cu": "__global__ void nothing(float* x) { *x = 0; }",
}
"""Kernels for x86-64 that fail to compile with the flags of another level."""

LEVELS = ["baseline", "avx2", "avx512"]
OBJECTS = ROOT / "build" / "native" / "csrc" / "cpu"
CXX = next(filter(shutil.which, ("g++", "clang++", "c++")), "")

needs_compiler = pytest.mark.skipif(
    not CXX or platform.machine() != "x86_64",
    reason="needs a C++ compiler for x86-64",
)
needs_no_ninja = pytest.mark.skipif(
    Path(sys.executable).with_name("ninja").exists(), reason="needs a Python without ninja beside it"
)
needs_binutils = pytest.mark.skipif(not shutil.which("readelf"), reason="needs the GNU binary utilities")
needs_nvcc = pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc on the path")


def packaging(folder: Path) -> Path:
    """A copy of the packaging with small kernels in place of those of hiergeo."""
    for name in (*PACKAGING, "hiergeo/_core/version.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "hiergeo" / "__init__.py").touch()
    for name, text in KERNELS.items():
        (folder / "csrc" / name).parent.mkdir(exist_ok=True)
        (folder / "csrc" / name).write_text(text)
        os.utime(folder / "csrc" / name, (0, 0))  # older than every object, so that those of one build serve others
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return packaging(tmp_path / "project")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The objects of one build of the small kernels, for `--build-temp`."""
    folder = tmp_path_factory.mktemp("built")
    build(packaging(folder / "project"), "--build-temp", folder / "native", **NO_CUDA)
    return folder / "native"


def setup(project: Path, *words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    command = [sys.executable, "setup.py", *map(str, words)]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=120)


def build(project: Path, *words: str | Path, **settings: str) -> dict[str, object]:
    """Builds into out/ and returns what the build wrote down."""
    run = setup(project, "build_ext", "--build-lib", "out", *words, **settings)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((project / "out" / "hiergeo" / "_build.json").read_text())


def refusal(project: Path, **settings: str) -> str:
    """The last line of a build that must fail."""
    run = setup(project, "build_ext", "--build-lib", "out", **settings)
    assert run.returncode != 0
    return run.stderr.splitlines()[-1]


def libraries(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("hiergeo/*.so")}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"CXX": "/bin/false"}, "running the C++ compiler /bin/false failed: exit status 1"),
        ({"HIERGEO_NATIVE": "0"}, "the build ran with HIERGEO_NATIVE=0, as that of the wheel for any platform does"),
        pytest.param(
            {"CXX": str(shutil.which(CXX)), "PATH": "/nowhere"},
            "no ninja was found: pip install ninja",
            marks=[needs_compiler, needs_no_ninja],
        ),
    ],
)
def test_the_package_is_built_without_kernels_and_says_why(project, settings, reason):
    assert build(project, **settings) == {"native": False, "reason": reason, **NOTHING}
    assert libraries(project / "out") == set()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"HIERGEO_NATIVE": "1", "CXX": "/nowhere/c++"},
            "HIERGEO_NATIVE=1, but running the C++ compiler /nowhere/c++ failed: No such file or directory",
        ),
        (
            {"HIERGEO_CUDA": "1", "CXX": "/bin/false"},
            "HIERGEO_CUDA=1, but running the C++ compiler /bin/false failed: exit status 1",
        ),
        (
            {"HIERGEO_CUDA": "1", "HIERGEO_NATIVE": "0"},
            "HIERGEO_CUDA=1 asks for a part of what HIERGEO_NATIVE=0 leaves out",
        ),
        ({"HIERGEO_NATIVE": "yes"}, "HIERGEO_NATIVE=yes means nothing here: set it to 0 or 1, or leave it out"),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_an_error(project, settings, words):
    assert refusal(project, **settings) == f"error: {words}"
    assert not (project / "out").exists()


@pytest.mark.slow
@needs_compiler
def test_kernels_load_and_say_how_they_were_built(project, objects):
    record = build(project, "--build-temp", objects, **NO_CUDA)
    assert re.fullmatch(r"(clang|g)\+\+ \d+\.\d+\.\d+", record.pop("compiler"))
    assert record == {
        "native": True,
        "reason": "",
        "simd": LEVELS,
        "cuda": [],
        "cuda_version": "",
        "cuda_reason": "the build ran with HIERGEO_CUDA=0",
    }
    code = (
        f"import json, torch; torch.ops.load_library('hiergeo/{LIBRARY}')\n"
        "ops = torch.ops.hiergeo_native\n"
        "print(json.dumps([ops.same(torch.ones(2)).tolist(), ops.shared()]))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=project / "out", capture_output=True, text=True, check=True)
    same, shared = json.loads(run.stdout)
    assert same == [1.0, 1.0]
    assert shared == 0, "a copy compiled for AVX-512 serves machines without it"


@pytest.mark.slow
@needs_compiler
def test_only_what_changed_is_compiled_again(project):
    def compiled() -> set[str]:
        before = dict(times)
        times.update({file.name: file.stat().st_mtime_ns for file in project.glob("build/native/csrc/**/*.o")})
        return {name for name in times if times[name] != before.get(name)}

    times: dict[str, int] = {}
    build(project, **NO_CUDA)
    everything = compiled()
    assert everything == {"library.cpp.o", *(f"level_{name}.cpp.o" for name in LEVELS)}
    build(project, **NO_CUDA)
    assert compiled() == set()
    (project / "csrc" / "cpu" / "only_512.h").write_text("// another text")
    build(project, **NO_CUDA)
    assert compiled() == {"level_avx512.cpp.o"}
    build(project, **NO_CUDA, CXXFLAGS="-O0")
    assert compiled() == everything


@pytest.mark.slow
@needs_compiler
def test_a_failure_leaves_no_older_kernels_behind(project, objects):
    build(project, "--inplace", "--build-temp", objects, **NO_CUDA)
    for place in (project, project / "out"):
        assert libraries(place) == {LIBRARY}
    (project / "csrc" / "cpu" / "broken.cpp").write_text("int f() { return nonsense; }")
    record = build(project, "--inplace", "--build-temp", objects, **NO_CUDA)
    assert re.fullmatch(r"compiling failed: csrc/cpu/broken.cpp.*error: .*nonsense.*", record.pop("reason"))
    assert record == {"native": False, **NOTHING}
    for place in (project, project / "out"):
        assert libraries(place) == set()
    assert json.loads((project / "hiergeo" / "_build.json").read_text())["native"] is False


@needs_compiler
@pytest.mark.slow
def test_an_undefined_function_fails_when_linking(project, objects):
    (project / "csrc" / "cpu" / "undefined.cpp").write_text("int missing(); int f() { return missing(); }")
    record = build(project, "--build-temp", objects, **NO_CUDA)
    assert not record["native"]
    assert str(record["reason"]).startswith(f"linking {LIBRARY} failed: ")


@pytest.mark.slow
@needs_compiler
def test_without_a_working_nvcc_there_are_no_cuda_kernels(project, objects, tmp_path):
    nvcc = tmp_path / "cuda" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text("#!/bin/sh\necho nvcc error: this one is broken >&2\nexit 3\n")
    nvcc.chmod(0o755)
    home = str(tmp_path / "cuda")
    record = build(project, "--build-temp", objects, CUDA_HOME=home)
    reason = f"running {nvcc} failed: nvcc error: this one is broken"
    assert (record["native"], record["cuda"], record["cuda_reason"]) == (True, [], reason)
    assert refusal(project, CUDA_HOME=home, HIERGEO_CUDA="1") == f"error: HIERGEO_CUDA=1, but {reason}"


@pytest.mark.slow
@needs_compiler
@needs_nvcc
def test_cuda_kernels_need_neither_a_gpu_nor_a_torch_with_cuda(project, objects):
    record = build(project, "--build-temp", objects, HIERGEO_CUDA="1")
    assert (record["cuda"], record["cuda_reason"]) == (["sm_80", "sm_90", "compute_90"], "")
    assert "spill" in objects.with_name("ptxas.txt").read_text()
    (project / "csrc" / "cuda" / "empty.cu").write_text("nonsense")
    reason = "compiling failed: csrc/cuda/empty.cu(1): error: "
    assert reason in refusal(project, HIERGEO_CUDA="1")
    record = build(project, "--build-temp", objects)
    assert record["native"]
    assert record["cuda"] == []
    unasked = "the torch of the build has no CUDA" if torch.version.cuda is None else reason
    assert str(record["cuda_reason"]).startswith(unasked)


@pytest.mark.slow
@needs_compiler
def test_wheels_carry_the_libraries_and_sdists_the_sources(project, objects):
    run = setup(project, "build_ext", "--inplace", "--build-temp", objects, "sdist", "bdist_wheel", **NO_CUDA)
    assert run.returncode == 0, run.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    assert re.fullmatch(r"hiergeo-\d[\w.]+-cp310-abi3-[a-z]+_\w+\.whl", wheel.name), "the tag is for one Python alone"
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"hiergeo/{LIBRARY}", "hiergeo/_build.json"} <= set(names)
    assert not [name for name in names if name.startswith(("csrc", "build_native"))]
    (sdist,) = (project / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "build_native.py", *(f"csrc/{name}" for name in KERNELS)} <= names
    assert not [name for name in names if name.endswith((".so", "_build.json"))]


def symbols(library: Path) -> set[str]:
    """The names that a library defines for others or asks of others."""
    run = subprocess.run(["nm", "-D", "-C", "-j", library], capture_output=True, text=True, check=True)
    return {re.sub("@.*", "", name) for name in run.stdout.splitlines()}


def stable_functions(target: str) -> set[str]:
    """What torch's stable headers declare for an oldest torch, as the preprocessor leaves them."""
    include = Path(torch.__file__).parent / "include"
    headers = [f"-include{include}/torch/csrc/stable/{name}.h" for name in ("library", "ops")]
    command = [CXX, "-E", "-P", f"-I{include}", f"-DTORCH_TARGET_VERSION={target}", *headers, "-x", "c++", os.devnull]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(re.findall(r"\b(?:aoti_)?torch_\w+(?=\()", run.stdout))


@needs_compiler
@needs_binutils
@pytest.mark.parametrize("of", ["small kernels", "hiergeo"])
def test_the_library_asks_only_for_the_stable_functions_of_torch_2_10(project, objects, of):
    library = Path(hiergeo.__file__).with_name(LIBRARY)
    if of == "small kernels":
        build(project, "--build-temp", objects, **NO_CUDA)
        library = project / "out" / "hiergeo" / LIBRARY
    elif not library.exists():
        pytest.skip("hiergeo is installed without native kernels")
    names = symbols(library)
    used = {name for name in names if re.match("(aoti_)?torch_", name)}
    allowed = stable_functions("0x020a000000000000")
    assert "torch_call_dispatcher" in used
    assert used <= allowed
    assert not [name for name in names if re.search(r"\b(c10|at|torch)::", name)]
    dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert "libtorch_cpu.so" in dynamic
    assert not re.findall("R(?:UN)?PATH|libc10|libcud|libtorch_(?!cpu)", dynamic)


@needs_binutils
def test_simd_levels_share_no_functions():
    """The linker keeps one copy of a function that several objects define: the slowest would serve all levels."""
    files = [OBJECTS / f"level_{name}.cpp.o" for name in LEVELS]
    if not all(file.exists() for file in files):
        pytest.skip("no objects of an earlier build are here")
    shareable = []
    for file in files:
        run = subprocess.run(["nm", "-C", "--defined-only", file], capture_output=True, text=True, check=True)
        shareable.append({line.partition(" W ")[2] for line in run.stdout.splitlines() if " W " in line})
    baseline, avx2, avx512 = shareable
    assert not (baseline & avx2) | (avx2 & avx512) | (avx512 & baseline)
