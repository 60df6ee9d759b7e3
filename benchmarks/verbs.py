"""What verbs cost as data grows: ``python -m benchmarks.verbs FOLDER --texts 10000 100000 1000000``.

The data are those of `large_probe`: chains of four captions in 384 dimensions, float16, in an embedding file. Each verb
runs at each size in a process of its own, and is told by its seconds on the processor and its resident set at its
highest. Times are read as a + b N^p: a is what starts, b N^p the work, and p the law that larger data follow.
"""

import argparse
import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.commands import Spent, spend
from benchmarks.large_probe import TIERS, make

SIZES = (10_000, 100_000, 1_000_000)
"""Captions by default."""

VERBS = {
    "probe": ("probe", "--model", "{model}", "--split", "expanded"),
    "probe, pairs": ("probe", "--model", "{model}", "--split", "expanded", "--protocol", "pairs"),
    "probe, traversal": ("probe", "--model", "{model}", "--split", "expanded", "--protocol", "traversal"),
    "compare, 3 spaces": (
        *("compare", "--model", "{model}", "--split", "expanded"),
        *("-g", "euclidean", "-g", "lorentz:-1", "-g", "sphere:0.25", "--html", "{folder}/page.html", "--overwrite"),
    ),
    "audit": ("audit", "--model", "{model}", "--split", "train", "-g", "lorentz:-1"),
    "index build": ("index", "build", "{folder}/index", "--model", "{model}", "--embeddings", "{folder}/large.npz"),
    "search, 1 query": ("search", "{folder}/index", "animal 0"),
}
"""Every verb that reads all captions; the search reads the index that is built before it."""


@dataclass(frozen=True)
class Cost:
    """What a verb took at one size.

    Attributes:
        verb: a key of `VERBS`.
        texts: captions.
        processor_seconds: user and system.
        seconds: by the clock.
        peak: bytes of the resident set at its highest.
    """

    verb: str
    texts: int
    processor_seconds: float
    seconds: float
    peak: int


def measured(verb: str, folder: Path) -> Spent:
    """What a verb spends on the data in a folder."""
    if verb == "index build":
        shutil.rmtree(folder / "index", ignore_errors=True)
    words = [word.format(folder=folder, model=f"npz:{folder / 'large.npz'}") for word in VERBS[verb]]
    return spend(words, {"HIERGEO_DATA_HOME": str(folder / "home")})


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """p of a + b N^p through the last three sizes, each as many times larger; NaN where these do not tell it."""
    if len(sizes) < 3 or not values[-1] > values[-2] > values[-3]:
        return math.nan
    return math.log((values[-1] - values[-2]) / (values[-2] - values[-3])) / math.log(sizes[-1] / sizes[-2])


def table(costs: Sequence[Cost]) -> str:
    """Seconds on the processor and GB by size, and the laws that they follow, as Markdown."""
    sizes = sorted({cost.texts for cost in costs})
    head = ["captions", *(f"{size:,}" for size in sizes), "time grows as", "memory as"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for verb in dict.fromkeys(cost.verb for cost in costs):
        own = sorted((cost for cost in costs if cost.verb == verb), key=lambda cost: cost.texts)
        cells = {cost.texts: f"{cost.processor_seconds:.1f} s, {cost.peak / 2**30:.2f} GB" for cost in own}
        counts = [cost.texts for cost in own]
        times, peaks = [cost.processor_seconds for cost in own], [float(cost.peak) for cost in own]
        laws = [exponent(counts, values) for values in (times, peaks)]
        row = [verb, *(cells.get(size, "") for size in sizes)]
        row += ["" if math.isnan(law) else f"N^{law:.2f}" for law in laws]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def draw(costs: Sequence[Cost], path: Path) -> None:
    """Time and memory against captions, on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("processor_seconds", "peak"), strict=True):
        for verb in dict.fromkeys(cost.verb for cost in costs):
            own = [(cost.texts, getattr(cost, name)) for cost in costs if cost.verb == verb]
            axes.loglog(*zip(*own, strict=True), marker="o", label=verb)
        axes.set(xlabel="captions", ylabel={"peak": "bytes at the peak"}.get(name, "seconds on the processor"))
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verbs", description=__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        help="where data are made (2 GB for a million captions) and costs are kept; those there are not taken again",
    )
    parser.add_argument("--texts", type=int, nargs="+", default=SIZES, help="captions, equally many times more each")
    parser.add_argument("--only", action="append", choices=VERBS, help="one of the verbs; may be repeated")
    args = parser.parse_args(words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    kept = args.folder / "verbs.json"
    costs = [Cost(**cost) for cost in json.loads(kept.read_text())] if kept.exists() else []
    for texts in sorted(args.texts):
        place = args.folder / str(texts)
        make(place, texts // TIERS)
        for verb in args.only or VERBS:
            if any((cost.verb, cost.texts) == (verb, texts) for cost in costs):
                continue
            spent = measured(verb, place)
            if spent.code:
                raise SystemExit(f"{verb} at {texts:,} captions ended with {spent.code}: {spent.printed}")
            costs.append(Cost(verb, texts, spent.processor_seconds, spent.seconds, spent.peak))
            print(costs[-1], file=sys.stderr, flush=True)
            kept.write_text(json.dumps([asdict(cost) for cost in costs], indent=1))
    print(f"{machine.processor()}, {os.environ['OMP_NUM_THREADS']} threads.\n\n{table(costs)}")
    draw(costs, args.folder / "verbs.svg")


if __name__ == "__main__":
    main()
