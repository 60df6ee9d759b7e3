"""Two processes with half a batch each train as one with the whole, and only the first of them writes."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from hiergeo._core.errors import InputError
from hiergeo.training import processes as processes_of_training
from hiergeo.training.checkpoints import read
from hiergeo.training.processes import Rank, is_writer, local
from tests.search.serving.port_common import reserved_port
from tests.tools import warm
from tests.training.tower_common import curve, tuned, weights

STEPS: dict[str, Any] = {"steps": 3, "every": 3, "accumulate": 2}

gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")


def work(rank: int, ranks: int, port: int, out: str) -> None:
    """One rank, as torchrun starts it; the others' folder must stay empty."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    written = Path(out) if is_writer() else Path(out).with_name("none")
    if rank:
        written.mkdir()
        (written / "checkpoints").symlink_to(Path(out) / "checkpoints")
    tuned(written, **STEPS)
    if rank:
        assert [path.name for path in written.iterdir()] == ["checkpoints"]


@pytest.mark.slow
@gloo
def test_two_processes_give_the_losses_and_the_gradients_of_one(tmp_path):
    with reserved_port() as port:
        warm.ranks(work, 2, 2, port, str(tmp_path / "two"))
    tuned(tmp_path / "one", **STEPS)
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        assert two[name][0] == pytest.approx(one[name][0], abs=1e-6)
        np.testing.assert_allclose(two[name], one[name], atol=2e-4)
    moments = [read(tmp_path / name / "checkpoints", 3).tensors for name in ("one", "two")]
    names = [name for name in moments[0] if name.startswith("exp_avg/")]
    largest = max(float(moments[0][name].abs().max()) for name in names)
    for name in names:
        torch.testing.assert_close(moments[1][name], moments[0][name], rtol=0, atol=1e-3 * largest)
    assert weights(tmp_path / "one").keys() == weights(tmp_path / "two").keys()


def test_a_batch_that_does_not_part_evenly_is_refused(tmp_path, monkeypatch):
    import accelerate

    monkeypatch.setattr(accelerate.Accelerator, "num_processes", property(lambda self: 3))
    monkeypatch.setattr(processes_of_training, "this_rank", lambda: Rank(0, 3))
    monkeypatch.setattr(processes_of_training, "joined", lambda _: nullcontext())
    with pytest.raises(InputError, match="a batch of 8 chains does not part evenly among 3 processes"):
        tuned(tmp_path / "a")


def test_a_process_runs_on_its_own_gpu_where_only_cuda_is_named(monkeypatch):
    assert (local("cuda"), local("cpu"), is_writer()) == ("cuda", "cpu", True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    assert (local("cuda"), local("cuda:3"), local("cpu"), is_writer()) == ("cuda:1", "cuda:3", "cpu", False)
