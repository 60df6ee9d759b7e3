"""What is to be embedded: the inputs under a path, numbered once for all workers and all later runs."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Int64, Positive, Sha256
from hiergeo._core.storage.files import path_of
from hiergeo.search.corpus import readers
from hiergeo.search.corpus.samples import Columns, Items
from hiergeo.search.layout import ModelFacts
from hiergeo.search.queries import SUFFIXES

PLAN = "corpus.json"
"""The plan in the folder of an index."""

VERSION = 1

MOST = 1 << 20
"""Inputs that an index can have; smaller ids than `MOST` << 32 = 2^52 are those of their rows."""


@dataclass(frozen=True)
class Source:
    """One input: a file, or a folder of images.

    Attributes:
        name: its path relative to the folder that is searched, with ``/``.
        bytes: its size; of a folder that of all its files.
        modified: when it was changed last, in nanoseconds.
    """

    __pydantic_config__ = STRICT

    name: str
    bytes: Annotated[int, Field(ge=-1)]
    modified: Int64


@dataclass(frozen=True)
class Inputs:
    """The inputs under a path.

    Attributes:
        base: the folder that their names are relative to.
        sources: in order of their names.
    """

    base: Path
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Plan:
    """What is made of which inputs. All workers agree on it, and a later run with another one is refused.

    Attributes:
        model: what embeds.
        root_sha256: of the root of the space.
        geometry: spec of the space that the index is searched in.
        min_radius: scale of its cones.
        dtype: of stored directions.
        items: what becomes an item.
        caption: the column of captions; None is the usual one.
        image: the column of images.
        shard_rows: rows after which another shard is begun.
        inputs: the place of each is its number.
        version: of the plan.
    """

    __pydantic_config__ = STRICT

    model: ModelFacts
    root_sha256: Sha256 | None
    geometry: str
    min_radius: float
    dtype: Annotated[str, Field(pattern=r"^float(16|32)$")]
    items: Items
    caption: str | None
    image: str | None
    shard_rows: Positive
    inputs: tuple[Source, ...]
    version: Positive = VERSION

    @property
    def columns(self) -> Columns:
        """What is read of each input."""
        return Columns(self.items, self.caption, self.image)


SETTINGS = {
    "root_sha256": "root",
    "geometry": "geometry (-g)",
    "min_radius": "scale of the cones (--min-radius)",
    "dtype": "dtype (--dtype)",
    "items": "items (--items)",
    "caption": "column of captions (--column)",
    "image": "column of images (--image-column)",
    "shard_rows": "rows a shard (--shard-rows)",
}
"""Fields of a plan that may not change, and what they are called."""


def listing(inputs: Path | str, columns: Columns, out: Path) -> Inputs:
    """The inputs under a path: a file, a folder that is searched through, or a pattern such as ``data/*.parquet``.

    Hidden files, links to folders and the folder of the index are passed over. A folder that holds images itself is one
    input where images are embedded, or where captions stand beside them.

    Raises:
        InputError: there are none, or a file of an unknown format.
    """
    text = os.fspath(inputs)
    place = path_of(text)
    if place.is_dir():
        base, found = place, list(_below(place, columns, out.resolve()))
    elif place.exists():
        base, found = place.parent, [_known(place)]
    elif glob.has_magic(text):
        base = _before_magic(place)
        matches = map(Path, set(glob.glob(str(place), recursive=True)))
        found = [_known(path) for path in matches if not path.is_dir() and not ("**" in text and _linked(path, base))]
    else:
        raise InputError(f"{place} is not there: name a file, a folder or a pattern of inputs.")
    if not found:
        known = ", ".join(readers.READERS)
        raise InputError(f"{place} holds no inputs: files of {known} (also with .gz), or folders of images.")
    if len(found) > MOST:
        raise InputError(f"{place} holds {len(found):,} inputs: an index takes {MOST:,}.")
    names = {path: path.relative_to(base).as_posix() or "." for path in found}
    return Inputs(base, tuple(_source(path, names[path]) for path in sorted(found, key=names.__getitem__)))


def _known(path: Path) -> Path:
    if not readers.is_input(path):
        known = ", ".join(readers.READERS)
        raise InputError(f"{path} is of no format that can be read: {known} (also with .gz), or a folder of images.")
    return path


def _linked(path: Path, base: Path) -> bool:
    """Whether a path below a folder goes through links to folders, which may lead around in a circle."""
    return any(parent.is_symlink() for parent in path.parents if base in parent.parents)


def _before_magic(pattern: Path) -> Path:
    base = Path(pattern.anchor)
    for part in pattern.parts[len(base.parts) :]:
        if glob.has_magic(part):
            break
        base /= part
    return base


def _below(folder: Path, columns: Columns, out: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        inside = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".") and (inside / name).resolve() != out]
        names = [name for name in files if not name.startswith(".")]
        keys = {Path(name).stem for name in names if Path(name).suffix.lower() in SUFFIXES}
        beside = {name for name in names if Path(name).stem in keys and Path(name).suffix.lower() in (".txt", ".json")}
        if keys and (columns.pictures or beside):
            yield inside
        yield from (inside / name for name in names if name not in beside and readers.is_input(Path(name)))


def _source(path: Path, name: str) -> Source:
    spelled = os.fsencode(name).decode("utf-8", "surrogateescape")
    try:
        if not path.is_dir():
            found = path.stat()
            return Source(spelled, found.st_size, found.st_mtime_ns)
        with os.scandir(path) as entries:
            facts = [entry.stat() for entry in entries if entry.is_file()]
    except OSError:
        return Source(spelled, -1, 0)
    return Source(spelled, sum(each.st_size for each in facts), max((each.st_mtime_ns for each in facts), default=0))


def read_plan(out: Path) -> Plan | None:
    """The plan of an index; None if it has none.

    Raises:
        InputError: it is damaged, or of another version.
    """
    if not (out / PLAN).is_file():
        return None
    plan = documents.read(out / PLAN, Plan, hashed=True)
    if plan.version != VERSION:
        raise InputError(
            f"{out / PLAN} is of version {plan.version} and this hiergeo reads {VERSION}: use the one it is of."
        )
    return plan


def write_plan(out: Path, plan: Plan) -> None:
    """Store a plan, durably and at once. Raises InputError for an input whose name is not UTF-8."""
    for source in plan.inputs:
        try:
            source.name.encode()
        except UnicodeEncodeError:
            raise InputError(f"the name of the input {source.name} is not UTF-8: rename it.") from None
    documents.write(out / PLAN, asdict(plan), indent=None)


def agreed(before: Plan | None, now: Plan, done: Iterable[int]) -> Plan:
    """The plan to go on with: that of an earlier run, with inputs that are new behind the others.

    Inputs that are not embedded yet may have changed. Embedded ones may be gone, but not changed.

    Args:
        before: the stored plan; None at the first run.
        now: what is asked for.
        done: numbers of the inputs that are embedded.

    Raises:
        InputError: the model, a setting or an embedded input is another one; each is named.
    """
    if before is None:
        return now
    changes = list(_changes(before, now))
    current = {source.name: source for source in now.inputs}
    finished = set(done)
    kept: list[Source] = []
    for number, source in enumerate(before.inputs):
        found = current.pop(source.name, None)
        if number in finished and found not in (None, source):
            changes.append(f"the input {source.name}, which is embedded, was changed since")
        elif number not in finished and found is None:
            changes.append(f"the input {source.name}, which is not embedded yet, is gone")
        kept.append(source if number in finished or found is None else found)
    if changes:
        raise InputError(f"the folder was begun with another plan: {_listed(changes)}; choose another folder.")
    return replace(before, inputs=(*kept, *current.values()))


def _changes(before: Plan, now: Plan) -> Iterator[str]:
    if before.model.fingerprint != now.model.fingerprint:
        told = f"{before.model.name} ({before.model.fingerprint}), now {now.model.name} ({now.model.fingerprint})"
        yield f"the model was {told}"
    for field, name in SETTINGS.items():
        old, new = getattr(before, field), getattr(now, field)
        if old != new:
            yield f"the {name} was {_shown(old)}, now {_shown(new)}"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value[:8]}..." if isinstance(value, str) and len(value) == 64 else str(value)


def _listed(changes: Sequence[str]) -> str:
    more = f" and {len(changes) - 3} more changes" if len(changes) > 3 else ""
    return "; ".join(changes[:3]) + more
