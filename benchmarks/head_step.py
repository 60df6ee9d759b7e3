"""One step of training a head with all pairs of the batch as negatives: ``python -m benchmarks.head_step``.

The step embeds a batch of chains by a head of the usual shape, takes the max-margin cone loss over consecutive tiers,
every other child of the tier being a negative, goes backward and lets Adam move the head. It is timed twice over: with
one sweep of hiergeo's kernels over all pairs, and with the N x N energies written down in PyTorch.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks import machine, memory, report, textbook
from benchmarks.timing import seconds
from hiergeo import Lorentz, Space
from hiergeo._core.errors import HiergeoError
from hiergeo.adapters.head import Head, HeadShape
from hiergeo.datasets import data_home
from hiergeo.losses import max_margin_loss
from hiergeo.training import Recipe, from_file
from hiergeo.training.trainer import optimiser

CURVATURE, MARGIN = -1.0, 0.1
TIERS, DIM = 4, 384
SLACK = 1e-6
"""How far the cosines of the eager form keep from 1; without it equal captions in a row make its gradient NaN."""

WARM = 8
"""Chains in the step that warms up."""

FILE = Path("embeddings") / "hierarcaps_train_split_minilm.npz"
"""Where real chains lie in the data home; random ones of the same shape take their place where there are none."""

Loss = Callable[[Tensor, Tensor], Tensor]


def fused(chain: Tensor, root: Tensor) -> Tensor:
    """The loss by one sweep over all pairs: chains (b, T, D) around a root (D,)."""
    parent, child = chain[:, :-1].transpose(0, 1), chain[:, 1:].transpose(0, 1)
    return max_margin_loss(Space(Lorentz(CURVATURE), root), parent, child, MARGIN)


def eager(chain: Tensor, root: Tensor) -> Tensor:
    """The same from every pair's energy, stored."""
    tangent = chain - root
    radius = tangent.norm(dim=-1)
    ray = tangent / radius[..., None]
    other = ~torch.eye(len(chain), dtype=torch.bool)
    terms = []
    for i in range(chain.shape[1] - 1):
        x, y = ((ray[:, tier], radius[:, tier]) for tier in (i, i + 1))
        angle = textbook.exterior_angle(*x, *y, CURVATURE, SLACK)
        energies = torch.relu(angle - textbook.half_aperture(radius[:, i], CURVATURE)[:, None])
        terms.append(energies.diagonal().mean() + torch.relu(MARGIN - energies)[other].mean())
    return torch.stack(terms).mean()


WAYS: dict[str, Loss] = {"fused kernels": fused, "eager PyTorch": eager}


class Step:
    """A head, its optimiser and a batch: calling it trains one step and gives the loss."""

    def __init__(self, loss: Loss, frozen: Tensor, root: Tensor) -> None:
        self.loss, self.frozen, self.root = loss, frozen, root
        self.head = Head(HeadShape(frozen.shape[-1], frozen.shape[-1], Recipe().hidden))
        self.optimiser = optimiser("adam", self.head.parameters(), Recipe().learning_rate)

    def __call__(self) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(self.head(self.frozen), self.head(self.root))
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    @property
    def gradient(self) -> Tensor:
        """What the last step moved the head by, all parameters in one row."""
        return torch.cat([p.grad.flatten() for p in self.head.parameters() if p.grad is not None])


@dataclass(frozen=True)
class Outcome:
    """One way to take the step.

    Attributes:
        way: a key of `WAYS`.
        seconds: median time of a step.
        extra: peak memory of a step in bytes, above what was there before it.
        loss: of the first step.
    """

    way: str
    seconds: float
    processor: float
    extra: int
    loss: float


def batch(chains: int) -> tuple[Tensor, Tensor, str]:
    """Frozen unit chains (chains, TIERS, DIM), the root (DIM,), and where they come from."""
    try:
        stored = from_file(data_home() / FILE, force=True)
        return stored.text[stored.positive[:chains]], stored.root, stored.origin
    except HiergeoError:
        generator = torch.Generator().manual_seed(0)
        rows = normalize(torch.randn(chains * TIERS + 1, DIM, generator=generator), dim=-1)
        return rows[1:].view(chains, TIERS, DIM), rows[0], "random chains"


def measure(chains: int, rounds: int) -> tuple[list[Outcome], dict[str, float], str]:
    """Both ways in every round, one after the other, and how they compare: ratios are of one round, then medians."""
    frozen, root, origin = batch(chains)
    steps = {way: Step(loss, frozen, root) for way, loss in WAYS.items()}
    losses = {way: step() for way, step in steps.items()}
    ours, theirs = (step.gradient for step in steps.values())
    agreement = float((ours - theirs).norm() / theirs.norm())
    walls: dict[str, list[float]] = {way: [] for way in WAYS}
    work: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, step in steps.items():
            began = time.process_time()
            walls[way].append(seconds(step))
            work[way].append(time.process_time() - began)
    outcomes = [
        Outcome(way, median(walls[way]), median(work[way]), extra_memory(way, chains), losses[way]) for way in WAYS
    ]
    quick, slow = outcomes
    metrics = {
        "time_ratio": median(b / a for a, b in zip(*walls.values(), strict=True)),
        "processor_ratio": median(b / a for a, b in zip(*work.values(), strict=True)),
        "memory_ratio": slow.extra / quick.extra,
        "gradient_difference": agreement,
    }
    return outcomes, metrics, origin


def extra_memory(way: str, chains: int) -> int:
    """Peak memory of one step above what was there before it, in a fresh process."""
    arguments = [sys.executable, "-m", "benchmarks.head_step", "--chains", str(chains), "--memory", way]
    child = subprocess.run(arguments, capture_output=True, text=True)
    if child.returncode:
        raise SystemExit(child.stderr.strip() or f"the process that measured the memory of {way} died")
    return int(child.stdout)


def print_extra_memory(way: str, chains: int) -> None:
    """What the fresh process does: a step on a few chains, so that code and pools are there, then one on all."""
    frozen, root, _ = batch(chains)
    Step(WAYS[way], frozen[:WARM], root)()
    step = Step(WAYS[way], frozen, root)
    gc.collect()
    memory.reset_peak()
    before = memory.resident("VmRSS")
    step()
    print(memory.resident("VmHWM") - before)


def to_markdown(outcomes: Sequence[Outcome], metrics: dict[str, float], caption: str) -> str:
    heads = ("step by", "ms", "processor ms", "peak extra memory, MiB", "loss of the first step")
    rows = [
        (o.way, *(f"{1e3 * t:,.0f}" for t in (o.seconds, o.processor)), f"{o.extra / report.MIB:,.0f}", f"{o.loss:.6f}")
        for o in outcomes
    ]
    ratios = (
        f"Eager takes {metrics['time_ratio']:.1f} times as long ({metrics['processor_ratio']:.1f} times the processor "
        f"time) and {metrics['memory_ratio']:.1f} times the memory; "
        f"the gradients of the first step differ by {metrics['gradient_difference']:.1e} of their norm."
    )
    return f"### A head-training step\n\n{caption}\n\n{report.table(heads, rows)}\n\n{ratios}\n"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.head_step", description=__doc__)
    parser.add_argument("--chains", type=int, default=4096, help="chains of the batch (default: 4096)")
    parser.add_argument("--rounds", type=int, default=7, help="how often both are timed (default: 7)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, metavar="DIR", help="write head_step.json and head_step.md there")
    parser.add_argument("--memory", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # for children
    if args.memory:
        print_extra_memory(args.memory, args.chains)
        return
    outcomes, metrics, origin = measure(args.chains, args.rounds)
    settings = {"curvature": CURVATURE, "margin": MARGIN, "chains": args.chains, "rounds": args.rounds, "data": origin}
    results = report.Results(machine.describe(), settings)
    batched = f"{args.chains:,} chains of {TIERS} tiers in {DIM} dimensions ({origin}), medians of {args.rounds} rounds"
    text = to_markdown(outcomes, metrics, f"{batched}.\n{report.caption(results, [])}")
    print(text, end="")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        document = {
            "metrics": metrics,
            "machine": asdict(results.machine),
            "settings": settings,
            "steps": [asdict(o) for o in outcomes],
        }
        (args.out / "head_step.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        (args.out / "head_step.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
