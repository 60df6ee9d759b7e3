"""Run the tests of the CUDA kernels: ``python -m tests.simt [arguments of pytest]``.

They run on a GPU where torch has one, else on the emulated machine, which is built first.
"""

import os
import subprocess
import sys

import torch

from build_native import BuildError
from tests.simt.build import library

TESTS = ("tests/test_native_cuda.py", "tests/test_native_cuda_search.py", "tests/test_cuda_accuracy.py")


def environment() -> dict[str, str]:
    """The environment with the emulated library as the kernels.

    Raises:
        BuildError: there is no g++, or it fails.
    """
    return {**os.environ, "HIERGEO_KERNELS": str(library()), "HIERGEO_NATIVE": "1"}


def main(*arguments: str) -> int:
    try:
        env = dict(os.environ) if torch.cuda.is_available() else environment()
    except BuildError as error:
        print(f"The tests of the CUDA kernels are skipped: no GPU, and {error}.")
        return 0
    return subprocess.run([sys.executable, "-m", "pytest", *TESTS, *arguments], env=env).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
