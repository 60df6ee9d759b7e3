"""The tasks that are to be proposed to mteb: their pairs, and mteb's scores of them against the package's own."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hiergeo.datasets import data_home
from hiergeo.datasets.hyperlex import FILE
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.evaluation.metrics import Ranking

mteb = pytest.importorskip("mteb", reason="needs mteb: run `make test-services`")
pytest.importorskip("datasets")

DICT = Path("/usr/share/wordnet")
GAP = 1e-9


@pytest.fixture
def tasks(monkeypatch):
    if not (DICT / "data.noun").is_file() or not (data_home() / FILE).is_file():
        pytest.skip("needs HyperLex, and WordNet's own files (Debian's wordnet-base)")
    from benchmarks.mteb_tasks.tasks import HyperLexPC, WordNetIsAPC

    monkeypatch.setenv("HYPERLEX_TABLE", str(data_home() / FILE))
    monkeypatch.setenv("WORDNET_DICT", str(DICT))
    return HyperLexPC(), WordNetIsAPC()


def lengths(pairs, label: int) -> Counter[tuple[int, int]]:
    return Counter((len(word), len(kind)) for word, kind, own in pairs if own == label)


def test_lengths_tell_nothing_and_labels_are_wordnets(tasks):
    hyperlex, wordnet = (task.pairs() for task in tasks)
    assert len(hyperlex["all"]) == 2616
    assert lengths(hyperlex["length_balanced"], 0) == lengths(hyperlex["length_balanced"], 1)
    nouns = load_wordnet()
    for edges, pairs in enumerate(wordnet.values(), 1):
        positive, negative = lengths(pairs, 1), lengths(pairs, 0)
        assert sum(positive.values()) == 500
        assert negative == Counter({key: 2 * count for key, count in positive.items()})
        for word, kind, label in pairs:
            assert word not in kind
            assert kind not in word
            above = f"{word}.n.01"
            for _ in range(edges):
                above = next(iter(nouns.parents.get(above, ())), "")
            if label:
                assert above.split(".")[0] == kind
            else:
                assert above.split(".")[0] != kind


def test_scores_are_those_of_the_package(tasks):
    class Drawn:
        """Draws the row of a word by its letters, and scores pairs by one coordinate of either side."""

        mteb_model_meta = None

        def encode(self, inputs, **_):
            words = [word for batch in inputs for word in batch["text"]]
            return np.stack([np.random.default_rng(list(word.encode())).normal(size=8) for word in words])

        def similarity_pairwise(self, embeddings1, embeddings2):
            return np.asarray(embeddings1)[:, 0] - np.asarray(embeddings2)[:, 1]

        def similarity(self, embeddings1, embeddings2):
            return np.asarray(embeddings1)[:, :1] - np.asarray(embeddings2)[:, 1]

    model = Drawn()
    done = mteb.evaluate(model, list(tasks), cache=None, show_progress_bar=False)
    for task, result in zip(tasks, done.task_results, strict=True):
        pairs = task.pairs()
        assert {scores["hf_subset"] for scores in result.scores["test"]} == set(pairs)
        for scores in result.scores["test"]:
            first, second, labels = zip(*pairs[scores["hf_subset"]], strict=True)
            positive = np.array(labels) == 1
            word, kind = (model.encode([{"text": words}]) for words in (first, second))
            norms = np.linalg.norm(word, axis=1) * np.linalg.norm(kind, axis=1)
            own = {"cosine": np.round((word * kind).sum(axis=1) / norms, 12), "similarity": word[:, 0] - kind[:, 1]}
            own["length"] = np.array([len(a) - len(b) for a, b in zip(first, second, strict=True)])
            aurocs = {name: Ranking(score[positive], score[~positive]).auroc() for name, score in own.items()}
            assert abs(scores["similarity_auroc"] - aurocs["similarity"]) < GAP
            assert scores["main_score"] == scores["similarity_auroc"]
            assert abs(scores["length_auroc"] - aurocs["length"]) < GAP
            assert abs(scores["cosine_auroc"] - aurocs["cosine"]) < GAP
