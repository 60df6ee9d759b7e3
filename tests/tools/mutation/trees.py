"""Copies of the tree, one for each worker, in which mutants meet their tests."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from queue import Queue

import pytest
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_item import MutationSpec, WorkResult

TIMEOUT = 600
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "build", "site", "__pycache__", ".*_cache", ".hypothesis")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - .*)?$", re.MULTILINE)
NONE_RAN = int(pytest.ExitCode.NO_TESTS_COLLECTED)
QUICK = "-x -q --no-header --tb=line --hypothesis-profile=mutants-python -p no:cacheprovider"


def copy(root: Path, tree: Path) -> Path:
    shutil.rmtree(tree, ignore_errors=True)
    return shutil.copytree(root, tree, ignore=NOT_COPIED)


def enter(copies: Queue[Path]) -> None:
    """Make one of the copies the working folder of this process and of what it starts."""
    tree = copies.get()
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)


def killers(result: WorkResult) -> set[str]:
    """The tests that failed with a mutant."""
    return set(FAILED.findall(result.output or ""))


def failing_anyway(tree: Path, results: Iterable[WorkResult]) -> set[str]:
    """The tests that killed a mutant and fail without any: such deaths prove nothing."""
    command = [sys.executable, "-m", "pytest", *QUICK.split()[1:], *sorted(set().union(*map(killers, results)))]
    done = subprocess.run(
        command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests that killed mutants cannot be run again:\n{(done.stdout + done.stderr)[-2000:]}")
    return set(FAILED.findall(done.stdout))


def meet(mutant: MutationSpec, tests: list[str]) -> WorkResult:
    """Run tests against a mutant in the working folder; where there are none it survives."""
    with tempfile.NamedTemporaryFile("w", suffix=".tests", encoding="utf-8") as names:
        names.write("\n".join(tests))
        names.flush()
        command = f"{shlex.quote(sys.executable)} -m pytest {QUICK} @{names.name}"
        tolerant = f'{command} -m "not slow"; code=$?; test $code = {NONE_RAN} || exit $code'
        return mutate_and_test([mutant], shlex.join(["sh", "-c", tolerant]) if tests else "true", TIMEOUT)
