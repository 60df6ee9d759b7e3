"""The demonstration: generated scenes with the bundled model, in flat and in curved space."""

from pathlib import Path
from typing import NamedTuple

from hiergeo import adapters, search
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.explorer.cache import kept
from hiergeo.explorer.collection import Collection, Lens
from hiergeo.explorer.thumbnails import Thumbnails
from hiergeo.explorer.tiers import Tiers

SCENES = 300
"""Scenes whose captions are items."""

PICTURES = 120
"""Scenes whose pictures are items of their own as well."""

SIDE = 96
"""Of the pictures, pixels."""

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
    """The collection of the demonstration; its index is built when it is opened for the first time.

    Raises:
        UnavailableError: the cache folder cannot be written.
    """
    model = adapters.load("tiny", device=device)
    items = demo_scenes()
    folder = kept(f"demo-{model.fingerprint()}-{SCENES}-{PICTURES}", lambda place: build_demo(place, model, items))
    index = search.open(folder / "tiny", model=model)
    lenses = [
        Lens(str(place), f"bundled model · {spec}", "tiny", index, index.chosen(spec))
        for place, spec in enumerate(("euclidean", "lorentz:-1"))
    ]
    return Collection(
        "generated scenes",
        tuple(lenses),
        Tiers(items.hierarchy, index),
        items.hierarchy,
        Thumbnails([index], folder / "pictures"),
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


def build_demo(folder: Path, model: Model, items: Scenes) -> None:
    """Draw the pictures and build the index, in a folder of its own."""
    pictures = folder / "pictures"
    pictures.mkdir()
    paths = [pictures / f"scene-{image.image_id:03d}.png" for image in items.hierarchy.images]
    for image, path in zip(items.hierarchy.images, paths, strict=True):
        image.open().resize((SIDE, SIDE)).save(path)
    captions = list(items.captions)
    index = search.build(folder / "tiny", model, captions, [paths[scene] for scene in items.illustrations])
    index.add(images=paths[:PICTURES])
