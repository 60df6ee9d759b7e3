"""``hiergeo search --ladder`` without an index: captions from general to specific for pictures of one's own."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo._core.storage.texts import read_text
from hiergeo._core.tables import light
from hiergeo._core.text import caption, isolated
from hiergeo.cli import options
from hiergeo.cli._io import SpaceOptions, load_data, note_geometry, publish
from hiergeo.cli._terminal import note
from hiergeo.datasets.hierarchy import distinct
from hiergeo.evaluation.metrics import ladder as ladder_of

TINY = (
    "the bundled model 'tiny' knows generated scenes of coloured shapes alone, and its words for photos mean nothing: "
    "for those name a model such as --model open_clip:ViT-B-32/openai."
)


def print_ladders(
    images: Sequence[Path],
    model: str,
    texts: tuple[str, ...],
    asked: SpaceOptions,
    *,
    steps: int,
    form: str,
    json: Path | None,
    device: str,
) -> None:
    """Print what each image is, from the most general of the texts to the most specific: a tree, or a row a step."""
    asked.check()
    wanted = options.embedding(device, options.FLOAT32, None)
    loaded = adapters.load(model, device=device)
    space = asked.space(loaded)
    note_geometry(loaded, [space], asked.geometry is not None)
    embedded = loaded.encode_image(images, **wanted, progress=True)
    candidates = loaded.encode_text(texts, **wanted, progress=True)
    rooted = space.rooted(loaded.root(wanted["device"], wanted["dtype"]))
    ladders = [ladder_of(row, texts) for row in rooted.ladder(embedded, candidates, steps, progress=True).cpu().numpy()]

    settings = {"model": loaded.name, "geometry": space.geometry.fixed().spec, "steps": steps, "candidates": len(texts)}
    found = [{"image": str(image), "ladder": steps_met} for image, steps_met in zip(images, ladders, strict=True)]
    metrics = {"images": len(images), "mean_length": sum(map(len, ladders)) / len(ladders)}
    if loaded.name == "tiny":
        note(TINY)
    table, trees = light("image", "step", "caption"), []
    for image, steps_met in zip(images, ladders, strict=True):
        trees.append(Tree(Text(isolated(image.name), style="bold")))
        for step, text in enumerate(steps_met, start=1):
            table.add_row(str(image), str(step), text)
            trees[-1].add(Text(caption(text)))
    publish({"metrics": metrics, "ladders": found, "settings": settings}, json, form, [table], screen=trees)


def read_captions(path: Path) -> tuple[str, ...]:
    """The distinct non-empty lines of a UTF-8 file."""
    lines = read_text(path, "name a file of captions, one a line").splitlines()
    texts = distinct(line.strip() for line in lines if line.strip())
    if not texts:
        raise InputError(f"the captions {path} are empty: write one a line.")
    return texts


def dataset_captions(name: str, split: str) -> tuple[str, ...]:
    """The distinct captions of the positive chains of a dataset."""
    return distinct(caption for row in load_data(name, split, None).rows for caption in row.positive)
