"""A model that embeds at once, inputs of every format, and what an index holds, read without hiergeo."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from hiergeo import adapters
from hiergeo.adapters import Model
from hiergeo.geometry import Space
from hiergeo.search import CaptionFiles, building
from hiergeo.search.corpus import running
from hiergeo.search.corpus.running import Summary

DIM = 8


class Quick(Model):
    """Embeds texts by a hash of their letters and pictures by their colours; texts with NAN give NaN, with BAD fail."""

    has_images = True
    preprocessing = "none"
    text_batch, image_batch = 16, 4

    def __init__(self, mark: str = "quick") -> None:
        self.name, self.mark = mark, mark
        self.texts = 0

    def fingerprint(self) -> str:
        return hashlib.sha256(self.mark.encode()).hexdigest()[:16]

    def check_texts(self, texts: Sequence[str]) -> None:
        pass

    def check_images(self, images) -> None:
        pass

    def text_rows(self, texts: Sequence[str]) -> torch.Tensor:
        self.texts += len(texts)
        if any("BAD" in text for text in texts):
            raise KeyError("no such token")
        return torch.stack([vector(text) for text in texts])

    def image_rows(self, images) -> torch.Tensor:
        rows = [np.asarray(image, np.float64).reshape(-1, 3) for image in images]
        return torch.tensor(np.array([[*each.mean(0), *each.std(0), 50, 10] for each in rows]), dtype=torch.float32)


def vector(text: str) -> torch.Tensor:
    """What `Quick` makes of a text, before it is normalised."""
    if "NAN" in text:
        return torch.full((DIM,), torch.nan)
    raw = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)[:DIM]
    return torch.tensor(raw.astype(np.float32) - 100.5)


def captions(count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    words = ["red", "small", "a dog", "on grass", "Ärger", "犬", "two cups", "at night", "blurred", "👩‍🚀"]
    return [f"{seed}-{i} {' '.join(random.choice(words, random.integers(1, 12)))}" for i in range(count)]


def picture(colour: int, size: tuple[int, int] = (9, 7), form: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, (colour % 256, (colour * 7) % 256, (colour * 13) % 256)).save(held, form)
    return held.getvalue()


def parquet(path: Path, texts: Sequence[str | None], group: int = 50) -> Path:
    pq.write_table(pa.table({"caption": pa.array(texts, pa.string())}), path, row_group_size=group)
    return path


def tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    texts = captions(count, seed)
    return [
        member
        for i, text in enumerate(texts)
        for member in ((f"x/{seed}-{i:03d}.png", picture(i)), (f"x/{seed}-{i:03d}.txt", text.encode()))
    ]


def inputs(folder: Path) -> dict[str, list[str]]:
    """Inputs of every format of captions; gives the captions of each by its name, in the order of names."""
    folder.mkdir(exist_ok=True)
    made = {f"{name}": captions(60 + 10 * i, i) for i, name in enumerate(NAMES)}
    parquet(folder / NAMES[0], made[NAMES[0]])
    (folder / NAMES[1]).write_text("id,caption\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(made[NAMES[1]])))
    with gzip.open(folder / NAMES[2], "wt", encoding="utf-8") as handle:
        handle.writelines(json.dumps({"text": text}) + "\n" for text in made[NAMES[2]])
    tar(folder / NAMES[3], [(f"{i:04d}.txt", text.encode()) for i, text in enumerate(made[NAMES[3]])])
    (folder / NAMES[4]).write_text("\n".join(made[NAMES[4]]))
    return made


NAMES = ("a.parquet", "b.csv", "c.jsonl.gz", "d.tar", "e.txt")


def embed(
    inputs: Path | str,
    out: Path,
    model: Model | str,
    space: Space | str | None = None,
    *,
    caption: str | None = None,
    items: Any = "captions",
    **settings: Any,
) -> Summary:
    """Build an index of files, each an input of its own, however few they are."""
    sources = building.sources_of(out, CaptionFiles(inputs, caption), None, None, None, items, spread=True)
    loaded = adapters.load(model, device="cpu") if isinstance(model, str) else model
    return running.run(out, sources, loaded, space, **settings)


def stored(out: Path) -> dict[int, tuple[bytes, bytes, str | None, str | None]]:
    """What an index holds: id -> direction, radius, caption, image. Each id is there once."""
    manifest = json.loads((out / "index.json").read_text())
    found: dict[int, tuple[bytes, bytes, str | None, str | None]] = {}
    for shard in manifest["shards"]:
        place = out / "shards" / shard["name"]
        ids = np.fromfile(place / "ids.i64", np.int64)
        directions = np.fromfile(place / "directions", np.dtype(manifest["dtype"])).reshape(len(ids), -1)
        radii = np.fromfile(place / "radii.f32", np.float32)
        labels = pq.read_table(place / "captions.parquet").to_pydict()
        assert len(ids) == shard["rows"]
        for i, number in enumerate(ids.tolist()):
            assert number not in found
            found[number] = (directions[i].tobytes(), radii[i].tobytes(), labels["caption"][i], labels["image"][i])
    return found


def poisoned(out: Path) -> list[tuple[str, int, str]]:
    """The rows that were set aside: input, row and reason."""
    names = [source["name"] for source in json.loads((out / "corpus.json").read_text())["inputs"]]
    records = [json.loads(path.read_text()) for path in sorted((out / "inputs").glob("*.json"))]
    return [(names[held["number"]], row["row"], row["reason"]) for held in records for row in held["defects"]]


def texts(folder, **made):
    folder.mkdir(exist_ok=True)
    for name, lines in made.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder
