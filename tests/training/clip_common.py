"""What the tests of `train_clip` share: a short training of the bundled architecture on a few scenes."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from hiergeo.training import TrainedFolder, train_clip

SHORT: dict[str, Any] = {"steps": 4, "batch": 8, "every": 2, "warmup": 1, "data": {"rows": 40, "held_out": 8}}


def trained(out: Path, *, overwrite: bool = False, **changes: Any) -> TrainedFolder:
    """The tiny model after a short training, `SHORT` but for the changes."""
    return train_clip({"out": str(out), **SHORT, **changes}, overwrite=overwrite)


EDGES = (0, 0.25, 0.5, 1), (0.25, 0, 1, 0.5), (0, 0, 1, 0.75)
"""Left, top, right and bottom of the boxes of every picture of `grit`."""

SIZE = 24
"""Sides of these pictures; edges fall between pixels."""


def picture(number: int) -> Image.Image:
    """A picture like no other."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8))


def part(number: int, box: int) -> Image.Image:
    """The box of a picture, cut out."""
    left, top, right, bottom = (int(SIZE * edge) for edge in EDGES[box])
    return Image.fromarray(np.asarray(picture(number))[top:bottom, left:right])


def phrase(number: int, box: int) -> str:
    return f"part {box} of {number}"


def _members(count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        pictures = {"child": picture(number)} | {f"parent{box:03d}": part(number, box) for box in range(len(EDGES))}
        texts = {"child": f"picture {number}"} | {f"parent{box:03d}": phrase(number, box) for box in range(len(EDGES))}
        for name, each in pictures.items():
            file = io.BytesIO()
            each.save(file, "PNG")
            yield f"{number:04d}.{name}.png", file.getvalue()
            yield f"{number:04d}.{name}.txt", texts[name].encode()


def grit(path: Path, count: int = 60) -> Path:
    """An archive of pictures with three boxes each, in the layout of HyCoCLIP's GRIT."""
    with tarfile.open(path, "w") as archive:
        for name, content in _members(count):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def table_of_boxes(folder: Path, count: int = 60) -> Path:
    """The pictures of `grit` with their boxes as a table of JSON lines."""
    rows = []
    for number in range(count):
        picture(number).save(folder / f"{number:04d}.png")
        boxes = [{"phrase": phrase(number, box), "box": list(edges)} for box, edges in enumerate(EDGES)]
        rows.append(json.dumps({"caption": f"picture {number}", "image": f"{number:04d}.png", "boxes": boxes}) + "\n")
    (folder / "boxes.jsonl").write_text("".join(rows))
    return folder / "boxes.jsonl"


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "open_clip_model.safetensors")


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights, bit for bit, and the same factors."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(bool((a[name] == b[name]).all()) for name in a)
