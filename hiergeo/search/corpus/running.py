"""One run of embedding: inputs, one by one, become shards, and these a part of the index, by any number of processes.

Several files are one input each, whose rows are set aside where they cannot be used. Anything else is one input, every
item of which must be sound. A run that was interrupted goes on behind the last shard of each input.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, cast, final

from torch import Tensor

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.errors import (
    HiergeoError,
    InputError,
    UnavailableError,
    check_whole,
    described,
    several,
    unknown_name,
)
from hiergeo._core.jobs import Outcome, Share, cluster, patiently, require_ray
from hiergeo._core.progress import Bar
from hiergeo._core.storage.files import retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters import Model
from hiergeo.datasets.reading import Columns, Defect, Source, UnreadableError
from hiergeo.datasets.reading.inputs import MOST
from hiergeo.evaluation.measuring import check_readable, learnt_space
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.corpus import plan
from hiergeo.search.corpus.embedding import ItemEmbedder
from hiergeo.search.corpus.plan import CorpusPlan
from hiergeo.search.corpus.records import INPUT_BITS, Adopter, Done, jobs_of, survey
from hiergeo.search.corpus.work import Corpus, embed_input, windows_of_file, windows_of_stream
from hiergeo.search.embedding import Embedder
from hiergeo.search.layout import DTYPES, MANIFEST, Manifest, ModelFacts
from hiergeo.search.rows import Frame
from hiergeo.search.sources import ItemInputs

RESERVED = MOST << INPUT_BITS
"""Ids below it are those of rows of files; items that are added to an index of files have others."""

SHARE, LEAST = 0.01, 1000
"""How many rows may be set aside: a share of all, or of so many where there are fewer."""

RESTARTS = 10
"""How often a worker of Ray is started anew after it died."""

LOOK = 2.0
"""Seconds between looks at what the workers of Ray have done."""


@final
@dataclass(frozen=True)
class Files:
    """Several files or folders of images, of which `base` holds `sources`."""

    native: ClassVar[Space | None] = None
    base: Path
    sources: tuple[Source, ...]
    columns: Columns


@final
class Stream:
    """One input that is read once; its first batch is read at once, so that what is wrong with it is said early.

    `native` is the space of embeddings that are points in coordinates.
    """

    def __init__(self, inputs: ItemInputs) -> None:
        self.given, self.stored, self.columns = tuple(inputs.given()), inputs.stored, Columns()
        self.sources, self.base = (Source("items", 0, 0),), Path()
        batches = inputs.batches()
        self.first = next(batches, None)
        self.batches = batches if self.first is None else chain([self.first], batches)
        given = None if self.first is None else self.first.embeddings
        where = inputs.coordinates
        self.native = None if where is None or given is None else where.space(given.shape[1])


Sources: TypeAlias = Files | Stream


@final
@dataclass
class Summary:
    """What a run did with the inputs of its share.

    It embedded so many of them, which have `items`, and read `rows`, of which `poisoned` were set aside. `failed` says
    why nothing could be read of an input, `incomplete` names those that broke off, whichever run read them, `finished`
    says whether every input of the plan is a part of the index or failed.
    """

    inputs: int
    embedded: int = 0
    rows: int = 0
    items: int = 0
    poisoned: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def faults(self) -> Iterator[str]:
        """A sentence for every input of the share that was not read to its end."""
        yield from (f"{name} was left out: {reason}" for name, reason in self.failed.items())
        yield from (f"{name} broke off: what is before that is embedded." for name in self.incomplete)

    @property
    def earlier(self) -> int:
        """Inputs that were embedded before, or by another process meanwhile."""
        return self.inputs - self.embedded - len(self.failed)

    def count(self, name: str, rows: int, defects: Sequence[Defect]) -> None:
        """Count rows of an input, and those that are set aside; raises InputError, with the last, for too many."""
        self.rows += rows
        self.poisoned += sum(defect.rows for defect in defects)
        if defects and self.poisoned > SHARE * max(self.rows, LEAST):
            others = (f"row {defect.row}: {defect.reason}" for defect in defects[-2::-1])
            last = several(f"the last is row {defects[-1].row} of {name}: {defects[-1].reason}", others)
            raise InputError(
                f"{self.poisoned:,} of {self.rows:,} rows cannot be used, more than {SHARE:.0%}; {last}; correct them, "
                f"or leave them out."
            )

    def note(self, name: str, outcome: Outcome[Done]) -> None:
        """Take what became of an input."""
        done = outcome.record
        if done is None:
            self.failed[name] = outcome.failure
            return
        if not done.complete:
            self.incomplete.append(name)
        if not outcome.earlier:
            self.embedded += 1
            self.items += done.items

    def merge(self, part: "Summary") -> None:
        """Take what a worker of Ray did, each of which looks at every input."""
        for name in ("embedded", "rows", "items", "poisoned"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.failed |= part.failed
        self.incomplete = list(dict.fromkeys([*self.incomplete, *part.incomplete]))


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
    first: float = 0.0,
) -> Summary:
    """Embed the inputs of an index, or a share of them, and make them a part of it; arguments and errors as `build`.

    `first` is the share of the inputs behind which it begins.
    """
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
    agreed, finished = patiently(begin) if files else begin()
    corpus, names, jobs = Corpus(folder, sources.base, agreed), agreed.names, jobs_of(folder)
    mine = share.of(len(names))
    summary, adopter = Summary(len(mine)), Adopter(folder, empty)
    missing = [number for number in mine if number not in finished]
    behind = int(first * len(missing))
    missing = missing[behind:] + missing[:behind]

    def work(number: int) -> Done:
        if isinstance(sources, Stream):
            embedder = Embedder(folder, empty, chosen, lambda: cast(Model, model))
            windows = windows_of_stream(iter(sources.batches), embedder)
        else:
            items = ItemEmbedder(cast(Model, model), chosen, agreed.dtype, agreed.items, batch_size)
            windows = windows_of_file(corpus, number, items)
        return embed_input(corpus, number, windows, chosen.geometry, count)

    bar = Bar("embedding items", None if len(names) == 1 else len(missing)) if progress and missing else None
    start = time.monotonic()

    def draw(inputs: int, rows: int = 0) -> None:
        if bar is not None:
            rate = summary.rows / max(time.monotonic() - start, 1e-3)
            bar.advance(rows if len(names) == 1 else inputs, f"{summary.rows:,} rows, {rate:,.0f} rows/s")

    def count(name: str, rows: int, defects: Sequence[Defect]) -> None:
        summary.count(name, rows, defects)
        draw(0, rows)

    with nullcontext() if bar is None else closing(bar):
        for number in set(mine) & finished.keys():
            summary.note(names[number], Outcome(number, finished[number], earlier=True))
            adopter.offer(finished[number])
        if ray and missing:
            settings = {"batch_size": batch_size, "device": device, "dtype": dtype}
            for part in _spread(folder, sources, cast(Model, model).name, chosen, settings, len(missing), draw):
                summary.merge(part)
        else:
            for outcome in jobs.run(missing, work, UnreadableError, patient=files):
                summary.note(names[outcome.number], outcome)
                if outcome.record is not None:
                    adopter.offer(outcome.record)
                draw(1)
    summary.finished = adopter.finish(number for number, name in enumerate(names) if name not in summary.failed)
    if summary.finished and not files:  # nothing can be added to what is no file: nobody needs the plan any more
        retire(folder / layout.PLAN)
        retire(jobs.folder)
    return summary


def _spread(
    folder: Path,
    sources: Sources,
    spec: str,
    space: Space,
    settings: dict[str, Any],
    inputs: int,
    draw: Callable[[int], None],
) -> Iterator[Summary]:
    """Let workers of Ray, which needs the inputs and the index at the same paths, embed the inputs that are missing.

    There is one for each GPU where the cluster has some and the device is not the CPU, otherwise for each CPU. Every
    one looks at all inputs and takes what no other has in hand, so that they end together.
    """
    with cluster(settings["device"]) as (ray, cpus, gpus):
        workers = min(gpus or cpus, inputs)
        task = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, max_retries=RESTARTS)(_work)
        given = folder.resolve(), replace(cast(Files, sources), base=sources.base.resolve()), spec, space, settings
        pending = [task.remote(*given, number / workers) for number in range(workers)]
        records = 0
        while pending:
            ready, pending = ray.wait(pending, num_returns=1, timeout=LOOK)
            for reference in ready:
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayError as error:
                    raise UnavailableError(f"a worker of Ray failed: {described(error)}.") from error
                if isinstance(result, HiergeoError):
                    raise result
                yield result
            before, records = records, sum(1 for _ in jobs_of(folder).folder.glob("*.json"))
            draw(records - before)


def _work(
    folder: Path, sources: Files, spec: str, space: Space, settings: dict[str, Any], first: float
) -> Summary | HiergeoError:
    """What a worker of Ray does, or what stops it: an error that every process can read."""
    try:
        return run(folder, sources, adapters.load(spec, device=settings["device"]), space, first=first, **settings)
    except HiergeoError as error:
        return (UnavailableError if isinstance(error, UnavailableError) else InputError)(str(error))


def _planned(model: Model | None, space: Space | str | None, sources: Sources, dtype: str) -> tuple[Space, Manifest]:
    """The space of an index that is to be built, and its manifest while it is empty."""
    stored = sources.stored if isinstance(sources, Stream) else None
    first = sources.first if isinstance(sources, Stream) else None
    if model is not None and sources.columns.pictures and not model.has_images:
        raise InputError(f"{model.name} embeds texts only: choose an image-text model, or the items captions.")
    if model is not None and first is not None and first.captions and first.embeddings is None:
        model.check_texts([caption.strip() for caption in first.captions])
    given = None if first is None else first.embeddings
    native = sources.native or (model.native_space() if model is not None else None)
    chosen = Space(space) if isinstance(space, str) else space or native or Space("euclidean")
    facts = stored.model if stored is not None else None
    if model is not None:
        chosen = learnt_space(model, chosen) if isinstance(space, str) else chosen
        own = ModelFacts.of(model)
        facts = replace(own, fingerprint=facts.fingerprint) if facts is not None and facts.fit(model) else own
    root = model.root() if model is not None else stored.root if stored is not None else None
    if root is not None:
        chosen = chosen.rooted(root)
    if model is not None:
        check_readable(model, chosen.geometry)
    if stored is not None:
        stored.check(facts, chosen.root)
    if model is None and given is None:
        raise InputError("there are no embeddings: an index of none needs a model.")
    dim = model.dim if model is not None else cast(Tensor, given).shape[1]
    reserved = RESERVED if isinstance(sources, Files) else 0
    spec, law = chosen.geometry.fixed().spec, chosen.geometry.learnt
    empty = Manifest(Frame.of(chosen, dim), dtype, spec, chosen.min_radius, facts, generation=-1, law=law)
    return chosen, replace(empty, next_id=reserved, reserved=reserved)


def _begin(
    folder: Path, sources: Sources, model: Model | None, space: Space, empty: Manifest
) -> tuple[CorpusPlan, dict[int, Done]]:
    """Agree on the plan and store it, under the lock of the index; gives it and the inputs that are embedded."""
    columns, facts = sources.columns, empty.model
    names = (columns.items, columns.caption, columns.image)
    given = sources.given if isinstance(sources, Stream) else ()
    with locked(folder):
        before = plan.read_plan(folder)
        if (folder / MANIFEST).exists() and (before is None or before.given != given):
            raise InputError(f"{folder} holds an index already: add to it, or choose another name.")
        if before is not None and before.model is not None and model is not None and before.model.fit(model):
            facts = before.model
        space_of_plan = (empty.frame.root_sha256, empty.geometry, empty.min_radius, empty.dtype)
        now = CorpusPlan(facts, *space_of_plan, *names, empty.full, sources.sources, given)
        jobs, done = jobs_of(folder), survey(folder)
        if isinstance(sources, Stream) and 0 in done:  # its rows are compared with what is given now
            jobs.write(replace(done.pop(0), finished=False))
        agreed = now if before is None else plan.agreed(folder, before, now, done)
        for number, source in enumerate(() if before is None else before.inputs):
            if source != agreed.inputs[number]:  # shards of the file that was there are no beginning of the new one
                jobs.remove(number)
        if before is None:
            layout.write_root(folder, space.root)
        if agreed != before:
            plan.write_plan(folder, agreed)
    return agreed, done
