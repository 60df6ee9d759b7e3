"""Building an index: inputs are embedded one by one, by any number of processes, and their shards become the index.

Several files are one input each, whose rows are set aside where they cannot be used. Anything else is one input, every
item of which must be sound. A build that was interrupted goes on behind the last shard of each input.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, cast, final

from torch import Tensor

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole, unknown_name, warn
from hiergeo._core.jobs import Outcome, Share, patiently, require_ray
from hiergeo._core.storage.files import check_folder, path_of, retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters import Model
from hiergeo.datasets import reading
from hiergeo.datasets.reading import ITEMS, Columns, Items, MissingColumnError, Sample, Source, UnreadableError
from hiergeo.datasets.reading.inputs import MOST
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.corpus import cluster, plan
from hiergeo.search.corpus.adopting import Adopter, settle, survey
from hiergeo.search.corpus.embedding import INPUT_BITS, ItemEmbedder
from hiergeo.search.corpus.plan import CorpusPlan
from hiergeo.search.corpus.records import Allowance, Done, jobs_of
from hiergeo.search.corpus.report import Report, Summary
from hiergeo.search.corpus.work import Corpus, FileInput, Input, StreamInput, embed_input
from hiergeo.search.embedding import Embedder
from hiergeo.search.index import Index
from hiergeo.search.layout import BUILD, DTYPES, MANIFEST, Manifest, ModelFacts
from hiergeo.search.rows import Frame
from hiergeo.search.sources import CaptionFiles, Captions, Embeddings, Images, ItemInputs
from hiergeo.search.stores.exact import ExactStore

RESERVED = MOST << INPUT_BITS
"""Ids below it are those of rows of files; items that are added to an index of files have others."""


@final
@dataclass(frozen=True)
class Files:
    """Several files or folders of images, of which `base` holds `sources`."""

    base: Path
    sources: tuple[Source, ...]
    columns: Columns


@final
class Stream:
    """One input that is read once; its first batch is read at once, so that what is wrong with it is said early."""

    def __init__(self, inputs: ItemInputs) -> None:
        self.given, self.stored, self.columns = tuple(inputs.given()), inputs.stored, Columns()
        self.sources, self.base = (Source("items", 0, 0),), Path()
        batches = inputs.batches()
        self.first = next(batches, None)
        self.batches = batches if self.first is None else chain([self.first], batches)


Sources: TypeAlias = Files | Stream


def build(
    path: Path | str,
    model: Model | str | None,
    captions: Captions | None = None,
    images: Images | None = None,
    space: Space | str | None = None,
    *,
    embeddings: Embeddings | None = None,
    ids: Any = None,
    items: Items = "captions",
    worker: str | None = None,
    ray: bool = False,
    batch_size: int | None = None,
    device: str = "auto",
    dtype: str = "float16",
    progress: bool = False,
) -> Index:
    """Build an index of captions, of images, or of embeddings, of any number, in bounded memory.

    A build that was interrupted goes on when it is called again with the same arguments: rows of shards that are
    complete are read again, and not embedded again. Until an input ends it is no part of the index.

    Args:
        path: a folder: a new one, or that of files to which others came.
        model: a model or its spec; None for embeddings of unknown origin, in which texts and images cannot be searched.
        captions: of the items: a list or another iterable; or a file, a folder or a pattern of what
            `hiergeo.datasets.reading` reads, or `hiergeo.search.CaptionFiles`, which names the columns. A table may
            have a column of images, and a column ``id`` of ids. Of several files without ids each is an input of its
            own: rows that cannot be used are set aside, and ids are (number of the file << 32) + row.
        images: paths, or a folder; alone they are items of their own, beside captions or embeddings one for each item.
        space: where searches measure unless another space is named; None is the native space of the model, Euclidean
            around its root for a model without one.
        embeddings: instead of embedding captions or images: (N, D), blocks (n, D), a .npy file, or an .npz file as
            ``hiergeo embed`` writes it, which brings captions, and without a model the root and the model's name.
        ids: whole numbers in [0, 2^63), distinct, one for each item; None counts from 0.
        items: what becomes an item of files: "captions", "images" or "pairs".
        worker: ``I/N`` embeds every N-th file only, ``auto`` asks Slurm, torchrun or Kubernetes; None embeds all.
        ray: spread the files over a cluster of Ray.
        batch_size: texts or images of files that are embedded at a time; None is the model's own choice.
        device: where a model that is named by its spec is loaded.
        dtype: of stored directions, "float16" or "float32".
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: an item that cannot be used, or an id twice; inputs or settings that differ from those of the build
            that was interrupted; too many rows of files that cannot be used; a folder that holds an index already.
        UnavailableError: a file that is not there, or the disk cannot be written.
        HeldError: another process builds the same index.
    """
    folder = path_of(path)
    sources = sources_of(folder, captions, images, embeddings, ids, items, worker is not None or ray)
    if model is None and embeddings is None:
        raise InputError("give the model that embeds captions or images, or give embeddings.")
    loaded = adapters.load(model, device=device) if isinstance(model, str) else model
    settings: dict[str, Any] = {"worker": worker, "ray": ray, "batch_size": batch_size, "device": device}
    summary = run(folder, sources, loaded, space, dtype=dtype, progress=progress, **settings)
    for name, reason in summary.failed.items():
        warn(f"{name} was left out: {reason}")
    for name in summary.incomplete:
        warn(f"{name} broke off: what is before that is embedded.")
    return Index(ExactStore(folder), loaded)


def open(path: Path | str, *, model: Model | None = None, device: str = "auto", compute: str = "cpu") -> Index:
    """Open an index.

    Args:
        path: its folder.
        model: the model of the index, if it is loaded already; otherwise it is loaded when the first text or image is
            searched.
        device: where the model is loaded.
        compute: where rows are compared, such as "cuda"; they are moved there a chunk at a time.

    Raises:
        UnavailableError: there is no index, or a shard of it is damaged.
        InputError: the manifest is damaged, or the model is another one.
    """
    return Index(ExactStore(path_of(path)), model, device, compute)


def sources_of(
    folder: Path,
    captions: Captions | None,
    images: Images | None,
    embeddings: Embeddings | None,
    ids: Any,
    items: Items = "captions",
    spread: bool = False,
) -> Sources:
    """What an index in `folder` is built of, its beginning checked; arguments as for `build`.

    With `spread` several processes share the inputs, which must be files then. Raises as `build`.
    """
    if items not in ITEMS:
        raise unknown_name("kind of items", items, ITEMS)
    layout.check_name(folder)
    check_folder(folder, "the index")
    divided = spread or items != "captions"
    named = isinstance(captions, str | Path | CaptionFiles) and images is embeddings is ids is None
    if divided and not named:
        raise InputError("a worker, Ray and kinds of items go with files of captions or images alone: name them.")
    if named:
        given = captions if isinstance(captions, CaptionFiles) else CaptionFiles(cast(Any, captions))
        columns = Columns(items, given.caption, given.image)
        listing = reading.listing(given.path, columns, folder)
        first = _first_row(listing, replace(columns, id="id"))
        of_ids = isinstance(first, Sample) and first.id is not None
        if divided or (len(listing.sources) > 1 and not of_ids):
            return Files(listing.base, listing.sources, columns)
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds an index already: add to it, or choose another name.")
    return Stream(ItemInputs(captions, images, embeddings, ids))


def run(
    folder: Path,
    sources: Sources,
    model: Model | None,
    space: Space | str | None,
    *,
    worker: str | None = None,
    ray: bool = False,
    batch_size: int | None = None,
    device: str = "auto",
    dtype: str = "float16",
    progress: bool = False,
) -> Summary:
    """Embed the inputs of an index, or a share of them, and make them a part of it; arguments and errors as `build`."""
    share = Share.parse(worker)
    if ray and worker is not None:
        raise InputError("a cluster takes all inputs: name a worker or Ray, not both.")
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    if batch_size is not None:
        check_whole("the batch size", batch_size, 1, limits.COUNT)
    if ray:
        require_ray()
    chosen, empty = _planned(model, space, sources, dtype)
    begin = partial(_begin, folder, sources, model, chosen, empty)
    files = isinstance(sources, Files)
    corpus = Corpus(folder, sources.base, patiently(begin) if files else begin())
    before = survey(folder)
    mine = share.of(len(corpus.plan.inputs))
    missing = [number for number in mine if number not in before]
    adopter = Adopter(folder, empty, at_once=len(corpus.plan.inputs) > 1)
    with closing(Report(corpus.plan.inputs, mine, missing, progress)) as report:
        for number in mine:
            if number in before:
                report.earlier(before[number])
                adopter.offer(before[number])
        outcomes: Iterator[Outcome[Done]]
        if ray and model is not None:
            outcomes = cluster.spread(corpus, missing, model.name, device, batch_size, report.count)
        else:
            allowance = Allowance()

            def work(number: int) -> Done:
                source = _opened(corpus, number, sources, model, chosen, empty, batch_size)
                return embed_input(folder, corpus.plan, number, source, allowance, report.count)

            outcomes = jobs_of(folder).run(missing, work, UnreadableError, patient=files)
        for outcome in outcomes:
            report.note(outcome)
            if outcome.record is not None:
                adopter.offer(outcome.record)
        adopter.finish()
        failed = {number for number, source in enumerate(corpus.plan.inputs) if source.name in report.failed}
        finished = settle(folder, set(range(len(corpus.plan.inputs))) - failed)
        if finished and not files:  # nothing can be added to what is no file: nobody needs the plan any more
            retire(folder / layout.PLAN)
            retire(jobs_of(folder).folder)
        return report.summary(finished)


def _opened(
    corpus: Corpus,
    number: int,
    sources: Sources,
    model: Model | None,
    space: Space,
    empty: Manifest,
    batch_size: int | None,
) -> Input:
    if isinstance(sources, Stream):
        return StreamInput(iter(sources.batches), Embedder(corpus.out, empty, space, lambda: cast(Model, model)))
    embedder = ItemEmbedder(cast(Model, model), space, corpus.plan.dtype, corpus.plan.items, batch_size)
    return FileInput(corpus, number, embedder)


def _planned(model: Model | None, space: Space | str | None, sources: Sources, dtype: str) -> tuple[Space, Manifest]:
    """The space of an index that is to be built, and its manifest while it is empty."""
    stored = sources.stored if isinstance(sources, Stream) else None
    first = sources.first if isinstance(sources, Stream) else None
    if model is not None and sources.columns.pictures and not model.has_images:
        raise InputError(f"{model.name} embeds texts only: choose an image-text model, or the items captions.")
    if model is not None and first is not None and first.captions and first.embeddings is None:
        model.check_texts([caption.strip() for caption in first.captions])
    native = model.native_space() if model is not None else None
    chosen = Space(space) if isinstance(space, str) else space or native or Space("euclidean")
    facts = stored.model if stored is not None else None
    if model is not None:
        own = ModelFacts.of(model)
        facts = replace(own, fingerprint=facts.fingerprint) if facts is not None and facts.fit(model) else own
    root = model.root() if model is not None else stored.root if stored is not None else None
    if root is not None:
        chosen = chosen.rooted(root)
    if stored is not None:
        stored.check(facts, chosen.root)
    given = None if first is None else first.embeddings
    if model is None and given is None:
        raise InputError("there are no embeddings: an index of none needs a model.")
    dim = model.dim if model is not None else cast(Tensor, given).shape[1]
    spec, reserved = chosen.geometry.fixed().spec, RESERVED if isinstance(sources, Files) else 0
    empty = Manifest(Frame.of(chosen, dim), dtype, spec, chosen.min_radius, facts, generation=-1)
    return chosen, replace(empty, next_id=reserved, reserved=reserved)


def _begin(folder: Path, sources: Sources, model: Model | None, space: Space, empty: Manifest) -> CorpusPlan:
    """Agree on the plan and store it, under the lock of the index."""
    columns, facts = sources.columns, empty.model
    names = (columns.items, columns.caption, columns.image)
    given = sources.given if isinstance(sources, Stream) else ()
    with locked(folder):
        before = plan.read_plan(folder)
        if (folder / MANIFEST).exists() and (before is None or before.given != given):
            raise InputError(f"{folder} holds an index already: add to it, or choose another name.")
        if before is None and (folder / BUILD).exists():
            raise InputError(
                f"{folder} holds an unfinished build of version 0.2: remove it, or end it by that version."
            )
        if before is not None and before.model is not None and model is not None and before.model.fit(model):
            facts = before.model
        space_of_plan = (empty.frame.root_sha256, empty.geometry, empty.min_radius, empty.dtype)
        now = CorpusPlan(facts, *space_of_plan, *names, empty.full, sources.sources, given)
        jobs, done = jobs_of(folder), survey(folder)
        if isinstance(sources, Stream) and 0 in done:  # its rows are compared with what is given now
            jobs.write(replace(done.pop(0), finished=False))
        agreed = plan.agreed(folder, before, now, done)
        for number, source in enumerate(() if before is None else before.inputs):
            if source != agreed.inputs[number]:  # shards of the file that was there are no beginning of the new one
                jobs.remove(number)
        if before is None:
            layout.write_root(folder, space.root)
        if agreed != before:
            plan.write_plan(folder, agreed)
    return agreed


def _first_row(listing: reading.Inputs, columns: Columns) -> reading.Read | None:
    """The first row of the first file that can be read; other files that are damaged are named at the end of the run.

    Raises UnreadableError for columns that it does not have, or for the only file.
    """
    for source in listing.sources:
        try:
            return next(reading.read(listing.base / source.name, columns), None)
        except UnreadableError as error:
            if len(listing.sources) == 1 or isinstance(error, MissingColumnError):
                raise
    return None
