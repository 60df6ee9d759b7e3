"""What only the emulated machine can tell of the CUDA kernels: orders of threads and blocks, repairs, copies, banks."""

import ctypes
import mmap
import os
from collections.abc import Callable

import pytest
import torch

from hiergeo import Polar
from hiergeo.pairwise.interface import Factor
from hiergeo.pairwise.quantity import QUANTITIES
from hiergeo.pairwise.reference import REFERENCE
from hiergeo.pairwise.resolver import NATIVE
from hiergeo.pairwise.smoke import compared, failures, samples
from tests.pairwise.cuda_common import DEVICE, needs_emulation, random_points
from tests.pairwise.native_problems import NARROW, Problem
from tests.pairwise.test_native_agreement import assert_angles
from tests.pairwise.test_native_cuda import OPERATIONS, operation, same

pytestmark = needs_emulation


class Counts(ctypes.Structure):
    """Counted since the library was loaded, thread by thread."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("launches", "blocks", "barriers", "ballots", "shuffles"),
            *("copies", "matrix_loads", "bank_conflicts", "products"),
        )
    ]


def counted(run: Callable[[], object]) -> dict[str, int]:
    """How often each thing happens in a call."""
    statistics = ctypes.CDLL(os.environ["HIERGEO_KERNELS"]).simt_statistics
    statistics.restype = ctypes.POINTER(Counts)

    def now() -> dict[str, int]:
        return {name: getattr(statistics().contents, name) for name, *_ in Counts._fields_}

    before = now()
    run()
    return {name: count - before[name] for name, count in now().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_bits_in_every_order(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of threads and blocks, and with two blocks that take all jobs in loops."""
    run = operation(name, random_points(140, 20, 0, dtype), random_points(300, 20, 1, dtype), dtype)
    monkeypatch.setenv("SIMT_SCHEDULE", "fifo")
    first = run()
    for schedule, blocks in (("lifo", ""), ("random", "2")):
        monkeypatch.setenv("SIMT_SCHEDULE", schedule)
        monkeypatch.setenv("SIMT_BLOCKS", blocks)
        assert same(first, run())


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("dim", [7, 64, 200])
def test_far_pairs_need_no_repair(dtype: torch.dtype, dim: int) -> None:
    """The products alone are right: the warps of a tile exchange nothing, as a repair would."""
    x, y = far_points(140, dim, 0, dtype), far_points(150, dim, 1, dtype)

    def shuffles(rows: int, columns: int) -> int:
        a, b = (Polar(p.direction[:, :n], p.radius[:, :n]) for p, n in ((x, rows), (y, columns)))
        few = Problem(a, b, -0.7)
        return counted(lambda: few.stored(NATIVE, "exterior_angle"))["shuffles"]

    assert shuffles(140, 150) == shuffles(140, 0) + shuffles(0, 150)
    problem = Problem(x, y, -0.7)
    assert_angles(problem.stored(NATIVE, "exterior_angle"), problem.stored(REFERENCE, "exterior_angle"))


def far_points(count: int, dim: int, seed: int, dtype: torch.dtype) -> Polar:
    """Rays in one half of the axes for even seeds and around a middle angle of those for odd ones."""
    generator = torch.Generator().manual_seed(seed)
    direction = 0.2 * torch.randn(1, count, dim, generator=generator)
    axes = torch.arange(dim) % 2 == seed % 2
    direction[..., axes] += torch.randn(1, count, int(axes.sum()), generator=generator).sign()
    radius = 0.2 + torch.rand(1, count, generator=generator, dtype=torch.float64)
    return Polar(direction.to(DEVICE, dtype), radius.to(DEVICE))


@pytest.fixture(params=[False, True], ids=["float32", "tf32"])
def tf32(request):
    torch.backends.cuda.matmul.allow_tf32 = request.param
    yield request.param
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.parametrize("dtype", NARROW)
def test_tensor_cores_read_without_bank_conflicts(dtype: torch.dtype, tf32: bool) -> None:
    problem = Problem(random_points(130, 96, 0, dtype), random_points(140, 96, 1, dtype), -0.7)
    found = counted(lambda: problem.stored(NATIVE, "distance"))
    assert (found["products"] > 0) == (dtype != torch.float32 or tf32)
    assert found["bank_conflicts"] == 0


def test_tf32_rounds_to_nearest() -> None:
    """Euclidean distances by the law of cosines, from products of rows that were rounded before."""
    x, y = far_points(70, 64, 0, torch.float32), far_points(80, 64, 1, torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        found = Problem(x, y, 0.0).stored(NATIVE, "distance")
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    bits = [(side.direction.view(torch.int32) + 0x1000) & ~0x1FFF for side in (x, y)]
    product = bits[0].view(torch.float32).double() @ bits[1].view(torch.float32).double().mT
    nx, ny = x.direction.double().norm(dim=-1)[..., None], y.direction.double().norm(dim=-1)[:, None]
    rx, ry = x.radius[..., None], y.radius[:, None]
    expected = (rx**2 + ry**2 - 2 * rx * ry * product / (nx * ny)).sqrt()
    assert float((found - expected).abs().max()) < 2e-6


def test_each_row_is_copied_once_a_tile() -> None:
    problem = Problem(random_points(256, 64, 0, torch.bfloat16), random_points(384, 64, 1, torch.bfloat16), -0.7)
    copies_of_a_tile = 2 * 128 * 64 * 2 // 16
    assert counted(lambda: problem.stored(NATIVE, "distance"))["copies"] == 2 * 3 * copies_of_a_tile


def test_rows_far_apart() -> None:
    """Rows whose places differ by more than 2^31 numbers and bytes."""
    stride = 1_200_000_000  # in whole words of 16 bytes, so that rows are read where they are
    memory = torch.frombuffer(mmap.mmap(-1, (2 * stride + 8) * 2), dtype=torch.float16)
    rows = random_points(3, 8, 0, torch.float16)
    spread = memory.as_strided((1, 3, 8), (0, stride, 1))
    spread.copy_(rows.direction)
    y = random_points(5, 8, 1, torch.float16)
    one, other = (
        Problem(Polar(direction, rows.radius), y, -0.7).stored(NATIVE, "distance")
        for direction in (rows.direction, spread)
    )
    assert torch.equal(one, other)
    out = memory.as_strided((1, 3, 5), (0, stride, 1))
    NATIVE.store([Factor(rows, y, -0.7)], QUANTITIES["distance"], out)
    assert torch.equal(out, one.half())


def test_a_kernel_error_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMT_MMA", "v100")
    problem = Problem(random_points(3, 8, 0, torch.float16), random_points(3, 8, 1, torch.float16), -0.7)
    with pytest.raises(RuntimeError, match="SIMT_MMA"):
        problem.stored(NATIVE, "distance")


@pytest.mark.parametrize("tf32", [False, True])
def test_the_self_test_of_a_gpu(tf32: bool) -> None:
    """All kernels pass; in 10 bits they are a hundred times as far from the reference."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        outcomes = [out for of in samples(on_cuda=True) for out in compared(NATIVE, of, torch.device(DEVICE), tf32)]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert failures(outcomes) is None
    assert any(out.error > 2e-5 for out in outcomes if out.kernel == "store") == tf32
