"""A run of embedding, from a path of inputs to the summary."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole, unknown_name
from hiergeo._core.ray import require
from hiergeo._core.shares import Share
from hiergeo._core.storage.files import check_folder, path_of
from hiergeo._core.storage.locks import locked
from hiergeo.adapters import Model
from hiergeo.datasets import reading
from hiergeo.datasets.reading import ITEMS, Columns, Inputs, Items, MissingColumnError, UnreadableError
from hiergeo.datasets.reading.inputs import MOST
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.corpus import cluster, sources
from hiergeo.search.corpus.adopting import Adopter, patiently, settle, survey
from hiergeo.search.corpus.embedding import INPUT_BITS, ItemEmbedder
from hiergeo.search.corpus.records import Allowance
from hiergeo.search.corpus.report import Report, Summary
from hiergeo.search.corpus.sources import CorpusPlan
from hiergeo.search.corpus.work import Corpus, Outcome, work
from hiergeo.search.layout import DTYPES, MANIFEST, Manifest, ModelFacts
from hiergeo.search.rows import Frame

KEPT = MOST << INPUT_BITS
"""Ids below it are those of rows of inputs; items that are added to the index have others."""

SHARD_ROWS = 1 << 17
"""Rows after which another shard is begun: 100 MB of 384 dimensions in float16."""


@dataclass(frozen=True)
class Options:
    """How inputs are read and embedded.

    Attributes:
        items: "captions", "images" or "pairs": what becomes an item.
        caption: the column of captions; None is the first that is called caption or text.
        image: the column of images, which are bytes or names of files; None is the first that is called image,
            image_path, file_name, image_url or url.
        dtype: of stored directions, "float16" or "float32".
        shard_rows: rows after which another shard of the same input is begun.
        batch_size: texts or images that are embedded at a time; None is the model's own choice.
        max_poisoned: share of rows that may be set aside before the run stops, of at least 1,000 rows.
    """

    items: Items = "captions"
    caption: str | None = None
    image: str | None = None
    dtype: str = "float16"
    shard_rows: int = SHARD_ROWS
    batch_size: int | None = None
    max_poisoned: float = 0.01

    def __post_init__(self) -> None:
        if self.items not in ITEMS:
            raise unknown_name("kind of items", self.items, ITEMS)
        if self.dtype not in DTYPES:
            raise unknown_name("dtype of an index", self.dtype, DTYPES)
        check_whole("the number of rows of a shard", self.shard_rows, 1, 1 << 31)
        if self.batch_size is not None:
            check_whole("the batch size", self.batch_size, 1, limits.COUNT)
        if not isinstance(self.max_poisoned, int | float) or not 0 <= self.max_poisoned <= 1:
            raise InputError(f"the share of poisoned rows must be from 0 to 1, not {self.max_poisoned}.")

    @property
    def columns(self) -> Columns:
        """What is read of each input."""
        return Columns(self.items, self.caption, self.image)


def embed(
    inputs: Path | str,
    out: Path | str,
    model: Model | str,
    space: Space | Callable[[Model], Space] | None = None,
    options: Options | None = None,
    *,
    worker: str | None = None,
    ray: bool = False,
    device: str = "auto",
    progress: bool = False,
) -> Summary:
    """Embed the rows of files into an index; a run that was interrupted goes on where it stopped.

    Args:
        inputs: a file, a folder or a pattern of what `hiergeo.datasets.reading` reads.
        out: folder of the index, a new one or that of an earlier run.
        model: a model or its spec.
        space: where searches measure unless another space is named, or what chooses it for the model; None is the
            native space of the model, Euclidean around its root for a model without one.
        options: how inputs are read and embedded.
        worker: ``I/N`` embeds every N-th input only, ``auto`` asks Slurm, torchrun or Kubernetes; None embeds all.
        ray: spread the inputs over a cluster of Ray.
        device: where a model that is named by its spec is loaded.
        progress: draw a bar on standard error.

    Raises:
        InputError: there are no inputs, the first one lacks the columns that are asked for, the folder was begun with
            another plan (what changed is named), or too many rows are poisoned.
        UnavailableError: Ray is not installed, or something cannot be written.
    """
    asked = options or Options()
    share = Share.parse(worker)
    if ray and worker is not None:
        raise InputError("a cluster takes all inputs: name a worker or Ray, not both.")
    folder = path_of(out)
    if ray:
        require()
    check_folder(folder, "the index")
    found = reading.listing(inputs, asked.columns, folder)
    _check_first(found, asked.columns)
    loaded = adapters.load(model, device=device) if isinstance(model, str) else model
    if asked.columns.pictures and not loaded.has_images:
        raise InputError(f"{loaded.name} embeds texts only: choose an image-text model, or the items captions.")
    chosen = _space(loaded, space)
    corpus = Corpus(folder, found.base, patiently(lambda: _begin(folder, found, loaded, chosen, asked)))
    return _run(corpus, share, loaded, chosen, asked, device if ray else None, progress)


def _run(
    corpus: Corpus, share: Share, model: Model, space: Space, options: Options, ray: str | None, progress: bool
) -> Summary:
    sources_, before = corpus.plan.inputs, survey(corpus.out)
    mine = share.of(len(sources_))
    missing = [number for number in mine if number not in before]
    adopter = Adopter(corpus.out)
    report = Report(sources_, missing, progress)
    with closing(report):
        for number in mine:
            if number in before:
                report.known(before[number])
                adopter.offer(before[number])
        outcomes: Iterator[Outcome]
        if ray is not None:
            settings = (ray, options.batch_size, options.max_poisoned)
            outcomes = cluster.spread(corpus, missing, model.name, *settings, report.count)
        else:
            embedder = ItemEmbedder(model, space, options.dtype, options.items, options.batch_size)
            allowance = Allowance(options.max_poisoned)
            outcomes = work(corpus, missing, embedder, allowance, report.count)
        for outcome in outcomes:
            report.note(outcome)
            if outcome.done is not None:
                adopter.offer(outcome.done)
    adopter.finish()
    seconds = report.seconds
    failed = {number for number, source in enumerate(sources_) if source.name in report.failed}
    finished = settle(corpus.out, set(range(len(sources_))) - failed)
    speed = report.rows / seconds if report.rows else 0.0
    return Summary(
        len(mine),
        report.embedded,
        len(mine) - report.embedded - len(report.failed),
        report.failed,
        tuple(report.incomplete),
        report.rows,
        report.items,
        report.poisoned,
        seconds,
        speed,
        finished,
    )


def _begin(folder: Path, found: Inputs, model: Model, space: Space, options: Options) -> CorpusPlan:
    """Agree on the plan and make the index, under its lock."""
    frame = Frame.of(space, model.dim)
    geometry = space.geometry.fixed().spec
    settings = (options.dtype, options.items, options.caption, options.image, options.shard_rows)
    with locked(folder):
        before = sources.read_plan(folder)
        facts = before.model if before is not None and before.model.fit(model) else ModelFacts.of(model)
        now = CorpusPlan(facts, frame.root_sha256, geometry, space.min_radius, *settings, found.sources)
        begun = (folder / MANIFEST).exists()
        if before is None and begun:
            raise InputError(f"{folder} holds an index that was made in another way: choose another folder.")
        done = survey(folder) if begun else {}
        plan = sources.agreed(before, now, done)
        if plan != before:
            sources.write_plan(folder, plan)
        if not begun:
            empty = Manifest(frame, options.dtype, geometry, space.min_radius, facts, next_id=KEPT, reserved=KEPT)
            layout.create(folder, empty, space.root)
    return plan


def _space(model: Model, space: Space | Callable[[Model], Space] | None) -> Space:
    chosen = space(model) if callable(space) and not isinstance(space, Space) else space
    return (chosen or model.native_space() or Space("euclidean")).rooted(model.root())


def _check_first(found: Inputs, columns: Columns) -> None:
    """Refuse columns that the first readable input does not have; damaged inputs are named at the end of the run."""
    for source in found.sources:
        try:
            reading.peek(found.base / source.name, columns)
        except UnreadableError as error:
            if len(found.sources) == 1 or isinstance(error, MissingColumnError):
                raise
        else:
            return
