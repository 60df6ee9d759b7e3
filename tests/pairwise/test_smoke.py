"""Kernels that are wrong, or cannot run, are found before they are used, and the reference serves instead."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Polar, pairwise
from hiergeo._core.errors import UnavailableError
from hiergeo._core.polar import Shadow
from hiergeo.pairwise import native, resolver, smoke
from hiergeo.pairwise.interface import PairBackend
from hiergeo.pairwise.smoke import KernelVerdicts, Sample
from tests.pairwise.native_problems import MISSING, at, levels
from tests.tools.kernel_settings import delenv, setenv

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(MISSING is not None, reason=f"no native kernels: {MISSING}")


@pytest.fixture(autouse=True)
def untested(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which no kernel was tested yet."""
    delenv(monkeypatch, "HIERGEO_NATIVE")
    monkeypatch.setattr(resolver, "VERDICTS", KernelVerdicts())
    monkeypatch.setattr(resolver, "_warned", set())


def angle() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = Polar(torch.randn(4, 5, generator=generator), torch.ones(4))
    return pairwise.exterior_angle(x, x, -0.3)


@needs_kernels
@pytest.mark.parametrize("level", levels())
def test_kernels_pass_at_every_level(level: str) -> None:
    with at(level):
        assert resolver.why_plain("cpu") is None


def test_every_kernel_is_tested() -> None:
    offered = {name for name in vars(PairBackend) if not name.startswith("_")}
    assert set(KERNELS) | {"shadow"} == offered


RESULTS = {
    "backward": 6,
    "members": 2,
    "smallest": 2,
    "nearest_ladder": 2,
    "energy_total": 2,
    "energy_min": 2,
    "ladder": 2,
}
SAMPLE = Sample((4, 5), [(3, -1.0)], torch.float32)
KERNELS = [name for name in SAMPLE.kernels() if name != "shadow"]
FAULTS = [(name, result) for name in KERNELS for result in range(RESULTS.get(name, 1))]


def broken(name: str, result: int) -> Callable[..., Any]:
    """A kernel one of whose results has a wrong number."""
    right = getattr(native, name)

    def wrong(*operands: Any) -> Any:
        found = right(*operands)
        whole = operands[-1] if found is None else found if isinstance(found, Tensor) else found[result]
        for part in () if whole is None else [whole] if isinstance(whole, Tensor) else whole:
            number = part.view(-1)[-1]
            number += 1 if part.dtype == torch.int64 else 0.01 + 0.01 * number.abs()
        return found

    return wrong


@needs_kernels
@pytest.mark.parametrize(("name", "result"), FAULTS)
def test_a_wrong_number_is_found(monkeypatch: pytest.MonkeyPatch, name: str, result: int) -> None:
    monkeypatch.setattr(native, name, broken(name, result))
    reason = resolver.why_plain("cpu")
    assert reason is not None
    assert reason.startswith(f"the smoke test of the kernels failed: {name} (float32) is off by ")


@needs_kernels
def test_a_shadow_of_other_points_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = native.shadow

    def wrong(point: Polar, curvature: float) -> Shadow | None:
        found = right(point, curvature)
        if found is not None:
            found.rows[:] = found.rows.flip(0)
        return found

    if right(Polar(torch.ones(1, 1), torch.ones(1)), 0.0) is None:
        pytest.skip("this processor has no instruction for products of bytes")
    monkeypatch.setattr(native, "shadow", wrong)
    assert "shadow (float32) is off by" in str(resolver.why_plain("cpu"))


@needs_kernels
def test_the_reference_serves_instead_and_one_warning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_NATIVE", "0")
    expected = angle()
    delenv(monkeypatch, "HIERGEO_NATIVE")
    monkeypatch.setattr(native, "count", broken("count", 0))
    with pytest.warns(RuntimeWarning) as caught:
        assert all(torch.equal(angle(), expected) for _ in range(3))
    (warning,) = caught
    assert "computes on cpu in plain PyTorch" in str(warning.message)
    assert "count (float32)" in str(warning.message)
    assert "count (float32)" in pairwise.kernel_info()["kernels"]
    assert pairwise.kernel_info()["kernels"].startswith("plain PyTorch (the smoke test of the kernels failed")


@needs_kernels
def test_an_error_in_a_kernel_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object) -> None:
        raise RuntimeError("illegal instruction\nand more")

    monkeypatch.setattr(native, "store", raising)
    reason = resolver.why_plain("cpu")
    assert reason is not None
    assert "store (float32) raised RuntimeError: illegal instruction;" in reason


@pytest.fixture
def tests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the kernels were tested."""
    made: list[float] = []
    outcomes = smoke._outcomes

    def slow(*arguments: Any) -> Any:
        made.append(time.monotonic())
        time.sleep(0.05)
        return outcomes(*arguments)

    monkeypatch.setattr(smoke, "_outcomes", slow)
    return made


@needs_kernels
def test_once_a_process_and_setting(tests: list[float]) -> None:
    threads = [threading.Thread(target=angle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    angle()
    assert len(tests) == 1
    for level in ("baseline", "baseline"):
        with at(level):
            angle()
    assert len(tests) == (1 if native.simd_level() == "baseline" else 2)


@needs_kernels
def test_modes_of_the_caller_do_not_matter() -> None:
    state = torch.get_rng_state()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.autocast("cpu", torch.bfloat16), torch.inference_mode(), torch.device("meta"):
            assert resolver.why_plain("cpu") is None
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(torch.get_rng_state(), state)
    resolver.VERDICTS = KernelVerdicts()
    x = Polar(torch.randn(3, 4, 5), torch.ones(3, 4))
    mapped = torch.vmap(lambda u, r: pairwise.distance(Polar(u, r), Polar(u, r), -1.0))(*x)
    assert torch.equal(mapped, pairwise.distance(x, x, -1.0))


@needs_kernels
def test_a_check_of_every_level(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, "HIERGEO_SIMD", "baseline")
    checks = pairwise.check_kernels()
    assert os.environ["HIERGEO_SIMD"] == "baseline"
    assert set(checks) == {f"cpu, {level}" for level in levels() if "," not in level}
    for outcomes in checks.values():
        assert {outcome.kernel for outcome in outcomes} == set(SAMPLE.kernels())
        assert {outcome.dtype for outcome in outcomes} >= {"float32", "float64", "bfloat16", "float16"}
        assert all(outcome.passed for outcome in outcomes)


@needs_kernels
def test_the_command_says_what_is_wrong(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resolver, "DTYPES", (torch.float32,))
    code, printed, _ = run("info", "--check", "--json", tmp_path / "right.json")
    assert code == 0
    assert "within their bars." in printed
    assert "more than" not in printed
    monkeypatch.setattr(native, "members", broken("members", 0))
    code, printed, _ = run("info", "--check", "--json", tmp_path / "wrong.json")
    assert code == 1
    assert {line.partition(": ")[2].split()[0] for line in printed.splitlines() if "more than" in line} == {"members"}
    right, wrong = (json.loads((tmp_path / name).read_text()) for name in ("right.json", "wrong.json"))
    assert right["metrics"]["kernels_wrong"] == 0
    assert wrong["metrics"]["kernels_wrong"] == sum(not check["passed"] for check in wrong["checks"]) > 0
    assert right["metrics"]["kernels_checked"] == len(right["checks"])


def test_nothing_is_tested_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda:0")
    monkeypatch.setattr(native, "missing", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(UnavailableError, match=r"cuda:0 .* captured"):
        resolver.resolve(device)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(smoke, "_outcomes", lambda *_: [])
    assert resolver.resolve(device) is resolver.NATIVE
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert resolver.resolve(device) is resolver.NATIVE


@pytest.mark.parametrize(("dtype", "factors"), [(torch.float64, 1), (torch.float32, native.MOST_FACTORS + 1)])
def test_plain_torch_serves_what_the_kernels_of_a_gpu_do_not_take(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, factors: int
) -> None:
    monkeypatch.setattr(native, "missing", lambda _: None)
    monkeypatch.setattr(native, "setting", lambda _: ("any", False))
    monkeypatch.setattr(native, "is_settled", lambda: False)
    monkeypatch.setattr(smoke, "_outcomes", lambda *_: [])
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert resolver.resolve(torch.device("cuda:0"), dtype, factors) is resolver.PORTABLE
    assert resolver.resolve(torch.device("cuda:0"), torch.float32, native.MOST_FACTORS) is resolver.NATIVE
    assert resolver.resolve(CPU, dtype, factors) is resolver.NATIVE
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(UnavailableError, match="CUDA graph"):
        resolver.resolve(torch.device("cuda:0"), dtype, factors)


ARCHITECTURES = "sm_80,sm_90,compute_90"


@pytest.mark.parametrize(
    ("capability", "driver", "reason"),
    [
        ((8, 0), (13, 0), None),
        ((8, 6), (13, 2), None),
        ((9, 0), None, None),
        ((7, 5), (13, 0), "the kernels need compute capability 8.0, and Some GPU has 7.5"),
        ((9, 0), (12, 8), "the kernels need a driver for CUDA 13.0 or newer, and this one is for 12.8"),
        ((9, 0), (13, 0), None),
        ((12, 0), (13, 0), "the kernels need a driver for CUDA 13.1 or newer, and this one is for 13.0"),
        ((12, 0), (13, 1), None),
    ],
)
def test_gpus_and_drivers_that_are_too_old(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], driver: tuple[int, int] | None, reason: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(native, "driver_version", lambda: driver)
    assert native.unfit(0, ARCHITECTURES, "13.1") == reason


def test_a_gpu_that_is_too_old_is_served_by_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def unfit(index: int, *of: object) -> str:
        asked.append(index)
        return f"too old for {of}"

    monkeypatch.setattr(native, "_load", lambda: None)
    monkeypatch.setattr(native, "_has_kernels", lambda _: True)
    monkeypatch.setattr(native, "build_info", lambda: {"cuda": ARCHITECTURES, "cuda_version": "13.0"})
    monkeypatch.setattr(native, "unfit", unfit)
    native._unfit.cache_clear()
    try:
        assert all(resolver.resolve(torch.device("cuda:0")) is resolver.PORTABLE for _ in range(3))
        assert resolver.why_plain("cuda:0") == f"too old for {(ARCHITECTURES, '13.0')}"
        assert asked == [0]
    finally:
        native._unfit.cache_clear()


def test_this_torch_may_be_for_other_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert native.unfit(0, ARCHITECTURES, "13.0") == "the kernels are for CUDA, and this torch is for ROCm"
