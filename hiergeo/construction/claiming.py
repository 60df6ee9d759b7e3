"""Whose folder it is: one plan and one input a folder, and one build at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hiergeo.construction import output
from hiergeo.construction.plan import FILE, BuildPlan, read_plan
from hiergeo.construction.shards import FOLDER
from hiergeo.corpus.adopting import patiently
from hiergeo.corpus.shares import Share
from hiergeo.errors import InputError
from hiergeo.storage import documents
from hiergeo.storage.documents import Record, Text
from hiergeo.storage.files import atomic_write_text, check_folder
from hiergeo.storage.locks import locked

INPUT = "input.json"
"""The file in the folder of the work that names the input."""

SPLITS = (output.TRAIN, output.TEST, output.EXPANDED)


@contextmanager
def sole_builder(folder: Path, share: Share) -> Iterator[None]:
    """Hold the folder, or one share of its shards, while it is worked on.

    Raises:
        InputError: a file is in the way.
        HeldError: another build holds it, who is named.
        UnavailableError: the folder cannot be written.
    """
    check_folder(folder, "the build")
    work = folder / FOLDER
    if share.total > 1:
        with locked(work / f"share-{share}"):
            yield
        return
    with locked(work):
        for held in sorted(work.glob(".share-*.lock")):
            with locked(work / held.name.removeprefix(".").removesuffix(".lock")):
                pass
        yield


@contextmanager
def beginning(folder: Path, share: Share) -> Iterator[None]:
    """Hold the whole folder while its input is read, waiting for others who hold a share and do so too."""
    if share.total == 1:
        yield
        return
    with ExitStack() as held:
        patiently(lambda: held.enter_context(locked(folder / FOLDER)))
        yield


def claim(folder: Path, plan: BuildPlan, source: str, overwrite: bool) -> None:
    """Write the plan and the name of the input into a folder, unless they are there.

    Args:
        folder: of the build, which is held.
        plan: its settings.
        source: name of its input.
        overwrite: whether others may be replaced.

    Raises:
        InputError: it holds another plan or input, and what differs is named; or splits of something else.
    """
    names = Record({"name": Text()})
    place = folder / FOLDER / INPUT
    if not overwrite:
        if (folder / FILE).exists():
            differences = read_plan(folder / FILE).difference(plan)
            before = documents.read(place, names)["name"] if place.exists() else source
            if before != source:
                differences.insert(0, f"the input was '{before}', now '{source}'")
            if differences:
                raise InputError(
                    f"{folder} was begun with another plan: {'; '.join(differences)}. Choose another folder, or go on "
                    "in this one with the new plan (--overwrite): what does not depend on the changes is kept."
                )
        elif found := next((name for name in SPLITS if (folder / name).exists()), None):
            raise InputError(
                f"{folder / found} is there already, and of no build: choose another folder (or --overwrite)."
            )
    atomic_write_text(folder / FILE, plan.as_toml())
    documents.write(place, {"name": source})
