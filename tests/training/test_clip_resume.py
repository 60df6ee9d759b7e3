"""Trainings that are killed and go on: the weights are those of the same training in one piece, bit for bit."""

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from hiergeo.training.checkpoints import steps
from hiergeo.training.clip import training
from tests.search.serving.port_common import reserved_port
from tests.tools import warm
from tests.training.clip_common import SHORT, grit, same, trained

gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="needs torch.distributed with gloo")

PLAN = """
out = "unnamed"
steps = 14
batch = 8
chunk = 3
every = 2
warmup = 2
space = "product:lorentz:-1?learnablex32,euclidean:x32"
[data]
"""

SCENES = "rows = 40\nheld_out = 8\n"

BOXES = "source = '{0}'\nheld_out = 3\nbuffer = 16\nboxes = 2\n[losses]\nuncha = 1.0\n"


class StopError(Exception):
    """Stands for the end of a process."""


@pytest.mark.slow
@pytest.mark.parametrize("at", ["look", "step"])
def test_an_interrupted_training_goes_on_to_the_same_weights_and_the_same_log(at, tmp_path, monkeypatch):
    """40 rows are 5 batches: it stops within a pass and goes on in it."""
    options = {**SHORT, "steps": 7, "chunk": 3, "precision": "bf16"}
    trained(tmp_path / "whole", **options)
    count = iter(range(100))
    method = {"look": "look", "step": "step"}[at]
    real = getattr(training.ClipRun, method)

    def stopping(self, *arguments):
        if next(count) == {"look": 2, "step": 5}[at]:
            raise StopError
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training.ClipRun, method, stopping)
        with pytest.raises(StopError):
            trained(tmp_path / "cut", **options)
    assert max(steps(tmp_path / "cut" / "checkpoints")) in (2, 4)
    trained(tmp_path / "cut", **options)
    assert same(tmp_path / "whole", tmp_path / "cut")
    assert (tmp_path / "cut" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()


def test_chunks_draw_the_same_at_random_in_both_passes(tmp_path, monkeypatch):
    """A tower with dropout: the gradient of the cached batch is that of the embeddings that the loss saw."""
    seen: list[torch.Tensor] = []
    real = training.ClipRun._embedded

    def dropping(self, inputs, part, step):
        rows = torch.nn.functional.dropout(real(self, inputs, part, step), 0.5)
        seen.append(rows.detach())
        return rows

    monkeypatch.setattr(training.ClipRun, "_embedded", dropping)
    trained(tmp_path / "a", **{**SHORT, "chunk": 4, "steps": 1})
    assert len(seen) == 4
    torch.testing.assert_close(seen[0], seen[2])
    torch.testing.assert_close(seen[1], seen[3])


def transformer(folder: Path) -> str:
    """Make an architecture without statistics of batches known to open_clip; its spec."""
    import open_clip

    vision = {"image_size": 16, "patch_size": 8, "layers": 1, "width": 32, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    path = folder / "small-transformer.json"
    path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(path)
    return "open_clip:small-transformer"


def work(rank: int, count: int, port: int, folder: str, source: str) -> None:
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "127.0.0.1"}
    made = tempfile.mkdtemp()
    changes: dict[str, Any] = {"losses": {"contrastive": 1.0, "entailment": 0.3}}
    if source:
        changes = {"losses": {"hycoclip": 1.0}, "data": {"source": source, "held_out": 3, "buffer": 16}}
    trained(
        Path(folder) / str(count),
        model=transformer(Path(made)),
        fresh=True,
        space="lorentz:-1?learnable",
        temperature=0.2,
        chunk=3,
        **changes,
    )


@pytest.mark.slow
@gloo
@pytest.mark.parametrize("boxes", [False, True])
def test_two_processes_train_as_one_with_the_whole_batch(boxes, tmp_path):
    source = str(grit(tmp_path / "a.tar")) if boxes else ""
    for count in (1, 2):
        with reserved_port() as port:
            warm.ranks(work, count, count, port, str(tmp_path), source)
    one, two = (
        [json.loads(line) for line in (tmp_path / str(count) / "log.jsonl").read_text().splitlines() if "held" in line]
        for count in (1, 2)
    )
    assert len(one) == len(two) == SHORT["steps"]
    for mine, other in zip(one, two, strict=True):
        for name in {*mine} - {"step", "held", "K", "factors", "learning_rate"}:
            assert mine[name] == pytest.approx(other[name], rel=1e-5)
        assert mine["K"] == pytest.approx(other["K"], rel=1e-6)


def ranks(plan: Path, out: Path) -> list[warm.Popen]:
    """Two processes of one training, as torchrun starts them."""
    with reserved_port() as port:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environment |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        command = [sys.executable, "-m", "hiergeo", "train", "clip", str(plan), "--out", str(out)]
        return [
            warm.Popen(command, env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)
        ]


@pytest.mark.slow
@gloo
@pytest.mark.parametrize(("data", "kills"), [(SCENES, (6,)), (BOXES, (2, 6, 10))], ids=("scenes", "boxes"))
def test_two_ranks_killed_at_random_go_on_to_the_same_weights(data, kills, tmp_path):
    """14 steps of 8 are several passes of scenes, and end within the second one of an archive of 57 pairs.

    An archive is read up to the place where they died; scenes are at hand at once, and one death will do.
    """
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN + data.format(grit(tmp_path / "a.tar")))
    assert [process.wait(600) for process in ranks(plan, tmp_path / "whole")] == [0, 0]
    draw = random.Random(0)
    for last in kills:
        pair = ranks(plan, tmp_path / "cut")
        while max(steps(tmp_path / "cut" / "checkpoints"), default=0) < last:
            assert all(process.poll() is None for process in pair)
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.1))
        pair[draw.randrange(2)].send_signal(signal.SIGKILL)
        ends = [process.wait(600) for process in pair]
        assert -signal.SIGKILL in ends
        assert 0 not in ends
    assert [process.wait(600) for process in ranks(plan, tmp_path / "cut")] == [0, 0]
    assert same(tmp_path / "whole", tmp_path / "cut")
