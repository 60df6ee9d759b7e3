"""Break the CUDA kernels in one place at a time and see that tests notice.

``python -m tests.pairwise.simt.mutants [NAME ...]``

Prints a line per mutant: which check found it. The exit code is 1 if one lives.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.pairwise.simt.build import FOLDER, KERNELS, variant
from tests.pairwise.simt.mutations import IN_TILES, Mutant
from tests.pairwise.simt.mutations_of_contrast import IN_CONTRAST, OF_NEAR_POINTS
from tests.pairwise.simt.mutations_of_operations import IN_OPERATIONS

MUTANTS = (*IN_TILES, *IN_OPERATIONS, *IN_CONTRAST, *OF_NEAR_POINTS)

TESTS = (
    "tests/pairwise/test_native_cuda.py",
    "tests/pairwise/test_native_cuda_search.py",
    "tests/pairwise/test_native_cuda_contrast.py",
    "tests/pairwise/test_native_cuda_near.py",
    "tests/pairwise/test_cuda_emulated.py",
)


@dataclass(frozen=True)
class Verdict:
    """What the tests say of a mutant: the first complaint, or nothing if all pass."""

    mutant: Mutant
    complaint: str

    def __str__(self) -> str:
        return f"caught  {self.mutant.name}: {self.complaint}" if self.complaint else f"LIVES   {self.mutant.name}"


def mutated(mutant: Mutant, folder: Path) -> Path:
    """A copy of the kernels with the mutant in it.

    Raises:
        ValueError: the text that the mutant replaces is not there exactly once.
    """
    tree = shutil.copytree(KERNELS, folder / "csrc")
    path = tree / "cuda" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"'{mutant.name}': {mutant.file} has its text {text.count(mutant.old)} times, not once")
    path.write_text(text.replace(mutant.old, mutant.new))
    return tree


def verdict(mutant: Mutant) -> Verdict:
    """Build the mutant and run the tests that concern it.

    Raises:
        BuildError: it does not compile.
        ValueError: as `mutated`.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        kernels = variant(mutated(mutant, folder), mutant.units, folder / "_kernels.so")
        words = ("-x", "-q", "--tb=short", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "-k", mutant.tests)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *TESTS, *words],
            env={**os.environ, "HIERGEO_KERNELS": str(kernels), "HIERGEO_NATIVE": "1"},
            capture_output=True,
            text=True,
        )
    shutil.rmtree(FOLDER / "objects" / folder, ignore_errors=True)
    if done.returncode == 0:
        return Verdict(mutant, "")
    if done.returncode != 1:
        raise RuntimeError(f"'{mutant.name}': pytest ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return Verdict(mutant, complaint(done.stdout))


def complaint(report: str) -> str:
    """The machine's message, else the failed test."""
    machine = re.search(r"CUDA: (?:block \d+(?:, thread \d+)?:? )?(.+?)(?:: \d+ bytes| \(|, a kernel|$)", report, re.M)
    failed = re.search(r"^FAILED .*::(\S+)", report, re.M)
    test = failed[1] if failed else "?"
    return f"{machine[1]} [{test}]" if machine else f"wrong results [{test}]"


def main(*names: str) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    living = 0
    for mutant in chosen:
        outcome = verdict(mutant)
        living += not outcome.complaint
        print(outcome, flush=True)
    print(f"{len(chosen)} mutants, {living} alive")
    return int(living > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
