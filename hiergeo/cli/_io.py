"""Shared by all verbs: inputs are checked before the work, outputs written after it."""

import json as jsonlib
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo import datasets
from hiergeo.adapters import Model
from hiergeo.cli._terminal import note
from hiergeo.cli.plans import KEY, running
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.errors import InputError, UnavailableError
from hiergeo.geometry import MIN_RADIUS, ConstantCurvature, Geometry, Space, parse
from hiergeo.storage.files import atomic_write_text, refuse_special
from hiergeo.storage.locks import locked

if TYPE_CHECKING:
    from hiergeo.evaluation import Comparison, Result
    from hiergeo.study import Study

ALIKE = 0.02
"""Relative difference up to which curvatures count as one, so that a rounded one can be named."""


class WrongResults(SystemExit):
    """Raised by a verb whose check failed: exit code 1."""

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


@contextmanager
def sole_writer(*paths: Path | None) -> Iterator[None]:
    """Hold the locks of outputs while the work is done that ends in them: another command is refused meanwhile."""
    with ExitStack() as held:
        for path in paths:
            if path is not None:
                held.enter_context(locked(path))
        yield


def write_json(path: Path | None, text: str) -> None:
    """Write the JSON `text` of a result to `path`, if there is one, with the command that makes it again."""
    if path is not None:
        command = running()
        told = text if command is None else jsonlib.dumps({**jsonlib.loads(text), KEY: command.as_dict()}, indent=2)
        atomic_write_text(path, told + "\n")


def printed_alone(result: "Result | Comparison | Study", form: str) -> bool:
    """Print a result in another format than a table and return True; False where a table is wanted."""
    from hiergeo.report import formatted

    if form == "table":
        return False
    print(formatted(result, form))
    return True


def load_data(name: str, split: str, rows: int | None) -> Hierarchy:
    """The split of a dataset, cut to its first `rows`; of generated data no others are made."""
    if rows is not None and name == "scenes":
        return datasets.load(name, split, count=min(rows, scenes.COUNTS.get(split, rows)))
    hierarchy = datasets.load(name, split)
    return hierarchy if rows is None else hierarchy.take(rows)


def note_geometry(model: Model, spaces: Iterable[Space]) -> None:
    """Print a note if a head is measured in other geometries than the one it was trained in."""
    trained = getattr(model, "trained_in", None)
    if trained is None or any(_alike(parse(trained), space.geometry) for space in spaces):
        return
    note(f"{model.name} was trained in {trained}, in which it is not measured here: use -g {trained} for that.")


def _alike(a: Geometry, b: Geometry) -> bool:
    """Whether two geometries are one space, learnt curvatures to about two digits."""
    if isinstance(a, ConstantCurvature) and isinstance(b, ConstantCurvature):
        return math.isclose(a.value, b.value, rel_tol=ALIKE)
    return a.spec == b.spec


def space_of(geometry: str, root: str, min_radius: float = MIN_RADIUS) -> Space:
    """The space that ``--geometry``, ``--root`` and ``--min-radius`` describe."""
    return Space(geometry, root, min_radius=min_radius)  # type: ignore[arg-type]
