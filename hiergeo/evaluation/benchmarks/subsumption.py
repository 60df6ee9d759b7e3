"""The benchmark of HiT: is X a kind of Y, decided by a score whose weight and threshold a validation set chooses."""

from collections import Counter, defaultdict
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_columns
from hiergeo.adapters import Model
from hiergeo.datasets.wordnet import load_wordnet, reached, spoken
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Run, check_choice, check_count
from hiergeo.evaluation.benchmarks.words import WORD_SCORES, WordBenchmark, is_a_scores, letters
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.result import Outcome, Statistic
from hiergeo.geometry import Space
from hiergeo.geometry.points import STRETCH

MAMMALS = "mammals"
SPLITS = ("validation", "test")
KINDS = ("random", "ancestors")
WEIGHTS = np.arange(50) / 10
"""Weights w of HiT's score that validation chooses among."""

CURE = "write one `child<TAB>parent<TAB>0 or 1<TAB>validation or test` a line there, or name a noun synset of WordNet"


class Pairs(NamedTuple):
    """Names, pairs (m, 2) of positions (child, parent), whether each is true, and whether it is of the test split."""

    words: tuple[str, ...]
    pairs: np.ndarray
    label: np.ndarray
    test: np.ndarray


@final
class Subsumption(WordBenchmark):
    """Precision, recall and F1 of "X is a kind of Y" for pairs of a taxonomy and wrong parents.

    The score is -(d(child, parent) + w (r_parent - r_child)), true above a threshold; w and the threshold are those of
    the largest F1 on the validation split, and so are the thresholds of the scores beside it. Half of the children are
    validation, drawn by the seed. Baselines: ``chance`` calls every pair true, ``length`` decides by how many more
    characters the child has, ``frequent`` by how often the parent is one in the validation split.

    Data are ``mammals`` (the nouns below mammal.n.01 in WordNet), another noun synset, or a table of child, parent, 0
    or 1, and split. True pairs of a taxonomy are those with ancestors that are not direct parents. Wrong parents are
    drawn from all names ("random"), or as often as names are ancestors ("ancestors"), so that a frequent parent is no
    better guess. Intervals resample children and hold for these parents.

    Source: He et al., Language Models as Hierarchy Encoders (NeurIPS 2024).
    """

    name = "subsumption"
    label = "Subsumption"
    primary = "subsumption_f1"
    metrics = declare(
        share("subsumption_f1", "subsumption F1"),
        share("subsumption_precision", "subsumption precision"),
        share("subsumption_recall", "subsumption recall"),
        *(
            share(f"subsumption_f1_{of}", f"subsumption F1 ({of})", depends_on_curvature=bends)
            for of, bends in WORD_SCORES.items()
        ),
    )
    loads = "mapping"
    needs = "WordNet's nouns, which come with hiergeo, or a table of pairs"

    def __init__(
        self,
        data: str = MAMMALS,
        prompt: str = "{}",
        missing: str = "refuse",
        negatives: str = "random",
        per_pair: int = 10,
    ) -> None:
        super().__init__(data, prompt, missing)
        check_choice("kind of negatives", negatives, KINDS)
        check_count("per_pair", per_pair)
        self.negatives, self.per_pair = negatives, per_pair

    @property
    def protocol(self) -> str:
        if path_of(self.data).is_file():
            return super().protocol
        return f"{super().protocol}, inferred ancestors, {self.per_pair} {self.negatives} negatives a pair"

    @cached_property
    def mapping(self) -> dict[str, frozenset[str]]:
        """Name of the taxonomy -> names of its direct parents; empty where the data is a table."""
        if path_of(self.data).is_file():
            return {}
        wordnet = load_wordnet()
        if self.data != MAMMALS and "." not in self.data and self.data not in wordnet.names:
            raise unknown_name("data", self.data, [MAMMALS])
        top = wordnet.synset("mammal.n.01" if self.data == MAMMALS else self.data)
        below: defaultdict[str, list[str]] = defaultdict(list)
        for child, parents in wordnet.parents.items():
            for parent in parents:
                below[parent].append(child)
        nodes = reached(top, below)
        mapping: dict[str, set[str]] = {}
        for node in sorted(nodes):
            (word,) = spoken([node])
            mapping.setdefault(word, set()).update(spoken(set(wordnet.parents[node]) & nodes))
        return {word: frozenset(parents - {word}) for word, parents in mapping.items()}

    def pairs(self, seed: int) -> Pairs:
        """The pairs; those of a taxonomy are drawn by the seed."""
        if not self.mapping:
            return self._table()
        words, generator = tuple(self.mapping), np.random.default_rng(seed)
        at = {word: position for position, word in enumerate(words)}
        above = {word: reached(word, self.mapping) - {word} for word in words}
        often = Counter(chain.from_iterable(above.values()) if self.negatives == "ancestors" else words)
        test = generator.permutation(len(words)) >= len(words) // 2
        rows = []
        for word in words:
            chances = np.array([often[word] for word in words], dtype=np.float64)
            chances[[at[other] for other in (word, *above[word])]] = 0.0
            count = min(self.per_pair, int(np.count_nonzero(chances)))
            for parent in sorted(above[word] - self.mapping[word]):
                rows.append((at[word], at[parent], 1))
                if count:
                    drawn = generator.choice(len(words), count, False, chances / chances.sum())
                    rows += [(at[word], int(other), 0) for other in drawn]
        child, parents, label = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return Pairs(words, np.column_stack((child, parents)), label == 1, test[child])

    def _table(self) -> Pairs:
        path = path_of(self.data)
        at: dict[str, int] = {}
        rows, label, test = [], [], []
        expected = "child, parent, 0 or 1, and validation or test, separated by tabs"
        for number, (child, parent, true, split) in read_columns(path, CURE, expected, least=4, most=4):
            if true not in ("0", "1") or split not in SPLITS:
                raise InputError(f"{path}, line {number}: expected {expected}.")
            rows.append((at.setdefault(child, len(at)), at.setdefault(parent, len(at))))
            label.append(true == "1")
            test.append(split == "test")
        return Pairs(tuple(at), np.array(rows, dtype=np.int64).reshape(-1, 2), np.array(label), np.array(test))

    def check(self, model: Model, space: Space) -> None:
        self._measured(model, 0)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        data = self._measured(model, how.seed)
        text = how.texts(model, self.texts(data.words))
        rooted = space.rooted(model.root(text.device, text.dtype))
        outcome, facts = subsumption(data, pair_scores(rooted, text, data.pairs))
        facts |= {"split": self.data, "names": len(data.words), "pairs": len(data.pairs)}
        return self.result(outcome, model, rooted, text, how, **facts)

    def _measured(self, model: Model, seed: int) -> Pairs:
        """The pairs of names that a model can embed; InputError where a split has no true or no wrong ones."""
        words, pairs, label, test = self.pairs(seed)
        has = self.embeddable(model, words)
        usable = np.array([word in has for word in words], dtype=bool)[pairs].all(axis=1)
        for split, name in ((~test, "validation"), (test, "test")):
            if not (label & split & usable).any() or not (~label & split & usable).any():
                raise InputError(
                    f"the {name} split of {self.data} needs true and wrong pairs that {model.name} embeds."
                )
        used, moved = np.unique(pairs[usable], return_inverse=True)
        return Pairs(tuple(words[at] for at in used), moved.reshape(-1, 2), label[usable], test[usable])


def pair_scores(space: Space, text: Tensor, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of `is_a_scores` for pairs (m, 2) of rows of text (n, D), a stretch of pairs at a time."""
    parts = []
    for some in torch.from_numpy(pairs).to(text.device).split(STRETCH):
        parts.append(is_a_scores(space, text[some[:, 0]], text[some[:, 1]]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def subsumption(data: Pairs, scores: dict[str, np.ndarray]) -> tuple[Outcome, dict[str, Any]]:
    """Metrics of pairs by their scores (m,), and the weight and threshold that validation chose."""
    tuned = {weight: scores["distance"] + weight * scores["radius"] for weight in WEIGHTS.tolist()}
    weight = max(tuned, key=lambda w: best_threshold(tuned[w][~data.test], data.label[~data.test])[0])
    threshold = best_threshold(tuned[weight][~data.test], data.label[~data.test])[1]
    label = data.label[data.test]
    children, of = np.unique(data.pairs[data.test, 0], return_inverse=True)

    def decided(score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True, wrong and missed ones of each child."""
        limit = best_threshold(score[~data.test], data.label[~data.test])[1]
        said = score[data.test] > limit
        counted = (said & label, said & ~label, ~said & label)
        right, wrong, missed = (np.bincount(of, hits, minlength=len(children)) for hits in counted)
        return right, wrong, missed

    def f1(score: np.ndarray) -> Statistic:
        right, wrong, missed = decided(score)
        return ratio(2 * right, 2 * right + wrong + missed)

    names = letters(data.words)
    often = np.bincount(data.pairs[data.label & ~data.test, 1], minlength=len(data.words))
    positive = float(label.mean())
    baselines = {
        "chance": 2 * positive / (1 + positive),
        "length": f1(names[data.pairs[:, 0]] - names[data.pairs[:, 1]]).value,
        "frequent": f1(often[data.pairs[:, 1]].astype(np.float64)).value,
    }
    right, wrong, missed = decided(tuned[weight])
    outcome = Outcome()
    outcome.add("subsumption_f1", f1(tuned[weight]), **baselines)
    outcome.add("subsumption_precision", ratio(right, right + wrong), chance=positive)
    outcome.add("subsumption_recall", ratio(right, right + missed), chance=1.0)
    for name in WORD_SCORES:
        outcome.add(f"subsumption_f1_{name}", f1(scores[name]), **baselines)
    return outcome, {"weight": weight, "threshold": threshold, "children": len(children)}


def best_threshold(score: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """The largest F1 of "true above a threshold", over all thresholds, and that threshold; the highest one of several.

    Args:
        score: (m,), larger where more likely true.
        label: (m,) bool, some true.
    """
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    below = np.append(ranked[1:], ranked[-1] - 1.0)
    f1[ranked == below] = -1.0
    best = int(f1.argmax())
    return float(f1[best]), float(ranked[best] + below[best]) / 2


def ratio(part: np.ndarray, whole: np.ndarray) -> Statistic:
    """The sum of `part` over that of `whole`, (rows,) each; 0 where that is 0."""

    def of(counts: np.ndarray) -> Any:
        total = counts @ whole
        return np.divide(counts @ part, total, out=np.zeros_like(total, dtype=np.float64), where=total > 0)

    return Statistic(len(part), of, stacked=True, least=0.0)
