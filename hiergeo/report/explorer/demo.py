"""The demonstration: generated scenes with the bundled model, in flat and curved space, before and after training."""

from collections.abc import Sequence
from pathlib import Path

from hiergeo import adapters, search
from hiergeo._core.version import __version__
from hiergeo.adapters import Model
from hiergeo.adapters.head import HeadModel
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.report.explorer.collection import Collection, Lens, cached_folder
from hiergeo.report.explorer.items import Tiers
from hiergeo.report.explorer.thumbnails import Thumbnails

SCENES = 240
"""Scenes whose captions are items."""

PICTURES = 100
"""Scenes whose pictures are items of their own as well."""

SIDE = 96
"""Width and height of the pictures, pixels."""

TRAINED = Path(__file__).resolve().parent / "trained"
"""The folder of the head that `benchmarks/explorer_head.py` trains."""


def open_demo(device: str = "auto") -> Collection:
    """The collection of the demonstration; its indexes are built when it is opened for the first time.

    Raises:
        UnavailableError: the cache folder cannot be written.
    """
    models = [adapters.load("tiny", device=device), adapters.load(f"head:{TRAINED}", device=device)]
    hierarchy = scenes.load("test", count=SCENES)
    name = "-".join(["demo", *(model.fingerprint() for model in models), str(SCENES), str(PICTURES), __version__])
    folder = cached_folder(name, lambda at: build_demo(at, models, hierarchy))
    plain, trained = (search.open(folder / str(at), model=model) for at, model in enumerate(models))
    lenses = (
        Lens("0", "bundled model · euclidean", "scenes", plain, plain.chosen("euclidean")),
        Lens("1", "bundled model · lorentz:-1", "scenes", plain, plain.chosen("lorentz:-1")),
        Lens("2", "trained model · lorentz:-1", "scenes, trained", trained, trained.chosen("lorentz:-1")),
    )
    return Collection(
        "generated scenes",
        lenses,
        Tiers(hierarchy),
        hierarchy,
        Thumbnails([plain], folder / "pictures"),
    )


def illustrated(hierarchy: Hierarchy) -> dict[str, int]:
    """The distinct captions of the chains, each with the number of the first scene that illustrates it."""
    first: dict[str, int] = {}
    for row in hierarchy.rows:
        for caption in row.positive:
            first.setdefault(caption, row.row_id)
    return first


def build_demo(folder: Path, models: Sequence[Model], hierarchy: Hierarchy) -> None:
    """Draw the pictures and build an index by every model, in a folder of its own; the first model is frozen."""
    pictures = folder / "pictures"
    pictures.mkdir()
    paths = [pictures / f"scene-{image.image_id:03d}.png" for image in hierarchy.images]
    for image, path in zip(hierarchy.images, paths, strict=True):
        image.open().resize((SIDE, SIDE)).save(path)
    items, shown = illustrated(hierarchy), paths[:PICTURES]
    captions, illustrations = list(items), [paths[scene] for scene in items.values()]
    frozen = models[0].encode_text(captions), models[0].encode_image(shown)
    for at, model in enumerate(models):
        texts, images = (model.through(rows) if isinstance(model, HeadModel) else rows for rows in frozen)
        index = search.build(folder / str(at), model, captions, illustrations, embeddings=texts)
        index.add(embeddings=images, images=shown)
