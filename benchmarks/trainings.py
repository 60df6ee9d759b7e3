"""Trainings of one small image-text model in several spaces: ``python -m benchmarks.trainings --out DIR``.

Data, order, first weights, steps and recipe are the same for every space; runs of one seed differ in the space and in
whether the entailment loss is added. A run is one line of ``DIR/runs.jsonl``, written when it has been measured: the
same command goes on where it was interrupted. `benchmarks.trainings_summary` makes tables, verdict and figure of them.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

import hiergeo
from hiergeo import adapters, training
from hiergeo._core.progress import track
from hiergeo._core.storage.files import atomic_write_text
from hiergeo.adapters import Model
from hiergeo.adapters.open_clip import OpenClipModel
from hiergeo.adapters.trained import TrainedModel
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.evaluation import Embedded, embed
from hiergeo.evaluation.auditing import AuditSettings
from hiergeo.evaluation.matching import retrieve
from hiergeo.evaluation.measuring import native_space
from hiergeo.geometry import Space

SPACES = {
    "cosine": "cosine",
    "Euclidean": "euclidean",
    "K = -0.1": "lorentz:-0.1",
    "K = -1": "lorentz:-1",
    "K = -4": "lorentz:-4",
    "K learnt": "lorentz:-1?learnable",
    "product": "product:lorentz:-1x32,euclidean:x32",
    "Euclidean, wide": "euclidean",
}
"""What a table calls a space, and its spec; distances are those of the space but for ``cosine``."""

MIN_RADIUS = {"Euclidean, wide": 0.1 / math.sqrt(0.1)}
"""Minimum radius of cones, 0.1 in other spaces: in flat space these are the cones of K = -0.1 at small radii."""

WEIGHTS = (0.0, 0.2)  # weights of the entailment loss: without it, and as published recipes have it
BLOCKS = (("scratch", "growing"), ("tiny", "balanced"), ("scratch", "balanced"))
"""What training starts from, and its captions: those of scenes that grow from tier to tier, or those whose number of
words says nothing of the tier. The bundled model already finds nearly every picture of growing captions."""

BEFORE = {"cosine before": "cosine", "Euclidean before": "Euclidean"}
"""In the place of a space: what is measured there before the first step."""

SIDE = 32  # pixels of the pictures that the architecture takes


@dataclass(frozen=True)
class Recipe:
    """What all runs share.

    Attributes:
        rows: pictures of each kind of captions, with four captions each.
        steps: from random weights, growing captions.
        balanced_steps: the same for balanced captions, which are harder to learn.
        retrofit_steps: of the bundled model.
        batch: pairs a step.
        learning_rate: at its peak, from random weights; like the steps from trainings of cosines alone.
        retrofit_rate: the same for the bundled model.
        weight_decay: of matrices.
        looks: measurements on the way, of pictures held out from the training.
        test: scenes that runs are measured on.
    """

    rows: int = 8000
    steps: int = 150
    balanced_steps: int = 180
    retrofit_steps: int = 40
    batch: int = 64
    learning_rate: float = 2e-3
    retrofit_rate: float = 2e-4
    weight_decay: float = 0.05
    looks: int = 4
    test: int = 400


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        start: ``scratch`` for random weights, ``tiny`` for those of the bundled model.
        captions: ``growing`` or ``balanced``.
        space: a name of `SPACES`, or of `BEFORE` for what training starts from.
        entailment: weight of the entailment loss, 0 for none.
        seed: of weights and order.
    """

    start: str
    captions: str
    space: str
    entailment: float
    seed: int


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """All runs, seed by seed, so that a part of them holds every space equally often."""
    for seed, (start, captions) in product(seeds, BLOCKS):
        yield from (Case(start, captions, before, 0.0, seed) for before in BEFORE)
        for space, weight in product(SPACES, WEIGHTS):
            if weight and space == "cosine":  # it has no cones that an entailment loss could use
                continue
            if space in MIN_RADIUS and not (weight and captions == "growing"):  # else it is the run of Euclidean space
                continue
            yield Case(start, captions, space, weight, seed)


def plan(case: Case, recipe: Recipe, table: Path, out: Path) -> dict[str, Any]:
    """The plan of a run for `hiergeo.training.train_clip`."""
    scratch = case.start == "scratch"
    long = recipe.steps if case.captions == "growing" else recipe.balanced_steps
    steps = long if scratch else recipe.retrofit_steps
    return {
        "out": str(out),
        "model": "tiny",
        "fresh": scratch,
        "space": SPACES[case.space],
        "min_radius": MIN_RADIUS.get(case.space, 0.1),
        "losses": {"contrastive": 1.0} | ({"entailment": case.entailment} if case.entailment else {}),
        "data": {"source": str(table), "held_out": 64, "buffer": recipe.rows, "workers": 1},
        "steps": steps,
        "batch": recipe.batch,
        "learning_rate": recipe.learning_rate if scratch else recipe.retrofit_rate,
        "warmup": steps // 8,
        "weight_decay": recipe.weight_decay,
        "every": max(1, steps // recipe.looks),
        "seed": case.seed,
        "device": "cpu",
    }


def drawn(folder: Path, captions: str, rows: int) -> Path:
    """The table of the training pictures, drawn once at the size of the model."""
    table = folder / f"{captions}-{rows}" / "pairs.jsonl"
    if table.exists():
        return table
    table.parent.mkdir(parents=True, exist_ok=True)
    data = scenes.load("train", count=rows, balanced=captions == "balanced")
    lines = []
    for row, image in zip(track(data.rows, f"drawing, {captions}", enabled=True), data.images, strict=True):
        name = f"{row.row_id}.png"
        image.open().resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(table.parent / name)
        lines.append(json.dumps({"image": name, "caption": list(row.positive)}) + "\n")
    atomic_write_text(table, "".join(lines))
    return table


@cache
def tested(captions: str, count: int) -> Hierarchy:
    """The test scenes with their pictures kept in memory."""
    data = scenes.load("test", count=count, balanced=captions == "balanced")
    images = tuple(ImageRef(each.image_id, partial(Image.Image.copy, each.open())) for each in data.images)
    return replace(data, images=images)


def before(case: Case) -> TrainedModel:
    """The model that a run starts from, as `hiergeo.training.train_clip` makes it."""
    base = adapters.load("tiny", device="cpu")
    base = adapters.untrained(base, case.seed) if case.start == "scratch" else base
    assert isinstance(base, OpenClipModel)
    if BEFORE[case.space] == "cosine":
        return TrainedModel(case.space, base, torch.zeros(2), None)
    space = Space(SPACES[BEFORE[case.space]], torch.zeros(base.dim))
    return TrainedModel(case.space, base, torch.full((2,), -0.5 * math.log(base.dim)), space)


def run(case: Case, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Train a model and measure it: JSON values."""
    begun = time.process_time(), time.time()
    record: dict[str, Any] = {"case": asdict(case), "recipe": asdict(recipe)}
    with TemporaryDirectory() as out:
        if case.space in BEFORE:
            model: Model = before(case)
        else:
            trained = training.train_clip(plan(case, recipe, drawn(folder, case.captions, recipe.rows), Path(out)))
            model = adapters.load(trained.spec, device="cpu")
            record |= {"diverged": trained.diverged, "looks": [look.as_dict() for look in trained.history]}
        record["processor_s"] = {"training": time.process_time() - begun[0]}
        record |= measured(model, tested(case.captions, recipe.test))
    record["processor_s"]["all"], record["wall_s"] = time.process_time() - begun[0], time.time() - begun[1]
    return record


@torch.no_grad()
def measured(model: Model, data: Hierarchy) -> dict[str, Any]:
    """The audit of a model in its space, with R@1 and what the cones of captions hold of pictures."""
    embedded, space = embed(model, data, negatives=True), native_space(model)
    audit = hiergeo.audit(embedded, space=space, settings=AuditSettings(steps=20))
    recall = [float((ranks < 1).mean()) for ranks in retrieve(embedded, space)]
    found = {"image_to_text_r1": recall[0], "text_to_image_r1": recall[1], "retrieval": sum(recall) / 2}
    return {
        "numbers": audit.numbers | found | {"image_cone_gain": image_cones(embedded, space)},
        "answers": {question: answer.word for question, answer in audit.answers.items()},
    }


def image_cones(embedded: Embedded, space: Space) -> float:
    """Share of the pictures in the cone of their most specific caption, less the share of all pictures in it."""
    rooted = space.rooted(embedded.root)
    assert embedded.image is not None
    images = rooted.points(embedded.image)
    place: dict[int | None, int] = {image.image_id: i for i, image in enumerate(embedded.hierarchy.images)}
    own = rooted.points(embedded.positive[:, -1])
    mine = images.rows(torch.tensor([place[row.image_id] for row in embedded.hierarchy.rows]))
    return float((rooted.entails(own, mine).double() - rooted.count(own, images).double() / len(place)).mean())


def known(path: Path) -> list[dict[str, Any]]:
    """The runs that are there."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainings", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs, pictures and their summary")
    parser.add_argument("--seeds", type=int, default=3)
    for name, default in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    args = parser.parse_args(words)
    recipe = Recipe(**{name: getattr(args, name) for name in asdict(Recipe())})
    path = args.out / "runs.jsonl"
    done = known(path)
    args.out.mkdir(parents=True, exist_ok=True)
    for case in cases(range(args.seeds)):
        if any(each["case"] == asdict(case) and each["recipe"] == asdict(recipe) for each in done):
            continue
        done.append(run(case, recipe, args.out))
        atomic_write_text(path, "".join(json.dumps(each) + "\n" for each in done))
        print(case, {name: round(value) for name, value in done[-1]["processor_s"].items()}, flush=True)


if __name__ == "__main__":
    main()
