"""Time and memory of the contrast of every pair, forward and backward: ``python -m benchmarks.contrast``.

On one thread, in seconds of the processor. Every way is timed in every round beside `torch.mm` of the same points, and
the least time of each counts: programs beside it make a run longer, never shorter. Memory is the high-water mark of a
child process less what it held before and less the gradients.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks import memory, report
from hiergeo import Space
from hiergeo.losses import contrastive_loss, siglip_loss
from hiergeo.pairwise import kernel_info

TEMPERATURE = 0.07

BIAS = 10.0
"""Of SigLIP, whose logits of distances would else make no pair likely."""

FEW = 64
"""Points of each side in the pass that warms up."""

Step = Callable[[], object]
Formula = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What x, y and a temperature give."""


def by_cosine(x: Tensor, y: Tensor, temperature: Tensor) -> Tensor:
    """The loss of CLIP."""
    return _infonce(normalize(x, dim=-1) @ normalize(y, dim=-1).T / temperature)


def by_distance(x: Tensor, y: Tensor, temperature: Tensor) -> Tensor:
    """The same of distances in `lorentz:-1` by the textbook: tangent vectors lifted to the hyperboloid."""
    (time_x, space_x), (time_y, space_y) = map(_lifted, (x, y))
    cosh = time_x * time_y.T - space_x @ space_y.T
    return _infonce(-cosh.clamp_min(1 + torch.finfo(cosh.dtype).eps).acosh() / temperature)


def _infonce(logits: Tensor) -> Tensor:
    own = torch.arange(len(logits))
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def _lifted(x: Tensor) -> tuple[Tensor, Tensor]:
    r = x.norm(dim=-1, keepdim=True)
    return r.cosh(), x * (r.sinh() / r)


STORED: dict[str, Formula] = {"cosine": by_cosine, "lorentz:-1": by_distance}


class Batch:
    """Random points, as many of images as of texts, that take gradients, and the ways to a loss of all their pairs."""

    def __init__(self, count: int, dim: int) -> None:
        generator = torch.Generator().manual_seed(0)
        sides = (normalize(torch.randn(count, dim, generator=generator), dim=-1) for _ in range(2))
        self.x, self.y = (side.requires_grad_() for side in sides)
        self.temperature = torch.tensor(TEMPERATURE, requires_grad=True)

    def product(self) -> Tensor:
        """What all ratios are to."""
        return torch.mm(self.x.detach(), self.y.detach().T)

    def infonce(self, space: Space) -> None:
        """InfoNCE by distance in a space."""
        self._backward(contrastive_loss(space, self.x, self.y, self.temperature))

    def cosine(self) -> None:
        """InfoNCE of CLIP."""
        self._backward(contrastive_loss(Space("euclidean"), self.x, self.y, self.temperature, by="cosine"))

    def siglip(self, space: Space) -> None:
        """SigLIP by distance in a space."""
        self._backward(siglip_loss(space, self.x, self.y, self.temperature, BIAS))

    def stored(self, loss: Formula) -> None:
        """A loss as it is written down in PyTorch, which stores every pair."""
        self._backward(loss(self.x, self.y, self.temperature))

    def _backward(self, loss: Tensor) -> None:
        torch.autograd.grad(loss, (self.x, self.y, self.temperature))

    def ways(self) -> dict[str, Step]:
        """Each way by its name, the product first."""
        spaces = {name: Space(name) for name in ("lorentz:-1", "euclidean", "sphere:0.25")}
        return {
            "torch.mm": self.product,
            **{f"InfoNCE, {name}": partial(self.infonce, space) for name, space in spaces.items()},
            "InfoNCE, cosine": self.cosine,
            "SigLIP, lorentz:-1": partial(self.siglip, spaces["lorentz:-1"]),
            **{f"InfoNCE, {name}, stored": partial(self.stored, loss) for name, loss in STORED.items()},
            **{
                f"InfoNCE, {name}, compiled": partial(self.stored, torch.compile(loss)) for name, loss in STORED.items()
            },
        }


def seconds(step: Step) -> float:
    """Of the processor."""
    start = time.process_time()
    step()
    return time.process_time() - start


def times(count: int, dim: int, rounds: int) -> dict[str, float]:
    """The least seconds of each way."""
    ways = Batch(count, dim).ways()
    for step in ways.values():
        step()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            found[name].append(seconds(step))
    return {name: min(taken) for name, taken in found.items()}


def extra_memory(count: int, dim: int) -> dict[str, float]:
    """Bytes beyond the points and their gradients, and seconds, of one InfoNCE in a fresh process."""
    arguments = ["--dim", str(dim), "--memory", str(count)]
    child = subprocess.run([sys.executable, "-m", "benchmarks.contrast", *arguments], capture_output=True, text=True)
    if child.returncode:
        raise SystemExit(child.stderr.strip() or "the process that measured memory died")
    found: dict[str, float] = json.loads(child.stdout)
    return found


def print_extra_memory(count: int, dim: int) -> None:
    """What the fresh process does."""
    space = Space("lorentz:-1")
    Batch(FEW, dim).infonce(space)
    batch = Batch(count, dim)
    gc.collect()
    memory.reset_peak()
    before = memory.resident("VmRSS")
    taken = seconds(lambda: batch.infonce(space))
    beyond = memory.resident("VmHWM") - before - batch.x.nbytes - batch.y.nbytes
    print(json.dumps({"bytes": beyond, "seconds": taken}))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contrast", description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=[2048, 4096], help="points of a side, for times")
    parser.add_argument("--large", type=int, nargs="*", default=[8192, 16384, 32768], help="the same, for memory")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    torch.set_num_threads(1)
    if args.memory:
        return print_extra_memory(args.memory, args.dim)
    found = {count: times(count, args.dim, args.rounds) for count in args.counts}
    names = next(iter(found.values()), {})
    rows = [
        (name, *(f"{1e3 * of[name]:,.0f} ms, {of[name] / of['torch.mm']:.2f}" for of in found.values()))
        for name in names
    ]
    heads = ("forward and backward", *(f"N = M = {count:,}: time, ratio" for count in found))
    print(f"{kernel_info()}\n\n{report.table(heads, rows)}\n")
    large = {count: extra_memory(count, args.dim) for count in args.large}
    rows = [
        (f"{n:,}", f"{of['bytes'] / report.MIB:,.0f}", f"{of['seconds']:.2f}", f"{1e9 * of['seconds'] / n**2:.1f}")
        for n, of in large.items()
    ]
    print(report.table(("N = M", "MiB beyond points and gradients", "seconds", "ns a pair"), rows))
    return None


if __name__ == "__main__":
    main()
