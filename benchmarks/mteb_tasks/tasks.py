"""Tasks of hypernymy for mteb: is the first word a kind of the second? Nothing here needs hiergeo.

Every pair classification of mteb is symmetric in effect: most encoders score a pair by cosine, which cannot tell "dog,
animal" from "animal, dog". Both tasks hold pairs in both directions, and give their inputs different types of prompts,
so that a model that knows the direction can show it. Names get shorter towards the top of a taxonomy, so both control
length: the lengths of the two words are distributed alike among positive and negative pairs, and ``length_auroc`` says
what the difference of lengths alone reaches.

The data are read from their own sources: in mteb `load_data` is left out once `_push_dataset_to_hub` has stored them.
"""

import os
import random
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, DownloadManager
from mteb.abstasks.pair_classification import AbsTaskPairClassification
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.types import PromptType
from sklearn.metrics import roc_auc_score

Pair = tuple[str, str, int]
"""Two words, and 1 where the first is a kind of the second."""

SEED = 0
HYPERLEX = "https://raw.githubusercontent.com/cambridgeltl/hyperlex"
HYPERLEX_REVISION = "c4875d795d50420a0bd08fbe4b8346395e117c61"
WORDNET = "https://wordnetcode.princeton.edu/3.0/WNdb-3.0.tar.gz"
PROMPTS = {
    PromptType.query.value: "Given a word, retrieve the kinds of things it is",
    PromptType.document.value: "Represent a kind of things",
}

RATED = 5.0
"""The mean rating of HyperLex, in [0, 10], from which on a pair is positive."""

EDGES = (1, 2, 3, 4)
"""The tiers of the task of WordNet: how many edges the kind is above the word."""

MOST = 500
"""Positive pairs of a tier."""

TRIES = 100
"""Kinds of the right length that are drawn before a pair is left out for want of a wrong one."""


class HypernymyPairClassification(AbsTaskPairClassification):
    """Pairs whose order matters; beside mteb's scores their AUROC, and that of the lengths of the words."""

    data_loaded: bool
    input1_prompt_type = PromptType.query
    input2_prompt_type = PromptType.document

    def pairs(self) -> dict[str, list[Pair]]:
        """The pairs of every subset."""
        raise NotImplementedError

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Read the pairs from their source."""
        if self.data_loaded:
            return
        self.dataset = {}
        for subset, pairs in self.pairs().items():
            first, second, labels = zip(*pairs, strict=True)
            columns = {"sentence1": list(first), "sentence2": list(second), "labels": list(labels)}
            self.dataset[subset] = DatasetDict(test=Dataset.from_dict(columns))
        self.data_loaded = True

    def _evaluate_subset(self, model: Any, data_split: Dataset, **kwargs: Any) -> dict[str, float]:
        scores = super()._evaluate_subset(model, data_split, **kwargs)
        longer = [
            len(word) - len(kind) for word, kind in zip(data_split["sentence1"], data_split["sentence2"], strict=True)
        ]
        scores["length_auroc"] = float(roc_auc_score(data_split["labels"], longer))
        return scores

    def _compute_metrics_values(
        self, scores: list[float], labels: np.ndarray, high_score_more_similar: bool
    ) -> dict[str, float]:
        values = super()._compute_metrics_values(scores, labels, high_score_more_similar)
        sign = 1 if high_score_more_similar else -1
        return {**values, "auroc": float(roc_auc_score(labels, sign * np.asarray(scores)))}


class HyperLexPC(HypernymyPairClassification):
    """HyperLex: "to what degree is X a kind of Y?", all pairs and those balanced by length.

    A pair is positive where its mean rating is at least `RATED`. Read from the table named by the environment variable
    HYPERLEX_TABLE, otherwise from its repository.
    """

    metadata = TaskMetadata(
        name="HyperLexPC",
        description="Word pairs X, Y rated by people to what degree X is a kind of Y (graded lexical entailment); "
        "positive from the middle of the scale on. In the subset `length_balanced` the lengths of both words are "
        "distributed alike among positive and negative pairs.",
        reference="https://aclanthology.org/J17-4004/",
        dataset={"path": HYPERLEX, "revision": HYPERLEX_REVISION},
        type="PairClassification",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs={"all": ["eng-Latn"], "length_balanced": ["eng-Latn"]},
        main_score="similarity_auroc",
        date=("2016-01-01", "2016-08-08"),
        domains=["Constructed"],
        task_subtypes=["Textual Entailment"],
        license="not specified",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="created",
        prompt=PROMPTS,
        bibtex_citation=r"""
@article{vulic2017hyperlex,
  author = {Vuli{\'c}, Ivan and Gerz, Daniela and Kiela, Douwe and Hill, Felix and Korhonen, Anna},
  journal = {Computational Linguistics},
  number = {4},
  pages = {781--835},
  title = {HyperLex: A Large-Scale Evaluation of Graded Lexical Entailment},
  volume = {43},
  year = {2017},
}
""",
    )

    def pairs(self) -> dict[str, list[Pair]]:
        """All pairs in the order of the table, and as many positive as negative ones of the same two lengths."""
        rows = [line.split() for line in _hyperlex().splitlines()[1:] if line.strip()]
        pairs = [(row[0], row[1], int(float(row[5]) >= RATED)) for row in rows]
        return {"all": pairs, "length_balanced": balanced(pairs)}


class WordNetIsAPC(HypernymyPairClassification):
    """Is-a pairs of WordNet 3.0, a subset a tier, each with its reverse and with another kind of the same length.

    Read from the folder named by the environment variable WORDNET_DICT, otherwise from its archive.
    """

    metadata = TaskMetadata(
        name="WordNetIsAPC",
        description="Nouns X, Y of WordNet 3.0 where Y is one to four edges above X, against the same pairs reversed "
        "and against X with a Y of another pair. The lengths of both words are distributed alike among positive, "
        "reversed and exchanged pairs, and neither word holds the other.",
        reference="https://wordnet.princeton.edu/",
        dataset={"path": WORDNET, "revision": "3.0"},
        type="PairClassification",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs={f"edges_{edges}": ["eng-Latn"] for edges in EDGES},
        main_score="similarity_auroc",
        date=("1998-01-01", "2006-12-31"),
        domains=["Constructed"],
        task_subtypes=["Textual Entailment"],
        license="https://wordnet.princeton.edu/license-and-commercial-use",
        annotations_creators="expert-annotated",
        dialect=[],
        sample_creation="created",
        prompt=PROMPTS,
        bibtex_citation=r"""
@book{fellbaum1998wordnet,
  author = {Fellbaum, Christiane},
  publisher = {MIT Press},
  title = {WordNet: An Electronic Lexical Database},
  year = {1998},
}
""",
    )

    def pairs(self) -> dict[str, list[Pair]]:
        """Of every tier its positive pairs, then these reversed, then their words with exchanged kinds."""
        nouns = Nouns(_wordnet_lines("data.noun"), _wordnet_lines("index.noun"))
        return {f"edges_{edges}": nouns.tier(edges) for edges in EDGES}


class Nouns:
    """The nouns of WordNet's own files (wndb(5WN)), each by the first word of a synset of which it is the first sense.

    Args:
        data: lines of ``data.noun``.
        index: lines of ``index.noun``.
    """

    def __init__(self, data: Iterable[str], index: Iterable[str]) -> None:
        self._words: dict[str, list[str]] = {}
        self._parents: dict[str, list[str]] = {}
        self._instance_of: dict[str, list[str]] = {}
        for fields in (line.partition(" | ")[0].split() for line in data):
            after = 4 + 2 * int(fields[3], 16)
            pointers = range(after + 1, after + 1 + 4 * int(fields[after]), 4)
            self._words[fields[0]] = [word.lower() for word in fields[4:after:2]]
            self._parents[fields[0]] = [fields[at + 1] for at in pointers if fields[at] == "@"]
            self._instance_of[fields[0]] = [fields[at + 1] for at in pointers if fields[at] == "@i"]
        self._senses = {row[0]: row[6 + int(row[3]) :] for row in (line.split() for line in index)}

    def name(self, synset: str) -> str | None:
        """The first word of a synset; None unless it is one of letters alone and means that synset first of all."""
        word = self._words[synset][0]
        return word if word.isascii() and word.isalpha() and self._senses[word][0] == synset else None

    def kinds(self, word: str) -> set[str]:
        """Every word of every synset above any sense of a word."""
        above: set[str] = set()
        todo = list(self._senses[word])
        while todo:
            synset = todo.pop()
            new = {*self._parents[synset], *self._instance_of[synset]} - above
            above |= new
            todo += new
        return {name for synset in above for name in self._words[synset]}

    def tier(self, edges: int) -> list[Pair]:
        """The pairs of a tier: positive, reversed and exchanged ones, of the same lengths of both words."""
        true = sorted(set(self._true(edges)))
        above = {word: self.kinds(word) for pair in true for word in pair}
        of_length: dict[int, list[str]] = defaultdict(list)
        for _, kind in true:
            of_length[len(kind)].append(kind)
        draw = random.Random(SEED)
        triples = []
        for word, kind in true:
            drawn = draw.choices(of_length[len(kind)], k=TRIES)
            wrong = next((other for other in drawn if other not in above[word] and _apart(word, other)), None)
            if wrong is not None and word not in above[kind]:
                triples.append((word, kind, wrong))
        chosen = reversible(triples, draw)
        return [
            *((word, kind, 1) for word, kind, _ in chosen),
            *((kind, word, 0) for word, kind, _ in chosen),
            *((word, wrong, 0) for word, _, wrong in chosen),
        ]

    def _true(self, edges: int) -> Iterator[tuple[str, str]]:
        """Words and kinds a number of edges above them, by the first hypernym of every synset."""
        for synset in self._words:
            above: str | None = synset
            for _ in range(edges):
                above = next(iter(self._parents[above]), None) if above else None
            word, kind = self.name(synset), self.name(above) if above else None
            if word and kind and _apart(word, kind):
                yield word, kind


def _apart(word: str, kind: str) -> bool:
    return word not in kind and kind not in word


def reversible(triples: Sequence[tuple[str, str, str]], draw: random.Random) -> list[tuple[str, str, str]]:
    """At most `MOST` triples, as many of the lengths (a, b) of word and kind as of (b, a)."""
    of_lengths: dict[tuple[int, int], list[tuple[str, str, str]]] = defaultdict(list)
    for triple in triples:
        of_lengths[len(triple[0]), len(triple[1])].append(triple)
    units: list[tuple[tuple[str, str, str], ...]] = [
        (triple,) for (a, b), group in of_lengths.items() if a == b for triple in group
    ]
    for (a, b), group in of_lengths.items():
        if a < b and (b, a) in of_lengths:
            units += zip(draw.sample(group, len(group)), draw.sample(back := of_lengths[b, a], len(back)), strict=False)
    draw.shuffle(units)
    chosen: list[tuple[str, str, str]] = []
    for unit in units:
        chosen += unit if len(chosen) + len(unit) <= MOST else ()
    return chosen


def balanced(pairs: Sequence[Pair]) -> list[Pair]:
    """As many positive as negative pairs of every two lengths, drawn at random, in their own order."""
    groups: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: {0: [], 1: []})
    for at, (word, kind, label) in enumerate(pairs):
        groups[len(word), len(kind)][label].append(at)
    draw = random.Random(SEED)
    chosen = []
    for group in groups.values():
        count = min(map(len, group.values()))
        chosen += [at for label in (0, 1) for at in draw.sample(group[label], count)]
    return [pairs[at] for at in sorted(chosen)]


def _hyperlex() -> str:
    named = os.environ.get("HYPERLEX_TABLE")
    if named:
        return Path(named).read_text(encoding="utf-8")
    archive = DownloadManager().download(f"{HYPERLEX}/{HYPERLEX_REVISION}/hyperlex-data.zip")
    with zipfile.ZipFile(archive) as opened:
        (member,) = (name for name in opened.namelist() if name.endswith("hyperlex-all.txt"))
        return opened.read(member).decode("utf-8")


def _wordnet_lines(name: str) -> list[str]:
    """The lines of a file of WordNet without the licence at its head, which is indented."""
    named = os.environ.get("WORDNET_DICT")
    folder = Path(named) if named else Path(DownloadManager().download_and_extract(WORDNET)) / "dict"
    return [line for line in (folder / name).read_text(encoding="ascii").splitlines() if not line.startswith("  ")]
