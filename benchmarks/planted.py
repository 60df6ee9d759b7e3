"""What is said of worlds whose truth is planted, and whether inference for shared captions keeps its promises.

    python -m benchmarks.planted            # two to three hours on two cores; writes benchmarks/notes/planted.md
    python -m benchmarks.planted --quick    # few seeds of small worlds; prints the tables
    python -m benchmarks.planted nulls      # levels, coverage and power: see benchmarks.shared_captions
    python -m benchmarks.planted words      # radii that know nothing but words: see benchmarks.shared_words
    python -m benchmarks.planted learned    # untrained copies beside others, and radii that know the tiers

Every world of `hiergeo.testing.planted` is planted in several sizes and with many seeds, with chains that share their
upper captions and with chains that share none, and the questions of an audit that need no network are answered. An
answer is false if it is not among the words that are true in that world; "unclear" states nothing and is never false.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import shared_captions, shared_words
from benchmarks.report import proportion, table
from hiergeo._core.progress import track
from hiergeo.evaluation.auditing.questions import answers_of
from hiergeo.testing.planted import WORLDS, world

NOTES = Path(__file__).parent / "notes"
NAMES = {"worlds": "planted", "nulls": "shared_captions", "words": "shared_words", "learned": "learned"}
"""Parts -> names of their notes."""

SIZES, QUICK_SIZES = (30, 100, 300, 1000), (30, 100)
QUESTIONS = ("order", "beyond_length", "radii", "curvature", "cones")
UNCLEAR = "unclear"

CONTRADICTIONS = (
    (("order", {"none", "reversed"}), ("beyond_length", {"yes"})),
    (("order", {"none", "reversed"}), ("cones", {"decide"})),
)
"""Pairs of statements that deny each other: radii do not grow along chains, yet they do at equal length, or cones,
which hold only captions further out, hold the children."""

SIGNS = {"forward": 1, "reversed": -1, "helps": 1, "harms": -1}  # words that state the sign of their number


@dataclass(frozen=True)
class Said:
    """The answers about one world, by question, and whether a word contradicts the sign of its number."""

    name: str
    shared: bool
    leaves: int
    seed: int
    words: dict[str, str]
    truth: dict[str, frozenset[str]]
    odd: bool

    def is_false(self, question: str) -> bool:
        """Whether the answer states what is not true there; False where no truth was planted."""
        word, truth = self.words[question], self.truth.get(question)
        return truth is not None and word != UNCLEAR and word not in truth

    def is_right(self, question: str) -> bool:
        """Whether the answer states what is true there."""
        return self.words[question] in self.truth.get(question, ())


def said_of(name: str, shared: bool, leaves: int, seeds: Sequence[int]) -> list[Said]:
    """The answers about one world, planted from each of the seeds."""
    torch.set_num_threads(1)
    said = []
    for seed in seeds:
        planted = world(name, leaves, seed, shared=shared)
        answers = answers_of(planted.embedded, planted.space)
        words = {question: answers[question].word for question in QUESTIONS}
        odd = any(SIGNS.get(answer.word, 0) * answer.value < 0 for answer in answers.values())
        said.append(Said(name, shared, leaves, seed, words, dict(planted.truth), odd))
    return said


def run(names: Iterable[str], sizes: Sequence[int], seeds: int, processes: int) -> list[Said]:
    """The answers about all worlds, in the order of their names; the largest worlds are planted first."""
    batch = max(1, min(10, seeds // 2))
    parts = [range(start, min(start + batch, seeds)) for start in range(0, seeds, batch)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        futures = [
            workers.submit(said_of, name, shared, leaves, part)
            for leaves in sorted(sizes, reverse=True)
            for shared in (True, False)
            for name in names
            for part in parts
        ]
        done = track(as_completed(futures), "planted worlds", enabled=True, total=len(futures))
        said = [answer for future in done for answer in future.result()]
    order = {name: index for index, name in enumerate(WORLDS)}
    return sorted(said, key=lambda each: (order[each.name], not each.shared, each.leaves, each.seed))


def report(said: Sequence[Said], sizes: Sequence[int], seeds: int) -> str:
    """The tables, as Markdown."""
    counts = " / ".join(f"{size:,}" for size in sizes)
    rows = [[*_titles(group), *(_cell(group, question, sizes) for question in QUESTIONS)] for group in _grouped(said)]
    large = [
        [*_titles(group), f"{group[0].leaves:,}", question, _share(group, question, Said.is_false)]
        for group in _grouped(said, by_size=True)
        for question in QUESTIONS
        if sum(each.is_false(question) for each in group) > 0.1 * len(group)
    ]
    pairs = [
        [_titled(first), _titled(second), str(count)]
        for first, second in CONTRADICTIONS
        if (count := sum(each.words[first[0]] in first[1] and each.words[second[0]] in second[1] for each in said))
    ]
    odd = sum(each.odd for each in said)
    parts = [
        f"# Planted worlds\n\n{len(said):,} worlds: {counts} leaves, {seeds} seeds each. Every cell says how often "
        "each word was said, the share of false statements with the upper end of its 95 % Clopper-Pearson interval, "
        f"and the share of worlds in which something true was stated ({counts} leaves). Where no truth is planted, "
        "no shares stand. The truth is in `WORLDS` of `hiergeo/testing/planted.py`.",
        table(["world", "chains", *QUESTIONS], rows),
        "## Cells of one size with more than 10 % false statements",
        table(["world", "chains", "leaves", "question", "false"], large) or "None.",
        "## Contradictions",
        f"Pairs looked for: {'; '.join(f'{_titled(a)} with {_titled(b)}' for a, b in CONTRADICTIONS)}.",
        table(["statement", "and", "worlds"], pairs) or "None.",
        f"Words against the sign of their own number: {odd}.",
    ]
    return "\n\n".join(parts) + "\n"


def _grouped(said: Sequence[Said], *, by_size: bool = False) -> list[list[Said]]:
    groups: dict[tuple[object, ...], list[Said]] = {}
    for each in said:
        groups.setdefault((each.name, each.shared, each.leaves if by_size else None), []).append(each)
    return list(groups.values())


def _titles(group: Sequence[Said]) -> list[str]:
    return [group[0].name, "shared" if group[0].shared else "disjoint"]


def _titled(statement: tuple[str, set[str]]) -> str:
    return f"{statement[0]} {' or '.join(sorted(statement[1]))}"


def _cell(group: Sequence[Said], question: str, sizes: Sequence[int]) -> str:
    words = Counter(each.words[question] for each in group)
    said = ", ".join(f"{word} {count}" for word, count in words.most_common())
    if question not in group[0].truth:
        return said
    right = (
        100 * sum(each.is_right(question) for each in some) / max(1, len(some))
        for some in ([each for each in group if each.leaves == size] for size in sizes)
    )
    return f"{said}; false {_share(group, question, Said.is_false)}; right {' / '.join(f'{x:.0f}' for x in right)} %"


def _share(group: Sequence[Said], question: str, holds: Callable[[Said, str], bool]) -> str:
    return proportion(sum(holds(each, question) for each in group), len(group))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("part", nargs="?", choices=NAMES, default="worlds")
    parser.add_argument(
        "--seeds", type=int, help="worlds of each size (default: 80), draws of radii (500), or rows (200)"
    )
    parser.add_argument("--quick", action="store_true", help="few seeds and small sizes; print, write nothing")
    parser.add_argument("--world", action="append", default=[], metavar="NAME", choices=list(WORLDS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=NOTES, help="folder of the tables")
    request = parser.parse_args(arguments)
    if request.part == "nulls":
        text = shared_captions.report(request.seeds or (20 if request.quick else 500), request.processes)
    elif request.part == "words":
        text = shared_words.report(request.seeds or (4 if request.quick else 200), request.processes)
    elif request.part == "learned":
        text = shared_words.report_learned(request.seeds or (40 if request.quick else 1000), request.processes)
    else:
        sizes, seeds = (QUICK_SIZES, request.seeds or 4) if request.quick else (SIZES, request.seeds or 80)
        text = report(run(request.world or WORLDS, sizes, seeds, request.processes), sizes, seeds)
    sys.stdout.write(text)
    if not request.quick:
        (request.out / f"{NAMES[request.part]}.md").write_text(text)


if __name__ == "__main__":
    main()
