"""Dataset cards: what is known of a folder of chains, as JSON and as the README.md that hubs of datasets read.

Neither holds dates or absolute paths: the same build has the same card, byte for byte.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from hashlib import sha256 as hashing
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
from pydantic import Field

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Count, Document, Json, Open, Sha256, validated
from hiergeo._core.storage.files import atomic_write_text, sha256, size_of
from hiergeo._core.storage.locks import locked
from hiergeo._core.version import __version__
from hiergeo.construction.card_text import readme
from hiergeo.construction.leakage import Leakage, leakage, reference
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.search.corpus.adopting import patiently

JSON, README, LEAKS = "card.json", "README.md", "leakage.csv"

FILES = (JSON, README, LEAKS)

FORMAT = 1

DATA = (*(name for names in chains.FILES.values() for name in names if name), "dropped.csv")
"""Files whose hashes a card holds."""

NO_LICENCE = "unknown: the licences of the captions, of the images and of the model that wrote the texts decide"


class _File(Document):
    bytes: Count
    sha256: Sha256


class _Split(Open):
    rows: Count
    images: Count
    tiers: list[Json]


class _Card(Open):
    """What ``card.json`` must be."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    title: str
    licence: str
    source: str
    data_sha256: Sha256
    files: dict[str, _File]
    splits: dict[str, _Split]
    images_in_train_and_test: Count
    dropped: dict[str, dict[str, Count]]
    leakage: dict[str, Json]
    quality: dict[str, dict[str, Json]]


@final
@dataclass(frozen=True)
class Provenance:
    """How chains were made.

    Attributes:
        plan: the settings of the build, a table of JSON values.
        source: what the captions are called, without folders.
        rows: captions that were read.
        dropped: (stage, reason) -> captions that were dropped there for it.
        backend: identity of what wrote the texts.
        judge: identity of what judged them.
        prompts: instructions to a language model by name, such as ``generalise``.
        usage: such as ``prompt_tokens``.
    """

    plan: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    rows: int = 0
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    backend: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)


def card_before(folder: Path) -> dict[str, Any] | None:
    """The card that a folder has; None without a whole one."""
    try:
        return read_card(folder)
    except HiergeoError:
        return None


def write_card(
    folder: Path, provenance: Provenance, leaks: Leakage, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``card.json``, ``README.md`` and ``leakage.csv`` of the chains in a folder.

    Args:
        folder: of ``train.csv``, ``test.csv``, ...
        provenance: how they were made.
        leaks: what they share with other sets.
        before: the card that the folder had, whose quality is kept for splits whose files are the same.

    Returns:
        The card.

    Raises:
        InputError: a damaged file.
        UnavailableError: the folder holds no chains, or cannot be written.
    """
    by_stage: dict[str, dict[str, int]] = {}
    for (stage, reason), count in provenance.dropped.items():
        by_stage.setdefault(stage, {})[reason] = count
    plan = portable(provenance.plan)
    chains.everything(folder)
    with _alone(folder):
        now = contents(folder)
        card: dict[str, Any] = {
            "format": FORMAT,
            "title": plan.get("title") or f"Chains of {provenance.source or 'captions'}",
            "licence": plan.get("licence") or NO_LICENCE,
            "hiergeo": __version__,
            "source": provenance.source,
            "captions": provenance.rows,
            **now,
            "dropped": by_stage,
            "leakage": leaks.as_dict(),
            "quality": {} if before is None else _still_measured(before, now),
            "plan": plan,
            "backend": portable(provenance.backend),
            "judge": portable(provenance.judge),
            "prompts": dict(provenance.prompts),
            "usage": dict(provenance.usage),
        }
        _write(folder, card, leaks)
    return card


def describe(
    folder: Path, provenance: Provenance, before: Mapping[str, Any] | None = None, *, progress: bool = False
) -> dict[str, Any]:
    """Compare the chains in a folder with HierarCaps' test split, where it is on this machine, and write the card.

    Arguments, result and errors are those of `write_card`.
    """
    _, rows = chains.everything(folder)
    leaks = leakage(rows, [reference("hierarcaps")], folder=folder, progress=progress)
    return write_card(folder, provenance, leaks, before)


def update_card(
    folder: Path,
    *,
    leaks: Leakage | None = None,
    quality: Mapping[str, Mapping[str, float]] | None = None,
    measured: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Bring the card of a folder up to date with its files, with what it shares with others, or with its quality.

    Args:
        folder: with a card.
        leaks: what the chains share with other sets, if that was found anew.
        quality: split -> metric -> value, which join those that the card has; numbers of splits whose files have
            changed since are left out.
        measured: split -> `split_sha256` of the rows that `quality` is of.

    Raises:
        InputError: no card, a damaged one, or rows that have changed since they were measured.
        UnavailableError: the folder cannot be written.
    """
    read_card(folder)
    with _alone(folder):
        card = read_card(folder)
        now = contents(folder)
        for split, told in (measured or {}).items():
            if told != _of_split(now["files"], split):
                raise InputError(f"the {split} split of {folder} has changed since it was measured: measure it again.")
        kept = _still_measured(card, now)
        card |= now | {"quality": kept | {name: dict(held) for name, held in (quality or {}).items()}}
        if leaks is not None:
            card["leakage"] = leaks.as_dict()
        _write(folder, card, leaks)
    return card


def _still_measured(card: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The quality that a card has of splits whose files are the same in `contents` now."""
    return {
        split: held
        for split, held in card["quality"].items()
        if split in now["splits"] and _of_split(card["files"], split) == _of_split(now["files"], split)
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the card of a folder, waiting for others who write it."""
    with ExitStack() as held:
        patiently(lambda: held.enter_context(locked(folder / JSON)))
        yield


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a folder. Raises InputError if there is none or it is damaged."""
    return documents.read(folder / JSON, _Card, hashed=True).as_dict()


def contents(folder: Path) -> dict[str, Any]:
    """What the files of a folder hold: ``files``, their hash ``data_sha256``, ``splits``, ``images_in_train_and_test``
    and ``images_in_train_and_reviewed``.

    Raises:
        InputError: a damaged file.
        UnavailableError: the folder holds no chains.
    """
    files = _files(folder, DATA)
    told = "".join(f"{name} {held['sha256']}\n" for name, held in sorted(files.items()) if name != "dropped.csv")
    splits = {name: _Counts(rows) for name, rows in chains.everything(folder)[1].items()}
    images = {name: (splits[name].images if name in splits else _Distinct()).values() for name in chains.FILES}
    return {
        "data_sha256": hashing(told.encode()).hexdigest(),
        "files": files,
        "splits": {name: counts.as_dict() for name, counts in splits.items()},
        **{
            f"images_in_train_and_{name}": len(np.intersect1d(images["train"], images[name], assume_unique=True))
            for name in ("test", "reviewed")
        },
    }


def split_sha256(folder: Path, split: str) -> str:
    """The SHA-256 over those of the files of a split, in hexadecimal: another one where its rows have changed.

    Raises:
        InputError: one of them is no file.
    """
    return _of_split(_files(folder, chains.FILES.get(split, ())), split)


def _of_split(files: Mapping[str, Mapping[str, Any]], split: str) -> str:
    """`split_sha256` where hashes of files are known."""
    names = (name for name in chains.FILES.get(split, ()) if name is not None and name in files)
    return hashing("".join(f"{name} {files[name]['sha256']}\n" for name in names).encode()).hexdigest()


def _files(folder: Path, names: Iterable[str | None]) -> dict[str, dict[str, Any]]:
    return {
        name: {"bytes": size, "sha256": sha256(folder / name)}
        for name in names
        if name and (size := size_of(folder / name)) is not None
    }


def portable(value: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values without the folders of absolute paths, which other machines do not have."""
    return {name: _portable(held) for name, held in value.items()}


def _portable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return portable(value)
    if isinstance(value, list | tuple):
        return [_portable(each) for each in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"^([a-z_]+:)?(?:/(?!/)|~|[A-Za-z]:[\\/])(?:[^\n]*[\\/])?(?=[^\n\\/]+/?$)", r"\1", value)


@final
class _Distinct:
    """Texts of which only 64 bits of a hash each are kept: a million of them count right but for one case in 10^7."""

    def __init__(self) -> None:
        self._digests = bytearray()

    def add(self, text: str) -> None:
        self._digests += blake2b(text.encode(), digest_size=8).digest()

    def values(self) -> np.ndarray:
        """(n,) uint64, one for each distinct text."""
        return np.unique(np.frombuffer(bytes(self._digests), np.uint64))


@final
class _Tier:
    """What is counted of the texts of a tier."""

    def __init__(self) -> None:
        self._texts = _Distinct()
        self._words: Counter[int] = Counter()

    def add(self, text: str) -> None:
        self._texts.add(text)
        self._words[word_count(text)] += 1

    def as_dict(self) -> dict[str, Any]:
        texts = self._words.total()
        return {
            "texts": texts,
            "distinct": len(self._texts.values()),
            "mean_words": round(sum(words * count for words, count in self._words.items()) / texts, 3),
            "least_words": min(self._words),
            "most_words": max(self._words),
        }


@final
class _Counts:
    """What is counted of the rows of a split, in one pass that keeps none of them.

    Attributes:
        images: of the rows that have one.
    """

    def __init__(self, rows: Iterable[Chain]) -> None:
        self.images = _Distinct()
        self._rows = self._negative_rows = 0
        self._sides: tuple[list[_Tier], list[_Tier]] = ([], [])
        for row in rows:
            self._rows += 1
            self._negative_rows += row.negative is not None
            if row.image:
                self.images.add(row.image)
            for tiers, texts in zip(self._sides, (row.positive, row.negative or ()), strict=True):
                tiers += (_Tier() for _ in texts[len(tiers) :])
                for tier, text in zip(tiers, texts, strict=False):
                    tier.add(text)

    def as_dict(self) -> dict[str, Any]:
        positive, negative = ([tier.as_dict() for tier in tiers] for tiers in self._sides)
        return {
            "rows": self._rows,
            "images": len(self.images.values()),
            "tiers": positive,
            "negative_rows": self._negative_rows,
            "negative_tiers": negative,
        }


def _write(folder: Path, card: dict[str, Any], leaks: Leakage | None) -> None:
    """Write the files of a card, `JSON` last: where it is, the others are."""
    try:
        validated(_Card, card)
    except ValueError as error:
        raise InputError(f"the card of {folder} cannot be written: {error}") from error
    if leaks is not None:
        leaks.write(folder / LEAKS)
    atomic_write_text(folder / README, readme(card))
    documents.write(folder / JSON, card)
