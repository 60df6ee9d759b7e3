"""Whose folder it is: one plan and one input a folder, and one build at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiergeo._core.errors import InputError, warn
from hiergeo._core.shares import Share
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Sha256
from hiergeo._core.storage.files import atomic_write_text, check_folder, retire, size_of, sync_folder
from hiergeo._core.storage.locks import locked
from hiergeo.construction import card, output
from hiergeo.construction.build_plan import FILE, BuildPlan, read_plan
from hiergeo.construction.shards import FOLDER
from hiergeo.datasets import chains

INPUT = "input.json"
"""The file in the folder of the work that names the input."""

KEY = "splits.json"
"""The file there that holds the hash of all that the splits depend on."""

DECISIONS = "decisions.jsonl"
"""The file of the decisions of reviewers; who holds its lock reviews the chains or replaces them."""

SUMMARY = "reviewed.json"
"""The file of what a review came to."""

SPLITS = (output.TRAIN, output.TEST, output.EXPANDED)

REVIEWED = (*filter(None, chains.FILES["reviewed"]), SUMMARY)
"""Files that the export of a review makes."""


@contextmanager
def sole_builder(folder: Path, share: Share) -> Iterator[None]:
    """Hold the folder, or one share of its shards, while it is worked on; raises HiergeoError where others hold it."""
    check_folder(folder, "the build")
    work = folder / FOLDER
    if share.total > 1:
        with locked(work / f"share-{share}"):
            yield
        return
    with locked(work):
        for lock in sorted(work.glob(".share-*.lock")):
            with locked(work / lock.name.removeprefix(".").removesuffix(".lock")):
                pass
        with locked(folder / DECISIONS):
            yield


@contextmanager
def beginning(folder: Path, share: Share) -> Iterator[None]:
    """Hold the whole folder while it is claimed, waiting for others who do so too; raises HeldError for a review."""
    if share.total == 1:
        yield
        return
    with card.alone(folder / FOLDER), locked(folder / DECISIONS):
        yield


def claim(folder: Path, plan: BuildPlan, source: str, content: str, share: Share, overwrite: bool) -> None:
    """Write a plan, and the name and hash of its input, into a folder that is held.

    A former card and splits go first.

    Raises InputError where it holds another plan or input (what differs is named), splits of something else, or a
    review of chains that would be replaced, unless these may be: `overwrite`.
    """
    path, now = folder / FOLDER / INPUT, {"name": source, "sha256": content}
    try:
        before = read_plan(folder / FILE) if (folder / FILE).exists() else None
        given = documents.read(path, dict[str, str]) if path.exists() else {}
    except InputError:
        if not overwrite:
            raise
        before, given = None, {}
    differences = [] if before is None else before.difference(plan)
    if before is not None and given and given["name"] != source:
        differences.insert(0, f"the input was '{given['name']}', now '{source}'")
    splits = [name for name in SPLITS if (folder / name).exists()]
    if not overwrite:
        if before is None and splits:
            raise InputError(f"{folder / splits[0]} was not made by a build: choose another folder (or --overwrite).")
        if differences:
            raise InputError(
                f"{folder} was begun with another plan: {'; '.join(differences)}. Choose another folder, or go on "
                "in this one with the new plan (--overwrite): what does not depend on the changes is kept."
            )
        if before is not None and share.total > 1 and given.get("sha256", content) != content:
            raise InputError(
                f"{folder} was begun with other captions than those that '{source}' holds here: give all shares the "
                "same file, or go on with this one (--overwrite)."
            )
    if before is None or differences or given != now:
        check_review(folder, overwrite)
        _retire_card(folder)
        for name in splits:
            retire(folder / name)
    atomic_write_text(folder / FILE, plan.as_toml())
    documents.write(path, now)


def check_review(folder: Path, overwrite: bool) -> None:
    """Raise InputError where a review of the chains in a folder would be lost, unless it may be."""
    found = next((name for name in (DECISIONS, *REVIEWED) if size_of(folder / name) is not None), None)
    if found and not overwrite:
        raise InputError(
            f"{folder / found} is of a review of the chains in {folder}, which this build would replace: move the "
            "review away, choose another folder, or give the review up (--overwrite)."
        )


def make_room(folder: Path, key: str, overwrite: bool) -> None:
    """Remove the card, and splits and reviewed chains that are not those of a key, which is noted.

    The key is a hash of all that the splits depend on: whenever a build ends, those in its folder are of the key there.
    Raises InputError where a review of other chains would be lost, unless it may be: `overwrite`.
    """
    path = folder / FOLDER / KEY
    try:
        same = documents.read(path, dict[str, Sha256], hashed=True) == {"key": key}
    except InputError:
        same = False
    if same:
        _retire_card(folder)
        return
    check_review(folder, overwrite)
    _retire_card(folder)
    reviewed = [name for name in REVIEWED if size_of(folder / name) is not None]
    for name in (*SPLITS, *reviewed):
        retire(folder / name)
    sync_folder(folder)
    documents.write(path, {"key": key})
    if reviewed:
        warn(
            f"{' and '.join(reviewed)} in {folder} held chains of the former {output.TEST} and were removed; "
            f"{DECISIONS} is kept: move it away to review the new chains."
        )


def _retire_card(folder: Path) -> None:
    """Remove the card, its `card.JSON` durably before all else: a folder that has it is whole."""
    retire(folder / card.JSON)
    sync_folder(folder)
    for name in card.FILES:
        retire(folder / name)
