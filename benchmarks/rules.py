"""What the backend `wordnet` makes of captions, and what the judge `rules` says of the chains of others.

    python -m benchmarks.rules [--rows N] [--sample FILE.csv.gz]

Takes the most specific captions of HierarCaps' `expanded-train`: the share that gets a whole chain with negatives, why
the others get none, words per tier beside those of the rows themselves, and captions a second. Then the share of the
rows' own adjacent tiers that the judge finds entailed, and of their negatives that it finds to contradict; with
``--sample`` also for the rows of a file in the train format, such as `hierarcaps_train_sample100.csv`.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hiergeo import datasets
from hiergeo.construction.backends.wordnet import WordNetBackend
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT
from hiergeo.construction.judges.rules import RulesJudge
from hiergeo.datasets import Row

TIERS = 4


def built(captions: Sequence[str]) -> dict[str, Any]:
    """Chains of captions by the backend: shares, reasons, words per tier, captions a second of processor time."""
    backend = WordNetBackend()
    backend.contradict([("animal", "dog", "a dog on grass", "a brown dog on grass")])
    began, busy = time.perf_counter(), time.process_time()
    general = backend.generalise(captions, TIERS)
    chains = [(*made.candidates[0], text) for made, text in zip(general, captions, strict=True) if made.candidates]
    against = backend.contradict(chains)
    wall, busy = time.perf_counter() - began, time.process_time() - busy
    whole = [(chain, made.candidates[0]) for chain, made in zip(chains, against, strict=True) if made.candidates]
    refused = Counter(made.reason for made in (*general, *against) if made.reason)
    return {
        "captions": len(captions),
        "with a chain": len(chains) / len(captions),
        "with chain and negatives": len(whole) / len(captions),
        "refused": {reason: count / len(captions) for reason, count in refused.most_common()},
        "words": _words([chain for chain, _ in whole]),
        "words of negatives": _words([negatives for _, negatives in whole]),
        "captions a second": len(captions) / wall,
        "captions a second of one processor": len(captions) / busy,
    } | judged(whole)


def judged(rows: Sequence[tuple[Sequence[str], Sequence[str] | None]]) -> dict[str, Any]:
    """Shares of adjacent tiers that are entailed and of negatives that contradict, tier by tier, by the rules."""
    judge = RulesJudge()
    entailed, opposed = [], []
    for positive, negative in rows:
        steps = judge.probabilities([(low, high) for high, low in pairwise(positive)])
        entailed.append(steps.argmax(axis=1) == ENTAILMENT)
        if negative is not None:
            opposed.append(
                judge.probabilities(list(zip(positive, negative, strict=True))).argmax(axis=1) == CONTRADICTION
            )
    return {"entailed": np.mean(entailed, axis=0).tolist(), "contradicted": np.mean(opposed, axis=0).tolist()}


def _words(chains: Sequence[Sequence[str]]) -> list[float]:
    return np.mean([[len(text.split()) for text in chain] for chain in chains], axis=0).tolist()


def _sides(rows: Sequence[Row]) -> list[tuple[Sequence[str], Sequence[str] | None]]:
    return [(row.positive, row.negative) for row in rows]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    parser.add_argument("--rows", type=int, default=None, help="take so many rows at random (seed 0)")
    parser.add_argument("--sample", type=Path, default=None, help="rows in the train format that are judged too")
    args = parser.parse_args(words)
    rows = list(datasets.load("hierarcaps", "expanded-train").rows)
    if args.rows is not None:
        rows = [rows[place] for place in np.random.default_rng(0).choice(len(rows), args.rows, replace=False)]
    told = {
        "processors": len(os.sched_getaffinity(0)),
        "built": built([row.positive[-1] for row in rows]),
        "rows": {"words": _words([row.positive for row in rows])} | judged(_sides(rows)),
    }
    if args.sample is not None:
        told["sample"] = judged(_sides(datasets.load(f"chains:{args.sample}").rows))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
