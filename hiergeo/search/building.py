"""Building and opening an index, and what it is built of."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from hiergeo import adapters
from hiergeo._core.errors import InputError, unknown_name, warn
from hiergeo._core.storage.files import check_folder, path_of
from hiergeo.adapters import Model
from hiergeo.datasets import reading
from hiergeo.datasets.reading import ITEMS, Columns, Items, MissingColumnError, Sample, UnreadableError
from hiergeo.datasets.reading.samples import KEYS
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.corpus.running import Files, Sources, Stream, run
from hiergeo.search.ids import Id
from hiergeo.search.index import Index
from hiergeo.search.layout import MANIFEST
from hiergeo.search.sources import COLUMN, CaptionFiles, Captions, Embeddings, Images, ItemInputs
from hiergeo.search.stores.exact import ExactStore


def build(
    path: Path | str,
    model: Model | str | None,
    captions: Captions | None = None,
    images: Images | None = None,
    space: Space | str | None = None,
    *,
    embeddings: Embeddings | None = None,
    ids: Iterable[Id] | Tensor | None = None,
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
            have a column of images, and a column ``id`` or ``sku`` of ids. Of several files without ids each is an
            input of its own: rows that cannot be used are set aside, and ids are (number of the file << 32) + row.
        images: paths, or a folder; alone they are items of their own, beside captions or embeddings one for each item.
        space: where searches measure unless another space is named; None is the native space of the model, Euclidean
            around its root for a model without one.
        embeddings: instead of embedding captions or images: (N, D), blocks (n, D), a .npy file, or an .npz file as
            ``hiergeo embed`` writes it, which brings captions, and without a model the root and the model's name.
        ids: texts or whole numbers in [0, 2^63), distinct, one for each item; None counts from 0.
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
    loaded = None if model is None else adapters.load(model, device=device)
    settings: dict[str, Any] = {"batch_size": batch_size, "device": device, "dtype": dtype}
    summary = run(folder, sources, loaded, space, worker=worker, ray=ray, progress=progress, **settings)
    for fault in summary.faults:
        warn(fault)
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
        columns = Columns(items, given.caption, given.image, named=COLUMN)
        listing = reading.listing(given.path, columns, folder)
        first = _first_row(listing, replace(columns, id=KEYS))
        of_ids = isinstance(first, Sample) and first.id is not None
        if divided or (len(listing.sources) > 1 and not of_ids):
            return Files(listing.base, listing.sources, columns)
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds an index already: add to it, or choose another name.")
    return Stream(ItemInputs(captions, images, embeddings, ids))


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
