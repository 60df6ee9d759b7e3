"""What verbs share around the work itself: inputs checked before it, outputs written after it."""

import os
from pathlib import Path

from hiergeo import Space, datasets
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.errors import InputError, UnavailableError
from hiergeo.geometry import parse
from hiergeo.storage.files import atomic_write_text, refuse_special


class WrongResults(SystemExit):
    """A verb that checks something found it wrong, and said so: exit code 1."""

    def __init__(self) -> None:
        super().__init__(1)


def check_writable(*paths: Path | None) -> None:
    """Refuse, before any work starts, outputs that cannot be written or would overwrite each other."""
    named = [path.resolve() for path in paths if path is not None]
    if len(set(named)) < len(named):
        raise InputError(f"two outputs would go to {named[0]}: name different files.")
    for path in named:
        refuse_special(path)
        folder = next(parent for parent in path.parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UnavailableError(f"cannot write {path}: {folder} is not a folder you can write to.")


def write_json(path: Path | None, text: str) -> None:
    """Write `text` to `path`, if there is one."""
    if path is not None:
        atomic_write_text(path, text + "\n")


def load_data(name: str, split: str, rows: int | None) -> Hierarchy:
    """The split of a dataset, cut to its first `rows`; of generated data no others are made."""
    if rows is not None and name == "scenes":
        return datasets.load(name, split, count=min(rows, scenes.COUNTS.get(split, rows)))
    hierarchy = datasets.load(name, split)
    return hierarchy if rows is None else hierarchy.take(rows)


def space_of(geometry: str, root: str) -> Space:
    """The space that ``--geometry`` and ``--root`` describe."""
    if root not in ("model", "none"):
        raise InputError(f"--root must be 'model' or 'none', not '{root}'.")
    return Space(parse(geometry), False if root == "none" else None)
