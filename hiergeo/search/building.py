"""Building an index in one pass: items embedded a batch at a time, written a shard at a time, resumed by the shards."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast, final

from torch import Tensor

from hiergeo import adapters
from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Count, Document, Sha256
from hiergeo._core.storage.files import path_of, retire
from hiergeo._core.storage.locks import locked
from hiergeo.adapters import Model
from hiergeo.geometry import Space
from hiergeo.search import layout, snapshots
from hiergeo.search.appending import join, write_shards
from hiergeo.search.embedding import Embedder
from hiergeo.search.index import Index
from hiergeo.search.layout import BUILD, DTYPES, MANIFEST, Manifest, ModelFacts, Shard
from hiergeo.search.rows import Frame
from hiergeo.search.shard_writer import Labelled
from hiergeo.search.sources import Captions, Embeddings, Images, ItemBatch, ItemInputs
from hiergeo.search.stored import Stored
from hiergeo.search.stores.exact import ExactStore

AGAIN = "give the same inputs and settings to go on"


class _State(Document):
    """What an unfinished build has done."""

    plan: Sha256
    rows: Count
    inputs: Sha256
    shards: list[Shard]


def build(
    path: Path | str,
    model: Model | str | None,
    captions: Captions | None = None,
    images: Images | None = None,
    space: Space | str | None = None,
    *,
    embeddings: Embeddings | None = None,
    ids: Any = None,
    dtype: str = "float16",
    progress: bool = False,
) -> Index:
    """Build an index of captions, of images, or of embeddings, of any number, in bounded memory.

    A build that was interrupted goes on when it is called again with the same arguments: items of shards that are
    complete are read again, to check by their hash that they are the same, and not embedded again. Until it ends there
    is no index.

    Args:
        path: a new folder.
        model: a model or its spec; None for embeddings of unknown origin, in which texts and images cannot be searched.
        captions: of the items: a list or another iterable; or a file, a folder or a pattern of what
            `hiergeo.datasets.reading` reads, or `hiergeo.search.CaptionFiles`, which names the columns. A table may
            have a column of images, and a column ``id`` of ids.
        images: paths, or a folder; alone they are items of their own, beside captions or embeddings one for each item.
        space: where searches measure unless another space is named; None is the native space of the model, Euclidean
            around its root for a model without one.
        embeddings: instead of embedding captions or images: (N, D), blocks (n, D), a .npy file, or an .npz file as
            ``hiergeo embed`` writes it, which brings captions, and without a model the root and the model's name.
        ids: whole numbers in [0, 2^63), distinct, one for each item; None counts from 0.
        dtype: of stored directions, "float16" or "float32".
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: an item that cannot be used, or an id twice; inputs or settings that differ from those of the build
            that was interrupted; a folder that holds an index already.
        UnavailableError: a file that is not there, or the disk cannot be written; complete shards are kept.
        HeldError: another process builds the same index.
    """
    folder = path_of(path)
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    inputs = ItemInputs(captions, images, embeddings, ids)
    if model is None and embeddings is None:
        raise InputError("give the model that embeds captions or images, or give embeddings.")
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds an index already: add to it, or choose another name.")
    batches = inputs.batches()
    first = next(batches, None)
    loaded = adapters.load(model) if isinstance(model, str) else model
    if loaded is not None and first is not None and first.captions and first.embeddings is None:
        loaded.check_texts([caption.strip() for caption in first.captions])
    batches = chain([] if first is None else [first], batches)
    chosen, manifest = _planned(loaded, space, first, dtype, inputs.stored)
    with locked(folder):
        work = _Work(folder, manifest, inputs)
        work.begin(chosen)
        embedder = Embedder(folder, manifest, chosen, lambda: cast(Model, loaded))
        work.write(track(batches, "embedding items", enabled=progress, size=lambda batch: batch.size), embedder)
        work.finish()
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


def _planned(
    model: Model | None, space: Space | str | None, first: ItemBatch | None, dtype: str, stored: Stored | None
) -> tuple[Space, Manifest]:
    """The space of an index that is to be built, and its manifest while it is empty."""
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
    spec, min_radius = chosen.geometry.fixed().spec, chosen.min_radius
    return chosen, Manifest(Frame.of(chosen, dim), dtype, spec, min_radius, facts, generation=-1)


@final
class _Work:
    """A build, and how far it is: after every shard its record and the hash of all items up to there are kept."""

    def __init__(self, folder: Path, manifest: Manifest, inputs: ItemInputs) -> None:
        self.folder, self.manifest = folder, manifest
        bare = replace(manifest, model=manifest.model and replace(manifest.model, witness=None))
        settings = {**asdict(bare), "batch": layout.BATCH, "full": manifest.full, "given": inputs.given()}
        plan = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        self.digest, self.done = hashlib.sha256(), 0
        self.state = _State(plan=plan, rows=0, inputs=self.digest.hexdigest(), shards=[])

    def begin(self, space: Space) -> None:
        """Start, or find what an interrupted build of the same settings has done."""
        if (self.folder / MANIFEST).exists():
            raise InputError(f"{self.folder} holds an index already: add to it, or choose another name.")
        if (self.folder / BUILD).exists():
            found = documents.read(self.folder / BUILD, _State, hashed=True)
            if found.plan != self.state.plan:
                raise InputError(f"{self.folder} holds an unfinished build of other settings: remove it, or {AGAIN}.")
            self.state = found
        else:
            layout.write_root(self.folder, space.root)
            self._save()
        snapshots.remove_orphans(self.folder, replace(self.manifest, shards=tuple(self.state.shards)))

    def write(self, batches: Iterable[ItemBatch], embedder: Embedder) -> None:
        """Write the items as shards, those that are there already excepted."""
        state, items = self.state, self._fresh(batches, embedder)
        for shard in write_shards(self.folder, self.manifest, items, len(state.shards)):
            state.shards.append(shard)
            state.rows, state.inputs = self.done, self.digest.hexdigest()
            self._save()

    def _fresh(self, batches: Iterable[ItemBatch], embedder: Embedder) -> Iterator[Labelled]:
        """The items behind those that the shards hold; these are compared with them."""
        stored = self.state.rows
        for batch in batches:
            items = embedder.rows(batch) if self.done >= stored else None
            batch.hash_into(self.digest)
            self.done += batch.size
            if items is not None:
                yield items
            elif self.done >= stored:
                self._check()
        if self.done < stored:
            self._check()

    def finish(self) -> None:
        """Make the shards an index."""
        layout.commit(self.folder, join(self.folder, self.manifest, self.state.shards))
        retire(self.folder / BUILD)

    def _check(self) -> None:
        """Raise InputError unless the items so far are as many as the shards hold, and the same."""
        if self.done != self.state.rows or self.digest.hexdigest() != self.state.inputs:
            raise InputError(
                f"the first {self.state.rows} items are not those of the unfinished build in {self.folder}: "
                f"{AGAIN}, or remove it."
            )

    def _save(self) -> None:
        documents.write(self.folder / BUILD, self.state.model_dump(), indent=None)
