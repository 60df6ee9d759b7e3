"""Run the tests of the CUDA kernels: ``python -m tests.pairwise.simt [arguments of pytest]``.

On a GPU if torch has one, and on the emulated machine, which is built first; it needs g++.
"""

import os
import subprocess
import sys

import torch

from build_native import BuildError
from tests.pairwise.simt.build import library

ON_A_GPU = (
    *("tests/pairwise/test_native_cuda.py", "tests/pairwise/test_native_cuda_search.py"),
    *("tests/pairwise/test_native_cuda_contrast.py", "tests/pairwise/test_native_cuda_near.py"),
    *("tests/pairwise/test_native_cuda_device.py", "tests/pairwise/test_cuda_accuracy.py"),
)
EMULATED = (*ON_A_GPU, "tests/pairwise/test_cuda_emulated.py", "tests/pairwise/test_ties.py")


def main(*arguments: str) -> int:
    """Run all, and return the exit code of the first that fails, else 0."""
    codes = [pytest(ON_A_GPU, arguments)] if torch.cuda.is_available() else []
    try:
        kernels = library()
    except BuildError as error:
        print(f"The CUDA kernels are not emulated: {error}.")
    else:
        codes.append(pytest(EMULATED, arguments, HIERGEO_KERNELS=str(kernels), HIERGEO_NATIVE="1"))
    return next(filter(None, codes), 0)


def pytest(tests: tuple[str, ...], arguments: tuple[str, ...], **settings: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *tests, *arguments], env={**os.environ, **settings}
    ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
