"""Dataset cards: what is known of a folder of chains, as JSON and as the README.md that hubs of datasets read.

Neither holds dates or absolute paths: the same build has the same card, byte for byte.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256 as hashing
from pathlib import Path
from typing import Any

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.jobs import patiently
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json, validated
from hiergeo._core.storage.files import atomic_write_text, sha256, size_of, together
from hiergeo._core.storage.locks import locked
from hiergeo._core.version import __version__
from hiergeo.construction.card_text import readme
from hiergeo.construction.drafts import hash64
from hiergeo.construction.leakage import Leakage, leakage, reference
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain
from hiergeo.evaluation.metrics.length import word_count

JSON, README, LEAKS = "card.json", "README.md", "leakage.csv"

FILES = (JSON, README, LEAKS)

FORMAT = 1

DATA = (*(name for names in chains.FILES.values() for name in names if name), "dropped.csv")
"""Files whose hashes a card holds."""

NO_LICENCE = "unknown: the licences of the captions, of the images and of the model that wrote the texts decide"


def card_before(folder: Path) -> dict[str, Any] | None:
    """The card that a folder has; None without a whole one."""
    try:
        return read_card(folder)
    except HiergeoError:
        return None


def write_card(
    folder: Path, made: Mapping[str, Any], leaks: Leakage | None = None, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``card.json``, ``README.md`` and ``leakage.csv`` of the chains in a folder.

    Args:
        folder: of ``train.csv``, ``test.csv``, ...
        made: how they were made: ``plan``, the settings of the build; ``source``, what the captions are called, without
            folders; ``captions``, how many were read; ``dropped``, (stage, reason) -> how many were dropped there for
            it; ``backend`` and ``judge``, their identities; ``prompts``, instructions to a language model by name;
            ``usage``, such as ``prompt_tokens``. What is not known is left out.
        leaks: what they share with other sets; None compares them with HierarCaps' test split, where it is on this
            machine.
        before: the card that the folder had, whose quality is kept for splits whose files are the same.

    Returns:
        The card.

    Raises:
        InputError: a damaged file.
        UnavailableError: the folder holds no chains, or cannot be written.
    """
    dropped: dict[str, dict[str, int]] = defaultdict(dict)
    for (stage, reason), count in made.get("dropped", {}).items():
        dropped[stage][reason] = count
    plan, source = portable(made.get("plan", {})), made.get("source", "")
    rows = chains.everything(folder)[1]
    if leaks is None:
        leaks = leakage(rows, [reference("hierarcaps")], folder=folder)
    with alone(folder / JSON):
        now = contents(folder)
        card: dict[str, Any] = {
            "format": FORMAT,
            "title": plan.get("title") or f"Chains of {source or 'captions'}",
            "licence": plan.get("licence") or NO_LICENCE,
            "hiergeo": __version__,
            "source": source,
            "captions": made.get("captions", 0),
            **now,
            "dropped": dropped,
            "leakage": leaks.as_dict(),
            "quality": {} if before is None else _still_measured(before, now),
            "plan": plan,
            "backend": portable(made.get("backend", {})),
            "judge": portable(made.get("judge", {})),
            "prompts": dict(made.get("prompts", {})),
            "usage": dict(made.get("usage", {})),
        }
        _write(folder, card, leaks)
    return card


def update_card(
    folder: Path, *, quality: Mapping[str, Mapping[str, float]] | None = None, measured: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Bring the card of a folder up to date with its files and its quality.

    Args:
        folder: with a card.
        quality: split -> metric -> value, which join those that the card has; numbers of splits whose files have
            changed since are left out.
        measured: split -> `split_sha256` of the rows that `quality` is of.

    Raises:
        InputError: no card, a damaged one, or rows that have changed since they were measured.
        UnavailableError: the folder cannot be written.
    """
    read_card(folder)
    with alone(folder / JSON):
        card = read_card(folder)
        now = contents(folder)
        for split, digest in (measured or {}).items():
            if digest != _of_split(now["files"], split):
                raise InputError(f"the {split} split of {folder} has changed since it was measured: measure it again.")
        kept = _still_measured(card, now)
        card |= now | {"quality": kept | {name: dict(values) for name, values in (quality or {}).items()}}
        _write(folder, card)
    return card


def _still_measured(card: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The quality that a card has of splits whose files are the same in `contents` now."""
    return {
        split: values
        for split, values in card["quality"].items()
        if split in now["splits"] and _of_split(card["files"], split) == _of_split(now["files"], split)
    }


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, waiting for others who do."""
    with ExitStack() as stack:
        patiently(lambda: stack.enter_context(locked(path)))
        yield


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a folder. Raises InputError if there is none or it is damaged."""
    return documents.read(folder / JSON, dict[str, Json], hashed=True)


def contents(folder: Path) -> dict[str, Any]:
    """``files``, ``data_sha256`` of them, ``splits`` and ``images_in_train_and_test`` of a folder of chains."""
    files = _files(folder, DATA)
    listed = "".join(f"{name} {file['sha256']}\n" for name, file in sorted(files.items()) if name != "dropped.csv")
    counted = {name: _counted(rows) for name, rows in chains.everything(folder)[1].items()}
    images = {name: counted[name][1] if name in counted else set[int]() for name in chains.FILES}
    return {
        "data_sha256": hashing(listed.encode()).hexdigest(),
        "files": files,
        "splits": {name: counts for name, (counts, _) in counted.items()},
        "images_in_train_and_test": len(images["train"] & images["test"]),
    }


def split_sha256(folder: Path, split: str) -> str:
    """The SHA-256 over those of the files of a split, in hexadecimal: another one where its rows have changed."""
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


def portable(value: Any) -> Any:
    """JSON values without the folders of absolute paths, which other machines do not have."""
    if isinstance(value, Mapping):
        return {name: portable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [portable(each) for each in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"^([a-z_]+:)?(?:/(?!/)|~|[A-Za-z]:[\\/])(?:[^\n]*[\\/])?(?=[^\n\\/]+/?$)", r"\1", value)


def _counted(rows: Iterable[Chain]) -> tuple[dict[str, Any], set[int]]:
    """What is counted of the rows of a split, as JSON values, in one pass that keeps none of them; and their images.

    Texts and images are told apart by 64 bits of a hash: a million of them count right but for one case in 10^7.
    """
    images, number, with_negative = set[int](), 0, 0
    words: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    distinct: dict[tuple[str, int], set[int]] = defaultdict(set)
    for row in rows:
        number, with_negative = number + 1, with_negative + (row.negative is not None)
        if row.image:
            images.add(hash64(row.image))
        for side, texts in (("tiers", row.positive), ("negative_tiers", row.negative or ())):
            for tier, text in enumerate(texts):
                words[side, tier][word_count(text)] += 1
                distinct[side, tier].add(hash64(text))
    counts: dict[str, Any] = {"rows": number, "images": len(images), "tiers": [], "negative_rows": with_negative}
    for side, tier in sorted(words, key=lambda key: key[1]):
        lengths = words[side, tier]
        texts_of_tier = {
            "texts": lengths.total(),
            "distinct": len(distinct[side, tier]),
            "mean_words": round(sum(length * count for length, count in lengths.items()) / lengths.total(), 3),
            "least_words": min(lengths),
            "most_words": max(lengths),
        }
        counts.setdefault(side, []).append(texts_of_tier)
    return {**counts, "negative_tiers": counts.get("negative_tiers", [])}, images


def _write(folder: Path, card: dict[str, Any], leaks: Leakage | None = None) -> None:
    """Write the leaks, the README and the card, `JSON` last: where it is, the others are."""
    try:
        validated(dict[str, dict[str, Json]], card["quality"])
    except ValueError as error:
        raise InputError(f"the card of {folder} cannot be written: {error}") from error
    with together(folder, LEAKS, README, JSON) as scratch:
        if leaks is not None:
            leaks.write(scratch / LEAKS)
        atomic_write_text(scratch / README, readme(card))
        documents.write(scratch / JSON, card)
