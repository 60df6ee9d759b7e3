"""The folder of an exact index: its manifest ``index.json`` and the shards that the manifest names.

What the manifest does not name does not exist: shards are written first and the manifest last, by a rename, so that a
process killed at any moment leaves the index as it was.
"""

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Count, Int64, Json, Positive, Sha256
from hiergeo._core.storage.files import atomic_write, atomic_write_text, make_folder, writing
from hiergeo.adapters import Model
from hiergeo.geometry import Geometry, Space
from hiergeo.geometry.spec import recorded
from hiergeo.search.rows import Frame, root_sha256

MANIFEST = "index.json"
ROOT = "root.f32"
SHARDS = "shards"

RESERVE = "reserve"
"""An empty file that holds room of the disk, which deleting and compacting use where the disk is full."""

RESERVED = 1 << 20
"""Bytes of that room: lists of a quarter of a million deleted rows, or the manifest of a thousand shards."""

KEEP_SIZE = 1
"""Mode of fallocate of Linux: blocks are given to a file whose size stays."""

PLAN = "corpus.json"
"""What an index is made of."""

SHARD_BYTES = 1 << 28
"""Bytes of directions in a full shard."""

SHARD_ROWS = 1 << 19
"""Rows after which a shard is full, whatever their dimension."""

SHARD_CHARACTERS = 1 << 28
"""Characters of captions after which a shard is written whatever its rows."""

BATCH = 4096
"""Items that are embedded at a time."""

VERSION: Final = 1
"""The version of the layout; an index of another one is refused."""

FILE = r"[0-9a-z][0-9a-z.-]{0,79}"
"""The name of a file of a shard; no path leads out of it."""

DTYPES = {"float16": torch.float16, "float32": torch.float32}


WITNESS = torch.finfo(torch.float16).eps
"""Relative difference of two witnesses up to which their models are one: rows of an index may be rounded as much."""


@dataclass(frozen=True)
class ModelFacts:
    """The model that embedded the items; `witness` is the float32 numbers of `Model.witness` in hexadecimal."""

    __pydantic_config__ = STRICT

    name: str
    fingerprint: str
    normalised: bool
    witness: Annotated[str, Field(pattern=r"^([0-9a-f]{8})+$")] | None = None

    @classmethod
    def of(cls, model: Model) -> "ModelFacts":
        """Those of a model."""
        rows = model.witness()
        witness = None if rows is None else rows.numpy().astype("<f4").tobytes().hex()
        return cls(model.name, model.fingerprint(), model.normalised, witness)

    def fit(self, model: Model) -> bool:
        """Whether they are those of a model: by the fingerprint, or else by the embeddings of the same inputs."""
        if self.fingerprint == model.fingerprint():
            return True
        rows = model.witness() if self.witness else None
        if rows is None or self.witness is None:
            return False
        own = np.frombuffer(bytes.fromhex(self.witness), "<f4")
        return own.shape == rows.shape and bool(np.linalg.norm(rows.numpy() - own) <= WITNESS * np.linalg.norm(own))


@dataclass(frozen=True)
class Shard:
    """One immutable shard, the folder `name` in ``shards``; its rows are sorted by radius, then by id.

    It holds `rows`, deleted ones included, with radii from `low` to `high` and ids from `first` to `last`; `sha256` and
    `bytes` are of each file by name, `tombstones` is the file that lists the deleted rows, and `bounds` says for each
    edge between shells how many rows have a radius up to it, deleted ones included.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=r"^[0-9a-z-]{1,80}$")]
    rows: Positive
    low: float
    high: float
    first: Int64
    last: Int64
    sha256: dict[str, Sha256]
    bytes: dict[str, Count]
    deleted: Count = 0
    tombstones: Annotated[str, Field(pattern=f"^{FILE}$")] | None = None
    bounds: tuple[Count, ...] = ()


@dataclass(frozen=True)
class Retired:
    """A folder or file below ``shards`` that was part of the index, and the first generation without it."""

    __pydantic_config__ = STRICT

    path: Annotated[str, Field(pattern=rf"^[0-9a-z-]{{1,80}}(/{FILE})?$")]
    since: Count


@dataclass(frozen=True)
class Manifest:
    """What an index holds: shards in the order in which they were added, in a space that searches use by default.

    `edges` are ascending radii between shells of equal mass, one fewer than shells, of which the first is the core.
    `generation` grows with every change; `next_id` is larger than every id that there ever was; ids below `reserved`
    are those of rows of files; what is `retired` is removed when no reader uses it.
    """

    __pydantic_config__ = STRICT

    frame: Frame
    dtype: Annotated[str, Field(pattern=r"^float(16|32)$")]
    geometry: str
    min_radius: float
    model: ModelFacts | None
    edges: tuple[float, ...] = ()
    shards: tuple[Shard, ...] = ()
    generation: Count = 0
    next_id: Annotated[int, Field(ge=0, le=1 << 63)] = 0
    retired: tuple[Retired, ...] = ()
    reserved: Count = 0
    law: dict[str, Json] = field(default_factory=dict)
    version: Literal[1] = VERSION

    @property
    def space(self) -> Geometry:
        """The geometry of the index with what it has learnt."""
        return recorded(self.geometry, self.law)

    @property
    def rows(self) -> int:
        """Items that are not deleted."""
        return sum(shard.rows - shard.deleted for shard in self.shards)

    @property
    def full(self) -> int:
        """Rows after which a shard is full; it may have nearly a batch more."""
        return min(SHARD_ROWS, max(BATCH, SHARD_BYTES // (self.frame.dim * DTYPES[self.dtype].itemsize)))

    def next(self, **changes: Any) -> "Manifest":
        """The manifest of the next generation."""
        return replace(self, generation=self.generation + 1, **changes)


def read(folder: Path) -> Manifest:
    """The manifest of an index; raises UnavailableError where there is none, InputError if it is damaged."""
    path = folder / MANIFEST
    check_name(folder)
    if not path.is_file():
        if (folder / PLAN).is_file():
            raise UnavailableError(f"the index in {folder} is not complete: run the command that builds it again.")
        example = f"OUT --captions {folder}" if folder.is_file() else "OUT" if folder.exists() else folder
        raise UnavailableError(f"{folder} holds no index: build one with 'hiergeo index build {example}'.")
    manifest = documents.read(path, Manifest, hashed=True)
    _check_fit(path, manifest)
    return manifest


def check_name(folder: Path) -> None:
    """Raise InputError for the name of a folder that is not UTF-8, whose files torch and Arrow cannot open."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise InputError(f"the name of the folder {folder} is not UTF-8: an index needs one that is.") from None


def _check_fit(path: Path, manifest: Manifest) -> None:
    """Raise InputError unless the values of a manifest fit each other."""
    space = Frame.of(Space(manifest.space, False), manifest.frame.dim)
    fits = {
        "the geometry is not that of the frame": (space.dims, space.norm) == (manifest.frame.dims, manifest.frame.norm),
        "the edges of shells do not ascend": list(manifest.edges) == sorted(manifest.edges),
        "two shards have one name": len({shard.name for shard in manifest.shards}) == len(manifest.shards),
    }
    for shard in manifest.shards:
        bounds = list(shard.bounds)
        fits[f"the record of shard {shard.name} contradicts itself"] = (
            0 <= shard.low <= shard.high
            and 0 <= shard.first <= shard.last
            and (shard.tombstones is None or shard.tombstones in shard.bytes)
            and (shard.deleted > 0) == (shard.tombstones is not None)
            and shard.deleted <= shard.rows
            and len(bounds) == len(manifest.edges)
            and bounds == sorted(bounds)
            and max(bounds, default=0) <= shard.rows
        )
    for what, holds in fits.items():
        if not holds:
            raise InputError(f"{path} is damaged ({what}): restore the file or make the index again.")


def commit(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the current one, durably and at once; raises UnavailableError, the index is as before then."""
    text = documents.signed(asdict(manifest), None)
    if len(text) > limits.JSON_BYTES:
        raise UnavailableError(
            f"{folder} would have {len(manifest.shards):,} shards, more than {MANIFEST} can list in "
            f"{limits.JSON_BYTES:,} bytes: compact it, or merge small inputs."
        )
    atomic_write_text(folder / MANIFEST, text)
    keep_reserve(folder)


def keep_reserve(folder: Path) -> None:
    """Set room aside in an index, as much as the disk has of it; Linux alone can do so without a file of that size."""
    if not sys.platform.startswith("linux"):
        return
    give = ctypes.CDLL(None).fallocate
    give.argtypes = ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64
    with suppress(OSError), (folder / RESERVE).open("ab") as handle:
        held = os.fstat(handle.fileno()).st_blocks * 512
        room = RESERVED
        while held < room and give(handle.fileno(), KEEP_SIZE, 0, room):
            room //= 2


def create(folder: Path, manifest: Manifest, root: Tensor | None) -> None:
    """Make an empty index of a manifest, whose root is written first."""
    write_root(folder, root)
    commit(folder, manifest)


def write_root(folder: Path, root: Tensor | None) -> None:
    """Store the root of an index, in a folder that is made for it."""
    with writing(folder):
        make_folder(folder.resolve() / SHARDS)
    if root is not None:
        with atomic_write(folder / ROOT) as handle:
            handle.write(root.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())


def read_root(folder: Path, frame: Frame) -> Tensor | None:
    """The root of an index, (D,) float32, None for one without; raises InputError if it is not that of the manifest."""
    if frame.root_sha256 is None:
        return None
    try:
        root = torch.frombuffer(bytearray((folder / ROOT).read_bytes()), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ROOT} cannot be read ({error}): restore the file.") from error
    if len(root) != frame.dim or root_sha256(root) != frame.root_sha256:
        raise InputError(f"{folder / ROOT} is damaged: it is not the root that {MANIFEST} names; restore the file.")
    return root


def space_of(folder: Path, manifest: Manifest) -> Space:
    """The space that an index is searched in unless another is named."""
    root = read_root(folder, manifest.frame)
    return Space(manifest.space, False if root is None else root, min_radius=manifest.min_radius)
