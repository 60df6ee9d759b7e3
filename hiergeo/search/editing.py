"""What changes an index: items appended and deleted, shards compacted, every byte checked."""

from collections.abc import Iterable, Iterator
from itertools import chain

from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.progress import track
from hiergeo.geometry import Space
from hiergeo.search import appending, checking, compaction, snapshots
from hiergeo.search.appending import Added
from hiergeo.search.checking import Checked
from hiergeo.search.compaction import Compacted
from hiergeo.search.embedding import Embedder
from hiergeo.search.layout import Manifest
from hiergeo.search.queries import Encoder
from hiergeo.search.shard_writer import Labelled
from hiergeo.search.sources import Captions, Embeddings, Images, Inputs, ids_of
from hiergeo.search.stores.exact import ExactStore


class Editable:
    """The part of an index that changes it.

    Attributes:
        store: where the items are.
        space: where they are measured unless another space is named.
        encoder: embeds by the model of the index.
    """

    store: ExactStore
    space: Space
    encoder: Encoder

    def add(
        self,
        captions: Captions | None = None,
        images: Images | None = None,
        embeddings: Embeddings | None = None,
        ids: Iterable[int] | Tensor | None = None,
    ) -> Added:
        """Append items, all of them or none; when this returns they are durable, and this index finds them.

        Arguments are those of `hiergeo.search.build`; without ids, items are counted on from the largest id that the
        index ever held. Other readers go on with what they see until `refresh`.

        Raises:
            InputError: an item that cannot be used, or an id that is there already or twice; the index is as before.
            UnavailableError: the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        inputs = Inputs(captions, images, embeddings, ids)
        if inputs.stored is not None:
            inputs.stored.check(self.store.manifest.model, self.space.root)
        batches = inputs.batches()
        first = next(batches, None)
        if first is not None and first.embeddings is None and self.store.manifest.model is None:
            raise InputError("the index does not say which model embedded it: add embeddings.")

        def rows(manifest: Manifest) -> Iterator[Labelled]:
            embedder = Embedder(self.store.folder, manifest, self.space, lambda: self.encoder.model, manifest.next_id)
            for batch in track(
                chain([] if first is None else [first], batches), "items", enabled=True, size=lambda part: part.size
            ):
                yield embedder.rows(batch)

        done = appending.append(self.store.folder, rows)
        self.refresh()
        return done

    def delete(self, ids: Iterable[int] | Tensor) -> int:
        """Delete items by their ids, durably; returns how many of them there were.

        Raises:
            InputError: something that is no id.
            UnavailableError: the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        return self.store.delete(ids_of(ids))

    def compact(self, *, skip_damaged: bool = False) -> Compacted:
        """Merge small shards, drop deleted rows from the disk and make shells of equal mass again.

        Args:
            skip_damaged: verify every byte first, and drop the shards that are damaged with all their items.

        Raises:
            UnavailableError: a shard is damaged, or the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        done = compaction.compact(self.store.folder, skip_damaged)
        self.refresh()
        snapshots.tidy(self.store.folder)
        return done

    def check(self) -> Checked:
        """Verify every byte of the index, as it is on the disk now, and name the shards that are damaged."""
        return checking.check(self.store.folder)

    def refresh(self) -> None:
        """See what other writers have changed since the index was opened."""
        self.store.refresh()

    def close(self) -> None:
        """Let go of the files."""
        self.store.close()
