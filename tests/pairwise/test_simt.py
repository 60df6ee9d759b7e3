"""The emulated machine reports every fault of a kernel, and none in sound kernels (tests/pairwise/simt/faults.cu)."""

import ctypes
import re
from pathlib import Path

import pytest

build = pytest.importorskip("tests.pairwise.simt.build", reason="builds need setuptools: pip install 'hiergeo[test]'")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

SOUND = (
    "nothing",
    "lanes ordered by __syncwarp",
    "atomics",
    "a copy of nothing from beyond a tensor",
    "matrices in order",
)

FAULTS = {
    "diverged lanes": "diverge.*ballot.*ballot",
    "a missing lane": "warp 0 waits at a ballot.* for lanes 8",
    "a lane outside of the mask": "mask leaves out",
    "a shuffle from a lane outside of the mask": "of lane [0-9]+, which the shuffle",
    "two barriers": "different barriers",
    "a barrier that half of the threads skip": "barrier.*threads that are done|wait at the barrier",
    "beyond shared memory": "outside of shared memory: 4 bytes from byte 256",
    "more shared memory than allowed": "50176 bytes of shared memory",
    "shared memory that nobody wrote": "nobody has written",
    "shared memory of the block before": "nobody has written",
    "an index out of bounds": "index 8 is out of the bounds",
    "a read without a barrier": "a race|nobody has written",
    "a write after a read without a barrier": "a race",
    "two writers": "a race: writes what thread",
    "lanes in no order": "a race|nobody has written",
    "warps ordered by __syncwarp": "a race|nobody has written",
    "an atomic beside a plain write": "a race|nobody has written",
    "a copy that nobody awaits": "a copy has not brought",
    "a copy of a group too late": "a copy has not brought",
    "a copy without a barrier": "a race|a copy has not brought|nobody has written",
    "a copy over a copy": "a copy is to land",
    "a write over a copy": "a copy is to land",
    "a copy into a slot in use": "a race|a copy has not brought",
    "a copy from an odd address": "a copy from an address that is not aligned",
    "a copy to an odd address": "a copy to an address that is not aligned",
    "a copy from beyond a tensor": "of no tensor.*from byte 256 of a tensor",
    "an access that is not aligned": "4 bytes that is not aligned",
    "beyond a tensor": "of no tensor.*from byte 256 of a tensor",
    "memory of no tensor": "of no tensor",
    "a write to an operand": "writes to an operand",
    "blocks that share a result": "a race: writes",
    "a block that reads another's result": "a race",
}


@pytest.fixture(scope="module", params=["", "-DSIMT_UCONTEXT"], ids=["own switch", "ucontext"])
def machine(request):
    """Runs a kernel of faults.cu by name and returns what the machine says of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        try:
            path = build.faults(*request.param.split())
        except build.BuildError as error:
            pytest.skip(str(error))
    run = ctypes.CDLL(str(path)).simt_fault
    run.restype = ctypes.c_char_p
    return lambda name: run(name.encode()).decode()


def test_every_fault_is_listed() -> None:
    names = re.findall(r'^    \{"(.+)", fault', (ROOT / "tests/pairwise/simt/faults.cu").read_text(), re.MULTILINE)
    assert sorted(names) == sorted((*SOUND, *FAULTS, "a sum of small terms"))


def reports(machine, name: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the machine says of a kernel under every schedule."""
    found = set()
    for schedule in ("fifo", "lifo", "random"):
        monkeypatch.setenv("SIMT_SCHEDULE", schedule)
        found.add(machine(name))
    return found


@pytest.mark.parametrize("name", SOUND)
def test_sound_kernels_run(name: str, machine, monkeypatch) -> None:
    assert reports(machine, name, monkeypatch) == {""}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_reported(name: str, machine, monkeypatch) -> None:
    assert all(re.search(FAULTS[name], report) for report in reports(machine, name, monkeypatch))


@pytest.mark.parametrize(("model", "bits"), [("exact", 4), ("a100", 0), ("h100", 3)])
def test_tensor_cores_add_as_asked(model: str, bits: int, machine, monkeypatch) -> None:
    """3.75 last bits to add: rounded, cut off term by term, or cut off together."""
    monkeypatch.setenv("SIMT_MMA", model)
    assert f"last bits above 1: {bits}.0" in machine("a sum of small terms")


def test_an_error_names_the_line(machine) -> None:
    assert "faults.cu" in machine("beyond a tensor")
