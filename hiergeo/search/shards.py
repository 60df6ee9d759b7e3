"""The files of one shard: directions, radii and ids as raw arrays, captions in Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hiergeo.errors import UnavailableError
from hiergeo.geometry import Geometry
from hiergeo.search.layout import DTYPES, Manifest, Shard
from hiergeo.search.rows import Rows
from hiergeo.search.sweep import lexicographic
from hiergeo.storage.files import sha256

DIRECTIONS, RADII, IDS, CAPTIONS = "directions", "radii.f32", "ids.i64", "captions.parquet"

ROW_GROUP = 1024
"""Captions that are read at a time."""


@dataclass(frozen=True)
class Labels:
    """What items are called.

    Attributes:
        captions: one for each item, or None.
        images: the reference of its image, one for each item, or None.
    """

    captions: Sequence[str | None]
    images: Sequence[str | None]


def write_shard(folder: Path, rows: Rows, labels: Labels, geometry: Geometry) -> Shard:
    """Write a shard to a new folder; `layout.commit` makes it part of an index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    radius = rows.radius(geometry)
    order = lexicographic(radius.double(), rows.ids)
    rows, radius = rows.take(order), radius[order]
    folder.mkdir(parents=True)
    (folder / DIRECTIONS).write_bytes(rows.direction.numpy().tobytes())
    (folder / RADII).write_bytes(rows.radii.numpy().tobytes())
    (folder / IDS).write_bytes(rows.ids.numpy().tobytes())
    places = order.tolist()
    table = pa.table(
        {
            "caption": pa.array([labels.captions[i] for i in places], pa.string()),
            "image": pa.array([labels.images[i] for i in places], pa.string()),
        }
    )
    pq.write_table(table, folder / CAPTIONS, row_group_size=ROW_GROUP, compression="zstd")
    hashes = {name: sha256(folder / name) for name in (DIRECTIONS, RADII, IDS, CAPTIONS)}
    ends = int(rows.ids.min()), int(rows.ids.max())
    return Shard(folder.name, len(rows), float(radius[0]), float(radius[-1]), *ends, hashes)


def read_rows(folder: Path, manifest: Manifest, shard: Shard, start: int, stop: int) -> Rows:
    """Rows start to stop of a shard."""
    dtype, dim, factors = DTYPES[manifest.dtype], manifest.frame.dim, len(manifest.frame.dims)

    def part(name: str, kind: np.dtype, width: int) -> torch.Tensor:
        try:
            held = np.fromfile(
                folder / shard.name / name, kind, (stop - start) * width, offset=start * width * kind.itemsize
            )
        except OSError as error:
            raise UnavailableError(f"shard {shard.name} cannot be read ({error}): restore it.") from error
        return torch.from_numpy(held)

    narrow = np.dtype("float16") if dtype == torch.float16 else np.dtype("float32")
    return Rows(
        part(IDS, np.dtype("int64"), 1),
        part(DIRECTIONS, narrow, dim).view(-1, dim),
        part(RADII, np.dtype("float32"), factors).view(-1, factors),
    )


def read_labels(folder: Path, shard: Shard, places: Sequence[int]) -> Labels:
    """Captions and images of rows of a shard."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(folder / shard.name / CAPTIONS)
    groups = sorted({place // ROW_GROUP for place in places})
    tables = {group: file.read_row_group(group).to_pydict() for group in groups}
    return Labels(
        *([tables[place // ROW_GROUP][name][place % ROW_GROUP] for place in places] for name in ("caption", "image"))
    )
