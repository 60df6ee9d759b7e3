"""Shared by all verbs: inputs are checked before the work, outputs written after it."""

import json as jsonlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rich.console import RenderableType
from rich.text import Text

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.records import Exported, Records, drawn, plain
from hiergeo._core.storage.files import atomic_write_text, refuse_special
from hiergeo._core.storage.locks import locked
from hiergeo._core.text import file_name, shortened
from hiergeo.cli._terminal import console, note, phase

if TYPE_CHECKING:
    from hiergeo.adapters import Model
    from hiergeo.datasets import Hierarchy
    from hiergeo.datasets.reading import Columns
    from hiergeo.evaluation import Comparison, Result
    from hiergeo.geometry import Space
    from hiergeo.training.study import Study

Document: TypeAlias = "str | Mapping[str, Any] | Result | Comparison | Study"
"""What a verb writes as JSON and prints in every format."""

SPEC_SHOWN = 80
"""Characters of the spec of a geometry in a note: that of a product of 64 factors has 1,500."""


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


def say_taken(path: Path | str | None, columns: "Columns") -> None:
    """Say on standard error which columns of a table are read for what; InputError for one that cannot be read."""
    from hiergeo.datasets.tables import taken

    if path is not None and (told := taken(path, columns)):
        phase(f"Reading {told}")


@contextmanager
def sole_writer(*paths: Path | None) -> Iterator[None]:
    """Hold the locks of outputs while the work is done that ends in them: another command is refused meanwhile."""
    with ExitStack() as locks:
        for path in filter(None, paths):
            locks.enter_context(locked(path))
        yield


def write_json(path: Path | None, document: Document) -> None:
    """Write a document to `path`, if there is one."""
    if path is not None:
        atomic_write_text(path, as_json(document) + "\n")


def conclude(json: Path | None, document: Document, line: str) -> None:
    """Write the JSON of what a verb did, and print the one line that says it."""
    write_json(json, document)
    console().print(line, soft_wrap=True)


def as_json(document: Document) -> str:
    """A document as JSON."""
    if isinstance(document, Mapping):
        return jsonlib.dumps(plain(document), indent=2, ensure_ascii=False)
    return document if isinstance(document, str) else document.to_json()


def publish(
    document: Document,
    json: Path | None,
    form: str,
    shown: Exported,
    *sentences: str | Text | None,
    first: Iterable[str] = (),
    screen: Iterable[RenderableType] | None = None,
    lines: Iterable[str] = (),
) -> None:
    """Write the JSON of a result, and print tables and sentences, or the numbers alone.

    On a terminal `first` (the headline in bold) stands above the tables, or above `screen` in their place, `sentences`
    below them, and `lines`, which are not wrapped since they may name files, last. Where numbers are printed alone,
    `first` and `lines` are notes.
    """
    write_json(json, document)
    if form == "table":
        terminal = console()
        for at, sentence in enumerate(filter(None, first)):
            terminal.print(Text(sentence, style="" if at else "bold"))
        for part in map(drawn, shown.grids()) if screen is None else screen:
            terminal.print(part, soft_wrap=isinstance(part, str))
        for below in filter(None, sentences):
            terminal.print(below)
        for line in lines:
            terminal.print(line, soft_wrap=True)
        return
    for line in filter(None, (*first, *lines)):
        note(line)
    print(as_json(document) if form == "json" else getattr(shown, f"to_{form}")())


def publish_experiment(
    done: "Result | Comparison | Study",
    json: Path | None,
    form: str,
    *,
    full: bool = False,
    html: Path | None = None,
    seed: int = 0,
) -> None:
    """Write JSON and page of an experiment, and print it; `full` shows every metric, in CSV the value of every item."""
    from hiergeo.evaluation import Result
    from hiergeo.report import tables, write_page

    write_json(json, done)
    if html is not None and not isinstance(done, Result):
        phase("Comparing with intervals and drawing the page")
        write_page(done, html, seed=seed)
    publish(
        done,
        None,
        form,
        Records(tuple(done.records(items=True))) if full and form == "csv" else done,
        done.omissions,
        first=(done.conclusion.headline, *done.conclusion.remarks),
        screen=tables(done, console().width, full=full) if form == "table" else None,
        lines=page_lines(html),
    )


def page_of(verb: str, model: str, data: str, split: str) -> Path:
    """Where the page of a verb goes unless the user names a file: named after the model, the data and another split."""
    return Path(f"hiergeo-{file_name(verb, model, data, *([] if split == 'test' else [split]))}.html")


def page_lines(html: Path | None) -> list[str]:
    """The line that says where a page is, if there is one."""
    return [] if html is None else [f"Page: {html.absolute()}"]


def load_data(name: str, split: str, rows: int | None) -> "Hierarchy":
    """The split of a dataset, cut to its first `rows`; of generated data no others are made."""
    from hiergeo import datasets

    return datasets.load(name, split, rows=rows)


class SpaceOptions(NamedTuple):
    """What ``--geometry``, ``--root`` and ``--min-radius`` say about a space.

    None is what the model brings, Euclidean for a model without a space; in a geometry named here, the defaults.
    """

    geometry: str | None
    root: str | None = None
    min_radius: float | None = None

    def check(self, own: "Space | None" = None) -> "Space":
        """The space as far as it is known before a model is loaded, `own` being that of points in coordinates.

        Raises InputError for one that cannot be.
        """
        from hiergeo.geometry import Space

        return self._over(own if own is not None and self.geometry is None else Space(self.geometry or "euclidean"))

    def space(self, model: "Model") -> "Space":
        """The space to measure the model in."""
        from hiergeo.evaluation.measuring import learnt_space, native_space
        from hiergeo.geometry import Space

        named = None if self.geometry is None else learnt_space(model, Space(self.geometry))
        return self._over(named or native_space(model))

    def load(self, spec: str, device: str) -> tuple["Model", "Space"]:
        """Load a model; returns it with the space to measure it in, of which a note tells if no geometry is named."""
        from hiergeo import adapters

        model = adapters.load(spec, device=device)
        space = self.space(model)
        note_geometry(model, [space], self.geometry is not None)
        return model, space

    def _over(self, space: "Space") -> "Space":
        from hiergeo.geometry import Space

        if self.root is None and self.min_radius is None:
            return space
        min_radius = space.min_radius if self.min_radius is None else self.min_radius
        root: Any = self.root or (space.centre if space.root is None else space.root)
        return Space(space.geometry, root, min_radius=min_radius)


def beside(space: "Space", specs: Iterable[str]) -> list["Space"]:
    """A space, and those of other geometries around the same root and with the same scale of cones."""
    from hiergeo.geometry import Space

    root: Any = space.centre if space.root is None else space.root
    others = (Space(spec, root, min_radius=space.min_radius) for spec in specs)
    return [space, *(other for other in others if other.geometry.spec != space.geometry.spec)]


def note_geometry(model: "Model", spaces: Iterable["Space"], named: bool) -> None:
    """Print a note if a model with a native space is measured there, and no space is `named`, or only in others."""
    own = None
    with suppress(InputError):  # of a file that was not named
        own = model.native_space()
    if own is None:
        return
    spec = shortened(own.geometry.spec, SPEC_SHOWN)
    if all(own.geometry.spec != space.geometry.spec for space in spaces):
        note(f"{model.name} was trained in {spec}, in which it is not measured here: leave out -g for that.")
    elif not named:
        note(f"{model.name} is measured in the space it was trained in, {spec}: -g names another one.")
