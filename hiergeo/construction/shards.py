"""The work of a build on disk: the drafts of each shard after each stage, in a signed document with a key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Sha256
from hiergeo._core.storage.files import retire
from hiergeo.construction.drafts import Draft

FOLDER = "work"
"""The folder of the work in that of a build."""


@dataclass(frozen=True)
class StoredShard:
    """A shard after a stage, with a hash of all that it depends on, and what the backend used for it so far."""

    __pydantic_config__ = STRICT

    key: Sha256
    usage: Mapping[str, int | float]
    drafts: list[Draft]


@final
class Work:
    """Stored shards, in the folder of a build."""

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER

    def path(self, stage: str, number: int) -> Path:
        """The file of a shard."""
        return self.folder / stage / f"{number:05d}.json"

    def read(self, stage: str, number: int) -> StoredShard:
        """A stored shard; raises InputError if it is damaged or missing."""
        return documents.read(self.path(stage, number), StoredShard, hashed=True)

    def write(
        self, stage: str, number: int, key: str, drafts: Sequence[Draft], usage: Mapping[str, float]
    ) -> StoredShard:
        """Store a shard, durably and at once; raises UnavailableError if it cannot be written."""
        shard = StoredShard(key, dict(usage), list(drafts))
        documents.write(self.path(stage, number), asdict(shard), indent=None)
        return shard

    def cut(self, stage: str, shards: int) -> None:
        """Remove what an earlier input left behind the last shard of a stage."""
        for path in sorted((self.folder / stage).glob("[0-9]*.json")):
            if path.stem.isdigit() and int(path.stem) >= shards:
                retire(path)


def hash_of(values: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
