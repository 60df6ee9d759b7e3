"""Whose folder it is: one plan and one input a folder, and one build at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiergeo._core.errors import InputError
from hiergeo._core.shares import Share
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Sha256
from hiergeo._core.storage.files import atomic_write_text, check_folder, retire, sync_folder
from hiergeo._core.storage.locks import locked
from hiergeo.construction import card, output
from hiergeo.construction.build_plan import FILE, BuildPlan, read_plan
from hiergeo.construction.shards import FOLDER

INPUT = "input.json"
"""The file in the folder of the work that names the input."""

KEY = "splits.json"
"""The file there that holds the hash of all that the splits depend on."""

SPLITS = (output.TRAIN, output.TEST, output.EXPANDED)


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
        yield


@contextmanager
def beginning(folder: Path, share: Share) -> Iterator[None]:
    """Hold the whole folder while it is claimed, waiting for others who do so too."""
    if share.total == 1:
        yield
        return
    with card.alone(folder / FOLDER):
        yield


def claim(folder: Path, plan: BuildPlan, source: str, content: str, share: Share, overwrite: bool) -> None:
    """Write a plan, and the name and hash of its input, into a folder that is held.

    A former card and splits go first.

    Raises InputError where it holds another plan or input (what differs is named), or splits of something else, unless
    these may be replaced: `overwrite`.
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
        _retire_card(folder)
        for name in splits:
            retire(folder / name)
    atomic_write_text(folder / FILE, plan.as_toml())
    documents.write(path, now)


def make_room(folder: Path, key: str) -> None:
    """Remove the card, and splits that are not those of a key, which is noted.

    The key is a hash of all that the splits depend on: whenever a build ends, those in its folder are of the key there.
    """
    path = folder / FOLDER / KEY
    try:
        same = documents.read(path, dict[str, Sha256], hashed=True) == {"key": key}
    except InputError:
        same = False
    _retire_card(folder)
    if same:
        return
    for name in SPLITS:
        retire(folder / name)
    documents.write(path, {"key": key})


def _retire_card(folder: Path) -> None:
    """Remove the card, its `card.JSON` durably before all else: a folder that has it is whole."""
    retire(folder / card.JSON)
    sync_folder(folder)
    for name in card.FILES:
        retire(folder / name)
