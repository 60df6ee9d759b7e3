"""Building an index: items embedded a batch at a time, written a shard at a time."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hiergeo import adapters
from hiergeo.adapters import Model
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.index import Index
from hiergeo.search.layout import Manifest, ModelFacts
from hiergeo.search.rows import Frame, Rows
from hiergeo.search.shards import Labels
from hiergeo.search.stores.exact import ExactStore
from hiergeo.storage.files import path_of
from hiergeo.storage.locks import locked


def build(
    path: Path | str,
    model: Model | str | None,
    captions: Sequence[str] | None = None,
    images: Sequence[Path | str] | None = None,
    space: Space | str | None = None,
    *,
    embeddings: Tensor | None = None,
    ids: Tensor | None = None,
    dtype: str = "float16",
) -> Index:
    """Build an index of captions, of images, or of embeddings with their captions.

    Args:
        path: a new folder.
        model: a model or its spec; None for embeddings of unknown origin, in which texts and images cannot be searched.
        captions: of the items.
        images: files, one for each item beside captions and embeddings, or items of their own.
        space: where searches measure unless another space is named; None is the native space of the model, Euclidean
            around its root for a model without one.
        embeddings: (N, D), instead of embedding captions or images.
        ids: (N,) int64, distinct; None counts from 0.
        dtype: of stored directions, "float16" or "float32".
    """
    folder = path_of(path)
    loaded = adapters.load(model) if isinstance(model, str) else model
    if embeddings is None:
        if loaded is None or captions is None:
            raise InputError("give captions and the model that embeds them, or embeddings.")
        embeddings = loaded.encode_text(list(captions), progress=True)
    native = loaded.native_space() if loaded is not None else None
    chosen = Space(space) if isinstance(space, str) else space or native or Space("euclidean")
    if loaded is not None:
        chosen = chosen.rooted(loaded.root())
    facts = None if loaded is None else ModelFacts(loaded.name, loaded.fingerprint(), loaded.normalised)
    frame = Frame.of(chosen, embeddings.shape[1])
    manifest = Manifest(frame, dtype, chosen.geometry.spec, chosen.min_radius, facts)
    with locked(folder):
        layout.create(folder, manifest, chosen.root)
    store = ExactStore(folder)
    numbers = torch.arange(len(embeddings)) if ids is None else ids
    rows = Rows.of(numbers, embeddings, chosen, layout.DTYPES[dtype])
    labels = Labels(captions or [None] * len(rows), [str(i) for i in images] if images else [None] * len(rows))
    store.add_labelled(rows, labels)
    return Index(store, loaded)


def open(path: Path | str, *, model: Model | None = None, device: str = "auto") -> Index:
    """Open an index.

    Args:
        path: its folder.
        model: the model of the index, if it is loaded already; otherwise it is loaded when the first text or image is
            searched.
        device: where the model is loaded.

    Raises:
        UnavailableError: there is no index.
        InputError: it is damaged, or the model is another one.
    """
    return Index(ExactStore(path_of(path)), model, device)
