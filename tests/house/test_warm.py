"""Forked test programs are what ordinary ones are."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.tools import warm

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not warm.FORKS, reason="processes are ordinary ones here")]


def test_threads_that_start_processes_get_their_own() -> None:
    with ThreadPoolExecutor(2) as pool:
        codes = pool.map(lambda n: warm.run([sys.executable, "-c", f"raise SystemExit({n})"]).returncode, range(20))
        assert list(codes) == list(range(20))


def test_strings_hash_by_the_seed_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import numpy as np; print(hash('hiergeo'), np.random.rand())"]
    found = []
    for seed in ("0", "0", "1"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.append(warm.run(command, text=True).stdout.split())
    assert found[0][0] == found[1][0] != found[2][0]
    assert len({draw for _, draw in found}) == 3


def test_a_new_session_is_refused() -> None:
    with pytest.raises(ValueError, match="plain commands"):
        warm.run([sys.executable, "-c", "pass"], start_new_session=True)
