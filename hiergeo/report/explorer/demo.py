"""The demonstration: generated scenes with the bundled model, in flat and curved space, before and after training."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hiergeo import adapters, search
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.datasets.scenes.things import of_noun
from hiergeo.datasets.scenes.world import parse
from hiergeo.report.explorer.collection import BUNDLED, Collection, Lens, cached_folder
from hiergeo.report.explorer.columns import ItemTable
from hiergeo.report.explorer.items import Tiers
from hiergeo.report.explorer.thumbnails import Thumbnails

SCENES, UNSEEN = 240, 30
"""Scenes whose captions are items, and scenes of things that no training saw, which have pictures alone."""

PICTURES = 120
"""Scenes whose pictures are items of their own as well."""

ONE, TWO, NEW = "one thing", "two things", "never seen in training"
"""What a picture shows, in the order in which examples are offered."""

KINDS = "kind of thing"
"""The column that colours the items."""

TRAINED = Path(__file__).resolve().parent / "trained"
"""The folder of the head that `benchmarks/explorer_head.py` trains."""


def open_demo(device: str = "auto") -> Collection:
    """The collection of the demonstration; its indexes are built when it is opened for the first time.

    Raises:
        UnavailableError: the cache folder cannot be written.
    """
    models = [adapters.load("tiny", device=device), adapters.load(f"head:{TRAINED}", device=device)]
    hierarchy = with_unseen(scenes.load("test", count=SCENES))
    sizes = (SCENES, UNSEEN, PICTURES)
    name = "-".join(["demo", *(model.fingerprint() for model in models), *map(str, sizes), __version__])
    folder = cached_folder(name, lambda at: build_demo(at, models, hierarchy))
    plain, trained = (search.open(folder / str(at), model=model) for at, model in enumerate(models))
    lenses = (
        Lens("0", f"{BUNDLED} · euclidean", "scenes", plain, plain.chosen("euclidean")),
        Lens("1", f"{BUNDLED} · lorentz:-1", "scenes", plain, plain.chosen("lorentz:-1")),
        Lens("2", "Trained model · lorentz:-1", "scenes, trained", trained, trained.chosen("lorentz:-1")),
    )
    examples: dict[str, list[int]] = {about: [] for about in (ONE, TWO, NEW)}
    for item, about in enumerate(pictured(hierarchy).values(), len(illustrated(hierarchy))):
        examples[about].append(item)
    return Collection(
        "generated scenes",
        lenses,
        Tiers(hierarchy),
        hierarchy,
        Thumbnails([plain], folder / "pictures"),
        examples,
        ItemTable(folder / "kinds.csv"),
        KINDS,
    )


def with_unseen(hierarchy: Hierarchy) -> Hierarchy:
    """The scenes, and behind them those of things that no training saw."""
    first, more = len(hierarchy.rows), scenes.load("unseen", count=UNSEEN)
    rows = (replace(row, row_id=first + row.row_id, image_id=first + row.row_id) for row in more.rows)
    images = (replace(image, image_id=first + image.image_id) for image in more.images)
    return replace(hierarchy, rows=(*hierarchy.rows, *rows), images=(*hierarchy.images, *images))


def illustrated(hierarchy: Hierarchy) -> dict[str, int]:
    """The distinct captions of the seen scenes, each with the number of the first scene that illustrates it."""
    first: dict[str, int] = {}
    for row in hierarchy.rows[:-UNSEEN]:
        for caption in row.positive:
            first.setdefault(caption, row.row_id)
    return first


def pictured(hierarchy: Hierarchy) -> dict[int, str]:
    """The scenes whose pictures are items, in the order of these, and what each shows."""
    told = [TWO if len(parse(row.positive[-1]).things) == 2 else ONE for row in hierarchy.rows]
    seen = len(hierarchy.rows) - UNSEEN
    return dict(enumerate(told[: min(seen, PICTURES)])) | dict.fromkeys(range(seen, len(told)), NEW)


def kind_of(caption: str) -> str:
    """The top kind of the first thing that a caption tells of; empty where that may be any."""
    tops = {thing.top for thing in of_noun()[parse(caption).things[0].noun]}
    return tops.pop() if len(tops) == 1 else ""


def build_demo(folder: Path, models: Sequence[Model], hierarchy: Hierarchy) -> None:
    """Draw the pictures and build an index by every model, in a folder of its own; the first model is frozen."""
    pictures = folder / "pictures"
    pictures.mkdir()
    paths = [pictures / f"scene-{image.image_id:03d}.png" for image in hierarchy.images]
    for image, path in zip(hierarchy.images, paths, strict=True):
        image.open().save(path)
    items, shown = illustrated(hierarchy), pictured(hierarchy)
    captions, illustrations = list(items), [paths[scene] for scene in items.values()]
    finest = [hierarchy.rows[scene].positive[-1] for scene in shown]
    with (folder / "kinds.csv").open("w", encoding="utf-8", newline="") as table:
        rows = enumerate(map(kind_of, (*captions, *finest)))
        csv.writer(table).writerows([("id", KINDS), *rows])
    frozen = models[0].encode_text(captions), models[0].encode_image([paths[scene] for scene in shown])
    for at, model in enumerate(models):
        texts, images = (model.through(rows) if isinstance(model, HeadModel) else rows for rows in frozen)
        index = search.build(folder / str(at), model, captions, illustrations, embeddings=texts)
        index.add(embeddings=images, images=[paths[scene] for scene in shown])
