"""What only a GPU gets wrong: streams, graphs, devices."""

import pytest
import torch

from hiergeo import Polar, pairwise
from tests.pairwise.cuda_common import needs_device, needs_kernels, random_points
from tests.pairwise.test_native_cuda import OPERATIONS, operation, same

pytestmark = needs_kernels


@needs_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPERATIONS)
def test_graphs_replay_on_new_input(name: str, dtype: torch.dtype) -> None:
    x, y, other = (random_points(count, 64, seed, dtype) for seed, count in enumerate((150, 260, 150)))
    run = operation(name, x, y, dtype)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    x.direction.copy_(other.direction)
    graph.replay()
    torch.cuda.synchronize()
    assert same(captured, run())


@needs_device
@pytest.mark.parametrize("name", OPERATIONS)
def test_work_is_ordered_on_the_current_stream(name: str) -> None:
    x, y, other = (random_points(count, 64, seed) for seed, count in enumerate((150, 260, 150)))
    run = operation(name, x, y, torch.float32)
    run()
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(200_000_000)
        x.direction.copy_(other.direction)
        late = run()
    torch.cuda.synchronize()
    assert same(late, run())


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_points_of_another_device() -> None:
    x, y = random_points(20, 16, 0), random_points(30, 16, 1)
    a, b = [Polar(*(field.to("cuda:1") for field in side)) for side in (x, y)]
    found = pairwise.exterior_angle(a, b, -0.3)
    assert found.device == torch.device("cuda:1")
    assert torch.equal(found.to("cuda:0"), pairwise.exterior_angle(x, y, -0.3))
    assert torch.cuda.current_device() == 0
