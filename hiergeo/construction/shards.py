"""The work of a build on disk: the drafts of each shard after each stage, in a signed document with a key."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import HASH, STRICT, Sha256
from hiergeo._core.storage.files import retire
from hiergeo.construction.drafts import Draft

FOLDER = "work"
"""The folder of the work in that of a build."""

HEAD_BYTES, TAIL = 4096, len(f'"{HASH}": "') + 64 + len('"}\n')

ENDS = re.compile(rf'"{HASH}": "[0-9a-f]{{64}}"}}\n'.encode())


@dataclass(frozen=True)
class ShardHead:
    """What stands at the beginning of a stored shard.

    Attributes:
        key: hash of all that its drafts depend on.
        hash: of its drafts.
        usage: what the backend used for it.
    """

    __pydantic_config__ = STRICT

    key: Sha256
    hash: Sha256
    usage: Mapping[str, float]


@dataclass(frozen=True)
class _Stored(ShardHead):
    """A stored shard."""

    drafts: list[Draft]


@final
class Work:
    """Stored shards.

    Args:
        out: folder of the build.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER

    def path(self, stage: str, number: int) -> Path:
        """The file of a shard."""
        return self.folder / stage / f"{number:05d}.json"

    def head(self, stage: str, number: int) -> ShardHead | None:
        """The beginning of a stored shard; None if it is not there, or not whole as far as both of its ends tell."""
        try:
            with self.path(stage, number).open("rb") as handle:
                begins = handle.read(HEAD_BYTES)
                handle.seek(-TAIL, 2)
                whole = ENDS.fullmatch(handle.read())
            head = json.loads(begins[: begins.index(b', "drafts": ')] + b"}") if whole else None
        except (OSError, ValueError):
            return None
        return None if head is None else ShardHead(head["key"], head["hash"], head["usage"])

    def read(self, stage: str, number: int, wanted: str | None = None) -> list[Draft]:
        """The drafts of a stored shard.

        Args:
            stage: its name.
            number: of the shard.
            wanted: hash that the drafts must have; None for any.

        Raises:
            InputError: it is damaged or missing, or holds other drafts.
        """
        stored = documents.read(self.path(stage, number), _Stored, hashed=True)
        if wanted not in (None, stored.hash):
            raise InputError(f"{self.path(stage, number)} was replaced by another process.")
        return stored.drafts

    def write(
        self, stage: str, number: int, key: str, drafts: Sequence[Draft], usage: Mapping[str, float]
    ) -> ShardHead:
        """Store a shard, durably and at once; returns its head.

        Raises:
            UnavailableError: it cannot be written.
        """
        values = [draft.as_dict() for draft in drafts]
        head = ShardHead(key, hash_of(values), dict(usage))
        documents.write(self.path(stage, number), {**vars(head), "drafts": values}, indent=None)
        return head

    def cut(self, stage: str, shards: int) -> None:
        """Remove what an earlier input left behind the last shard of a stage."""
        for path in sorted((self.folder / stage).glob("[0-9]*.json")):
            if path.stem.isdigit() and int(path.stem) >= shards:
                retire(path)


def hash_of(values: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
