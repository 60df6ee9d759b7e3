"""Benchmarks of words, each in a prompt: HyperLex, whose pairs people graded, and is-a pairs of WordNet."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from math import comb
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.adapters import Model
from hiergeo.datasets.hyperlex import WordPair, load_hyperlex
from hiergeo.datasets.lvis import load_lvis
from hiergeo.datasets.scenes import things
from hiergeo.datasets.wordnet import load_wordnet, read_synsets
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_choice
from hiergeo.evaluation.metrics import CHANCE, RankCorrelation, Ranking
from hiergeo.evaluation.metrics.registry import area, correlation, declare, share
from hiergeo.evaluation.metrics.sharing import Sharing, families
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space
from hiergeo.geometry.space import By

WORD_SCORES = {"angle": True, "margin": True, "radius": False, "distance": True, "cosine": False}
"""Scores of "X is a type of Y", larger where more, and whether curvature can change them.

``angle`` is -Xi(Y, X), ``margin`` how deep X lies within the cone of Y, ``radius`` how much further from the root X is
than Y, ``distance`` minus their geodesic distance, ``cosine`` that of the embeddings, which sees no root and no space.
"""

SLACK = 8.0  # relative difference up to which radii count as equal, in units of the rounding of the embeddings
MISSING = ("refuse", "skip")  # what happens to words that a model of stored embeddings lacks
RE_PAPER = "arXiv 2407.08521"
UNKNOWN = "neither the prompt nor the score is public"
PARTS = {"": None, "_nouns": "N", "_verbs": "V"}
LEAST = 3  # pairs below which a part of speech has no correlation

declare(
    *(area(f"direction_{of}", f"direction AUROC ({of})", True, bends) for of, bends in WORD_SCORES.items()),
    *(
        correlation(f"spearman_{of}{part}", f"Spearman ({of}{part.replace('_', ', ')})", True, bends)
        for of, bends in WORD_SCORES.items()
        for part in PARTS
    ),
)


class WordBenchmark(Benchmark):
    """A benchmark of words, each embedded in a prompt that holds ``{}`` once; `missing` is one of `MISSING`."""

    def __init__(self, data: str, prompt: str, missing: str) -> None:
        if prompt.count("{}") != 1:
            raise InputError(f"the prompt '{prompt}' must hold {{}} once, where the word goes.")
        check_choice("value of missing", missing, MISSING)
        self.data, self.prompt, self.missing = data, prompt, missing

    @property
    def protocol(self) -> str:
        left_out = "; words that the model lacks are left out" if self.missing == "skip" else ""
        return f"{self.data}, prompt '{self.prompt}'{left_out}"

    def texts(self, words: Iterable[str]) -> list[str]:
        """The prompts of words."""
        return [self.prompt.replace("{}", word) for word in words]

    def embeddable(self, model: Model, words: Iterable[str]) -> set[str]:
        """The words that a model can embed; InputError if there are others that are not skipped."""
        if self.missing == "refuse":
            model.check_texts(self.texts(words))
            return set(words)
        embeddable = set()
        for word in words:
            with suppress(InputError):
                model.check_texts(self.texts([word]))
                embeddable.add(word)
        return embeddable


def is_a_scores(space: Space, word: Tensor, kind: Tensor) -> dict[str, np.ndarray]:
    """Scores for the pairs (word_i, kind_i) of embeddings (n, D), name -> (n,) float64.

    They are those of `WORD_SCORES` that the geometry defines. Ranks are not those of rounding errors: scores are taken
    in float64 where the device has it, symmetric ones are so to the last bit, and radii that differ by rounding alone,
    such as those of unit vectors around no root, are equal.
    """
    rounding = SLACK * torch.finfo(word.dtype).eps
    word, kind = wide(word), wide(kind)
    x, y = space.points(word), space.points(kind)
    scores = {
        "angle": lambda: -space.exterior_angle(y, x),
        "margin": lambda: space.margin(y, x),
        "radius": lambda: _difference(space.radius(x), space.radius(y), rounding),
        "distance": lambda: -(space.distance(x, y) + space.distance(y, x)) / 2,
        "cosine": lambda: _cosine(word, kind),
    }
    defined = space.geometry.measures | {"radius", "cosine"}
    return {name: score().cpu().double().numpy() for name, score in scores.items() if name in defined}


def _difference(x: Tensor, y: Tensor, rounding: float) -> Tensor:
    """x - y, and 0 where that is within a relative error."""
    difference = x - y
    return torch.where(difference.abs() <= rounding * torch.maximum(x, y), torch.zeros_like(x), difference)


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """The cosine of row vectors, symmetric to the last bit; 0 where one has no direction."""
    norms = x.norm(dim=-1) * y.norm(dim=-1)
    return torch.where(norms > 0, (x * y).sum(-1) / norms, torch.zeros_like(norms))


def letters(words: Iterable[str]) -> np.ndarray:
    """How many characters each word has, (n,): a baseline that ignores meaning."""
    return np.array([len(word) for word in words], dtype=np.float64)


@final
class HyperLex(WordBenchmark):
    """Spearman's correlation of scores of word pairs with their ratings, over all, nouns and verbs.

    ``direction_SCORE`` is the AUROC of hypernym pairs (X below Y) over reversed ones (X above Y). The baseline
    ``length`` scores a pair by how many more characters X has than Y; ``permuted`` is the 97.5 % quantile under random
    order of the ratings. Data are ``hyperlex`` (in the data home), ``demo`` (things of scenes) or such a table.

    Source: Vulic et al., HyperLex (Computational Linguistics 2017).
    """

    name = "hyperlex"
    label = "HyperLex"
    primary = "spearman_angle"
    metrics = (
        *(f"spearman_{score}" for score in WORD_SCORES),
        "spearman_angle_nouns",
        "spearman_margin_nouns",
        "spearman_radius_nouns",
        "direction_angle",
        "direction_radius",
    )
    loads = "pairs"
    needs = "the table of HyperLex (`hiergeo data fetch hyperlex`)"
    published: tuple[Published, ...] = (
        Published("CLIP ViT-B/32", "spearman_angle", 0.44, RE_PAPER, UNKNOWN),
        Published("CLIP ViT-B/32 + RE", "spearman_angle", 0.51, RE_PAPER, UNKNOWN),
        Published("LEAR", "spearman_angle", 0.69, RE_PAPER, "trained on lexical relations"),
    )

    def __init__(self, prompt: str = "{}", data: str = "hyperlex", missing: str = "refuse") -> None:
        super().__init__(data, prompt, missing)
        if (data, missing) != ("hyperlex", "refuse"):
            self.published = ()

    @cached_property
    def pairs(self) -> tuple[WordPair, ...]:
        """The pairs."""
        if self.data == "demo":
            return things.word_pairs()
        return load_hyperlex(None if self.data == "hyperlex" else self.data)

    def check(self, model: Model, space: Space) -> None:
        if len(self._measured(model)) < LEAST:
            raise InputError(f"{model.name} has embeddings of fewer than {LEAST} pairs of {self.data}.")

    def run(self, model: Model, space: Space, how: Run) -> Result:
        pairs = self._measured(model)
        words = _words(pairs)
        index = {word: position for position, word in enumerate(words)}
        text = how.texts(model, self.texts(words))
        x, y = (text[torch.tensor([index[word] for word in side]).to(text.device)] for side in _sides(pairs))
        rooted = space.rooted(model.root(text.device, text.dtype))
        outcome = correlations(pairs, is_a_scores(rooted, x, y), how.samples, how.seed)
        facts = {"split": self.data, "pairs": len(pairs), "words": len(words)}
        return self.result(outcome, model, rooted, text, how, **facts)

    def _measured(self, model: Model) -> tuple[WordPair, ...]:
        words = self.embeddable(model, _words(self.pairs))
        return tuple(pair for pair in self.pairs if {pair.word, pair.kind} <= words)


def correlations(
    pairs: tuple[WordPair, ...], scores: dict[str, np.ndarray], samples: int = 1000, seed: int = 0
) -> Outcome:
    """The metrics of HyperLex for n pairs and scores (n,), by name, that are larger where X is more a type of Y."""
    rating, part = np.array([pair.score for pair in pairs]), np.array([pair.part_of_speech for pair in pairs])
    relation = np.array([pair.relation for pair in pairs])
    up, down = (np.flatnonzero(np.char.startswith(relation, kind)) for kind in ("hyp-", "r-hyp-"))
    length = np.subtract(*(letters(side) for side in _sides(pairs)))
    words = np.unique(np.array(_sides(pairs)), return_inverse=True)[1].reshape(2, -1).T
    outcome = Outcome()
    for suffix, of in PARTS.items():
        chosen = np.flatnonzero(part == of) if of else np.arange(len(pairs))
        if len(chosen) < LEAST:
            continue
        by_length = RankCorrelation(length[chosen], rating[chosen]).rho()
        null = RankCorrelation(rating[chosen], rating[chosen]).permuted(samples, seed)
        high = float(np.quantile(null, 0.975))
        for name, score in scores.items():
            ranked = RankCorrelation(score[chosen], rating[chosen])
            statistic = Statistic(ranked.rows, ranked.rho, sharing=Sharing(words[chosen]), influence=ranked.influence)
            outcome.add(f"spearman_{name}{suffix}", statistic, chance=0.0, permuted=high, length=by_length)
    if len(up) and len(down):
        by_length = Ranking(length[up], length[down]).auroc()
        for name, score in scores.items():
            outcome.add(f"direction_{name}", _direction(score, up, down), chance=CHANCE, length=by_length)
    return outcome


def _direction(score: np.ndarray, up: np.ndarray, down: np.ndarray) -> Statistic:
    """AUROC of the pairs `up` over the pairs `down`; both are resampled together."""
    ranking, ups = Ranking(score[up], score[down]), len(up)
    return Statistic(ups + len(down), lambda counts: ranking.auroc(counts[..., :ups], counts[..., ups:]), stacked=True)


def _words(pairs: tuple[WordPair, ...]) -> list[str]:
    return list(dict.fromkeys(word for pair in pairs for word in (pair.word, pair.kind)))


def _sides(pairs: tuple[WordPair, ...]) -> tuple[list[str], list[str]]:
    return [pair.word for pair in pairs], [pair.kind for pair in pairs]


KS = (1, 5, 10)
SEARCHES: tuple[By, ...] = ("margin", "distance")
TRIES = 100  # draws of a random partner before a pair is left with what it got


class Names(NamedTuple):
    """Names and which is above which."""

    words: tuple[str, ...]
    pairs: np.ndarray  # (m, 2) int64 positions (child, ancestor), no two alike


@final
class WordNetIsA(WordBenchmark):
    """Is-a pairs among a list of names: order of radii, direction of cones, and the search for ancestors.

    ``isa_auroc`` compares the pairs with the same children and ancestors of other pairs at random, so that every name
    is as often an ancestor in both; it is omitted where none of those is a wrong one. It and ``isa_direction`` are by
    angles, in a law of pairs by margins. Baselines of the search: ``length`` finds the K shortest names, ``frequent``
    those that are ancestors most often. Intervals resample children, and know which of them share ancestors.
    """

    name = "wordnet"
    label = "WordNet is-a"
    primary = "isa_radius"
    metrics = declare(
        share("isa_radius", "is-a by radius", depends_on_curvature=False),
        share("isa_radius_equal_words", "is-a by radius, equal words", depends_on_curvature=False),
        area("isa_direction", "is-a direction AUROC"),
        area("isa_auroc", "is-a AUROC"),
        area("isa_auroc_cosine", "is-a AUROC (cosine)", depends_on_curvature=False),
        *(share(f"isa_hits_r{k}", f"ancestors found (margin) R@{k}", discrete=True) for k in KS),
        *(share(f"isa_hits_distance_r{k}", f"ancestors found (distance) R@{k}", discrete=True) for k in KS),
    )
    loads = "names"
    needs = "the names of LVIS (`clip_lvis/` in the data home), or a list of synsets"

    def __init__(
        self,
        data: str = "lvis",  # or ``demo`` (things of scenes), a file of ``[NAME<TAB>]SYNSET`` lines, each synset once
        prompt: str = "a {}",
        missing: str = "refuse",
    ) -> None:
        super().__init__(data, prompt, missing)

    @cached_property
    def names(self) -> Names:
        """The names and pairs."""
        if self.data == "demo":
            edges = [(pair.word, pair.kind) for pair in things.word_pairs() if pair.relation.startswith("hyp-")]
            words = tuple(dict.fromkeys(word for pair in edges for word in pair))
            return Names(words, np.array([[words.index(child), words.index(above)] for child, above in edges]))
        if self.data == "lvis":
            lvis = load_lvis()
            return Names(lvis.words, lvis.pairs)
        rows = read_synsets(self.data)
        wordnet = load_wordnet()
        first: dict[str, str] = {}
        for _, name in rows:
            synset = wordnet.synset(name)
            if synset in first:
                raise InputError(f"{self.data} lists the synset {synset} twice, as {first[synset]} and {name}.")
            first[synset] = name
        pairs = wordnet.is_a(list(first))
        return Names(tuple(word for word, _ in rows), np.array(pairs, dtype=np.int64).reshape(-1, 2))

    def check(self, model: Model, space: Space) -> None:
        if not len(self._measured(model).pairs):
            raise InputError(f"{self.data} has no pair of a name and its ancestor that {model.name} can embed.")

    def run(self, model: Model, space: Space, how: Run) -> Result:
        names = self._measured(model)
        text = how.texts(model, self.texts(names.words))
        rooted = space.rooted(model.root(text.device, text.dtype))
        child, above = names.pairs.T
        other = shuffled_ancestors(names.pairs, how.seed)

        def scores(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
            word, kind = (text[torch.from_numpy(side).to(text.device)] for side in (x, y))
            return is_a_scores(rooted, word, kind)

        outcome = is_a(
            names,
            scores(child, above),
            scores(above, child),
            scores(child, other),
            {by: ancestor_ranks(rooted, text, names.pairs, by) for by in SEARCHES if by in space.geometry.measures},
            negatives=not true_draws(names.pairs, other).all(),
        )
        facts: dict[str, Any] = {
            "split": self.data,
            "names": len(names.words),
            "pairs": len(names.pairs),
            "children": len(np.unique(child)),
        }
        if self.data not in ("demo", "lvis"):
            facts["wordnet"] = load_wordnet().described
        return self.result(outcome, model, rooted, text, how, **facts)

    def _measured(self, model: Model) -> Names:
        words, pairs = self.names
        has = self.embeddable(model, words)
        there = np.array([word in has for word in words])
        moved = np.where(there, np.cumsum(there) - 1, -1)[pairs]
        return Names(tuple(word for word in words if word in has), moved[(moved >= 0).all(axis=1)])


def shuffled_ancestors(pairs: np.ndarray, seed: int) -> np.ndarray:
    """The ancestors in random order, (m,), none of them the child itself or above it where that can be had.

    Every name is an ancestor as often as before. Draws that fall on a true pair are exchanged with others at random.
    """
    child, above = pairs.T
    true = _true_pairs(pairs)
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(above)

    def is_wrong(at: int) -> bool:
        return (int(child[at]), int(drawn[at])) in true

    for at in range(len(pairs)):
        for _ in range(TRIES):
            if not is_wrong(at):
                break
            partner = int(generator.integers(len(pairs)))
            drawn[[at, partner]] = drawn[[partner, at]]
            if is_wrong(partner) or is_wrong(at):
                drawn[[at, partner]] = drawn[[partner, at]]
    return drawn


def true_draws(pairs: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Whether a drawn ancestor is the child itself or above it all the same, (m,) bool."""
    true = _true_pairs(pairs)
    return np.array([pair in true for pair in zip(pairs[:, 0].tolist(), drawn.tolist(), strict=True)], dtype=bool)


def _true_pairs(pairs: np.ndarray) -> set[tuple[int, int]]:
    """The pairs (child, ancestor), and every child with itself."""
    return {(c, a) for child, above in pairs.tolist() for c, a in ((child, above), (child, child))}


def ancestor_ranks(space: Space, text: Tensor, pairs: np.ndarray, by: By) -> np.ndarray:
    """For each child with ancestors the rank of the first of them in its list of parents, from 0, (children,).

    The list holds all other names, best first; ranks from max(KS) on are as good as none.
    """
    children, points = np.unique(pairs[:, 0]), space.points(text)
    queries = points.rows(torch.from_numpy(children).to(text.device))
    best = space.topk(queries, points, min(max(KS) + 1, len(text)), by=by, side="parents")[1].cpu().numpy()
    true = _true_pairs(pairs)
    ranks = []
    for child, row in zip(children.tolist(), best.tolist(), strict=True):
        others = [name for name in row if name not in (child, -1)]
        ranks.append(next((rank for rank, name in enumerate(others) if (child, name) in true), len(text)))
    return np.array(ranks)


def is_a(
    names: Names,
    forward: dict[str, np.ndarray],
    backward: dict[str, np.ndarray],
    random: dict[str, np.ndarray],
    ranks: Mapping[By, np.ndarray],
    *,
    negatives: bool = True,
) -> Outcome:
    """The metrics of is-a pairs, from scores (m,) by name of the score.

    Scores are `forward` those of the pairs, `backward` of the pairs turned round, and `random` of the children with
    other ancestors, of which `negatives` says whether any is a wrong one. `ranks` are those of `ancestor_ranks`.
    """
    children, of = np.unique(names.pairs[:, 0], return_inverse=True)
    length = letters(names.words)
    longer = np.sign(length[names.pairs[:, 0]] - length[names.pairs[:, 1]])
    sharing = Sharing(families(children, names.pairs))

    def statistic(value: Callable[[np.ndarray], Any], influence: np.ndarray, stacked: bool) -> Statistic:
        by_child = np.bincount(of, influence, minlength=len(children)) * len(children)
        return Statistic(
            len(children),
            lambda counts: value(counts[..., of]),
            stacked=stacked,
            sharing=sharing,
            influence=lambda: by_child,
            least=0.0,
        )

    def share(right: np.ndarray, chosen: np.ndarray) -> Statistic:
        influence = chosen * (right - _mean(right, chosen)) / max(chosen.sum(), 1)
        return statistic(lambda counts: _mean(right, counts * chosen), influence, False)

    def auroc(positive: np.ndarray, negative: np.ndarray) -> Statistic:
        ranking = Ranking(positive, negative)
        return statistic(ranking.auroc, ranking.auroc_influence() / len(of), True)

    words = np.array([len(word.split()) for word in names.words])
    equal = (words[names.pairs[:, 0]] == words[names.pairs[:, 1]]).astype(np.float64)
    farther, by_length = (np.sign(forward["radius"]) + 1) / 2, (longer + 1) / 2
    outcome = Outcome()
    for name, chosen in (("isa_radius", np.ones(len(of))), ("isa_radius_equal_words", equal)):
        if chosen.any():
            outcome.add(name, share(farther, chosen), chance=CHANCE, length=_mean(by_length, chosen))
    turn = next(name for name in ("angle", "margin", "distance") if name in forward)
    direction = auroc(forward[turn], backward[turn])
    outcome.add("isa_direction", direction, chance=CHANCE, length=Ranking(longer, -longer).auroc())
    if negatives:
        outcome.add("isa_auroc", auroc(forward[turn], random[turn]), chance=CHANCE)
        outcome.add("isa_auroc_cosine", auroc(forward["cosine"], random["cosine"]), chance=CHANCE)
    null = {k: _hits_without_a_model(names, length, children, k) for k in KS}
    for by, rank in ranks.items():
        for k in KS:
            name = f"isa_hits_r{k}" if by == "margin" else f"isa_hits_{by}_r{k}"
            outcome.add(name, mean_of((rank < k).astype(np.float64), sharing), **null[k])
    return outcome


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted mean; 1/2 where nothing counts, which is chance."""
    total = float(weights.sum())
    return float(weights @ values) / total if total > 0 else CHANCE


def _hits_without_a_model(names: Names, length: np.ndarray, children: np.ndarray, k: int) -> dict[str, float]:
    """Hits@k of a random list, of the shortest names, and of the names that are ancestors most often."""
    total = len(names.words)
    above: dict[int, set[int]] = {int(child): set() for child in children}
    for child, ancestor in names.pairs.tolist():
        above[child].add(ancestor)
    often = np.bincount(names.pairs[:, 1], minlength=total)

    def first(order: np.ndarray) -> float:
        best = order[: k + 1].tolist()
        hits = [not above[child].isdisjoint([name for name in best if name != child][:k]) for child in above]
        return float(np.mean(hits))

    def missed(ancestors: int) -> float:
        return comb(total - 1 - ancestors, k) / comb(total - 1, k) if total - 1 >= k else 0.0

    return {
        "chance": float(np.mean([1 - missed(len(ancestors)) for ancestors in above.values()])),
        "length": first(np.argsort(length, kind="stable")),
        "frequent": first(np.argsort(-often, kind="stable")),
    }
