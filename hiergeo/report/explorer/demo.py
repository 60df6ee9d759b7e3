"""The demonstration: generated scenes with the bundled model, in flat and curved space, before and after training."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, search
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.report.explorer.cache import kept
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.thumbnails import Thumbnails
from hiergeo.report.explorer.tiers import Tiers

SCENES = 240
"""Scenes whose captions are items."""

PICTURES = 100
"""Scenes whose pictures are items of their own as well."""

SIDE = 96
"""Of the pictures, pixels."""

TRAINED = Path(__file__).resolve().parent / "trained"
"""The folder of the head that `benchmarks/explorer_head.py` trains."""

EXAMPLES = (
    "a small striped blue triangle in the bottom left on a grey background",
    "a yellow circle",
    "two big shapes",
    "a big dotted red ring",
)


class Scenes(NamedTuple):
    """The items of the demonstration.

    Attributes:
        hierarchy: the chains of captions.
        captions: distinct ones, from the chains.
        illustrations: number of the scene that illustrates each caption.
    """

    hierarchy: Hierarchy
    captions: tuple[str, ...]
    illustrations: tuple[int, ...]


def open_demo(device: str = "auto") -> Collection:
    """The collection of the demonstration; its indexes are built when it is opened for the first time.

    Raises:
        UnavailableError: the cache folder cannot be written.
    """
    models = [adapters.load("tiny", device=device), adapters.load(f"head:{TRAINED}", device=device)]
    items = demo_scenes()
    name = "-".join(["demo", *(model.fingerprint() for model in models), str(SCENES), str(PICTURES), __version__])
    folder = kept(name, lambda at: build_demo(at, models, items))
    plain, trained = (search.open(folder / str(at), model=model) for at, model in enumerate(models))
    lenses = (
        Lens("0", "bundled model · euclidean", "scenes", plain, plain.chosen("euclidean")),
        Lens("1", "bundled model · lorentz:-1", "scenes", plain, plain.chosen("lorentz:-1")),
        Lens("2", "after training · lorentz:-1", "scenes, trained", trained, trained.chosen("lorentz:-1")),
    )
    return Collection(
        "generated scenes",
        lenses,
        Tiers(items.hierarchy),
        items.hierarchy,
        Thumbnails([plain], folder / "pictures"),
        EXAMPLES,
    )


def demo_scenes() -> Scenes:
    """The captions of the scenes and the pictures that illustrate them."""
    hierarchy = scenes.load("test", count=SCENES)
    first: dict[str, int] = {}
    for row in hierarchy.rows:
        for caption in row.positive:
            first.setdefault(caption, row.row_id)
    return Scenes(hierarchy, tuple(first), tuple(first.values()))


def build_demo(folder: Path, models: Sequence[Model], items: Scenes) -> None:
    """Draw the pictures and build an index by every model, in a folder of its own; the first model is frozen."""
    pictures = folder / "pictures"
    pictures.mkdir()
    paths = [pictures / f"scene-{image.image_id:03d}.png" for image in items.hierarchy.images]
    for image, path in zip(items.hierarchy.images, paths, strict=True):
        image.open().resize((SIDE, SIDE)).save(path)
    captions, shown = list(items.captions), paths[:PICTURES]
    frozen = models[0].encode_text(captions), models[0].encode_image(shown)
    for at, model in enumerate(models):
        texts, images = (model.through(rows) if isinstance(model, HeadModel) else rows for rows in frozen)
        illustrations = [paths[scene] for scene in items.illustrations]
        index = search.build(folder / str(at), model, captions, illustrations, embeddings=texts)
        index.add(embeddings=images, images=shown)
