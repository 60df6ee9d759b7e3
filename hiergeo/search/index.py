"""The front door of search: an index that answers questions about what entails what, and can be changed."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, cast, final, get_args

from torch import Tensor

from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError
from hiergeo._core.progress import track
from hiergeo.adapters import Model
from hiergeo.geometry import Points, Space
from hiergeo.geometry.space import By, Side
from hiergeo.geometry.spec import recorded
from hiergeo.search import appending, checking, compaction, layout, snapshots
from hiergeo.search.answers import Answer
from hiergeo.search.appending import Added
from hiergeo.search.background import Background, Backgrounds
from hiergeo.search.checking import Checked
from hiergeo.search.compaction import Compacted
from hiergeo.search.distinct import distinct_answers
from hiergeo.search.embedding import Embedder
from hiergeo.search.groups import RequestGroup, Result, query_rows
from hiergeo.search.ids import Id, numbers_of
from hiergeo.search.layout import Manifest
from hiergeo.search.pushing import Engines, push
from hiergeo.search.queries import Encoder, Item, Query
from hiergeo.search.recall import KindAudit, audit, with_recall
from hiergeo.search.requests import Kind, Queries, Request, Searcher, queries_of
from hiergeo.search.shard_writer import Labelled
from hiergeo.search.sources import Captions, Embeddings, Images, ItemInputs
from hiergeo.search.store import Store
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import RadiusRange, run


@final
class Index(Searcher):
    """An index of embeddings in an entailment hierarchy.

    Methods take one query and give one answer, or several (a list, or a tensor (Q, D)) and give a list of answers from
    one pass over the index. A query is a text, an image (a `Path`, a picture, or a string that names an existing image
    file; any other string is a text), or an embedding, whose direction is rounded to the dtype of the index before it
    is compared, as those of stored items were; or an `Item` of the index.

    Args:
        store: where the items are.
        model: the model of the index, if it is loaded already.
        device: where the model is loaded otherwise.
        compute: where rows are compared; rows are moved there a chunk at a time.
    """

    def __init__(
        self, store: ExactStore, model: Model | None = None, device: str = "auto", compute: str = "cpu"
    ) -> None:
        self.store = store
        self.space = layout.space_of(store.folder, store.manifest)
        self.encoder = Encoder(self.manifest.model, self.manifest.frame.dim, model, device)
        self.device = resolve_device(compute)
        self.engines, self._backgrounds = Engines(store), Backgrounds(self.device)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the generation that is searched."""
        return self.store.manifest

    def __len__(self) -> int:
        """How many items it holds."""
        return self.store.manifest.rows

    def search(self, requests: Sequence[Request]) -> list[Result]:
        """Answer requests of any kinds in one pass over the index; the answers are in their order.

        Raises:
            InputError: an empty index, or a query or a space that it cannot take; nothing is searched.
        """
        if not requests:
            return []
        if not len(self):
            raise InputError("the index is empty: add items before searching.")
        store = self.store.pinned()
        embedded = self.encoder.encode([request.query for request in requests])
        requests = [
            self._bounded(store, self.engines.current(request), row)
            for request, row in zip(requests, embedded, strict=True)
        ]
        results = self._swept(store, requests, embedded)
        folded = {i: hits for i, hits in enumerate(results) if isinstance(hits, Answer) and requests[i].distinct}
        if folded:
            more = distinct_answers(requests, folded, lambda at, others: self._swept(store, others, embedded[at]))
            results = [more.get(i, result) for i, result in enumerate(results)]
        return with_recall(store, requests, results, self.chosen)

    def points(self, queries: Sequence[Query], space: Space | str | None = None) -> Points:
        """Queries as points of a space, rounded as searches round them; items are where they are stored.

        Raises:
            InputError: a query or a space that the index cannot take, or an item that it does not hold.
        """
        chosen = self.chosen(space)
        rows = query_rows(queries, self.encoder.encode(queries), chosen, self.store.pinned())
        return rows.points(chosen.geometry, self.device)

    def background(self, space: Space | str | None = None) -> Background:
        """What is usual among the items in a space, at least one: what hits are compared with.

        It takes a pass over the index with at least 128 of its items, once for a space and again when a tenth of the
        items have changed.
        """
        return self._backgrounds.of(self.store.pinned(), self.chosen(space))

    def push(self, store: Store | str, *, progress: bool = False) -> int:
        """Make a store hold exactly the items of the index; returns how many were sent.

        Args:
            store: it, or its spec such as "milvus:http://localhost:19530".
            progress: draw a bar for work that outlasts a second.

        Raises:
            InputError: a spec that is not valid, or a store of another index.
            UnavailableError: it cannot be reached, or afterwards holds another number of items in a shell.
        """
        return push(self.store, self.engines.opened(store), progress=progress)

    def audit(
        self,
        store: Store | str,
        queries: Sequence[Query] | Tensor,
        k: int = 10,
        *,
        by: By = "margin",
        space: Space | str | None = None,
    ) -> tuple[KindAudit, ...]:
        """Measure the recall of searches through a store against scans, each item counting, whatever its caption.

        Args:
            store: it, or its spec; later approximate answers of the same settings through the spec carry the recall.
            queries: like those that will be searched for; or embeddings (Q, D).
            k: hits of each query, and thresholds of its ladder.
            by: order of children and parents.
            space: as for `children`.

        Returns:
            One audit each of children, parents, neighbours and ladders: recall overall and of every shell.

        Raises:
            InputError: as for `children`.
            UnavailableError: the store cannot be reached, or the folder of the index not be written.
        """
        self.engines.checked(store)
        chosen, (several, _) = self.chosen(space), queries_of(list(queries))
        embedded = zip(several, self.encoder.encode(several), strict=True)
        points = [query if isinstance(query, Item) else row for query, row in embedded]
        options: Any = {"by": by, "distinct": False, "space": chosen, "store": store}
        return audit(self.search, self.store, chosen, [Request("children", point, k, **options) for point in points])

    def chosen(self, space: Space | str | None) -> Space:
        """The space that a request names.

        Raises:
            InputError: it is not of the frame of the index.
        """
        if space is None or space == self.space.geometry.spec:
            return self.space
        if isinstance(space, str):
            root = False if self.space.root is None else self.space.root
            space = Space(recorded(space), root, min_radius=self.space.min_radius)
        elif space.root is None and space.centre == "model" and self.space.root is not None:
            space = space.rooted(self.space.root)
        self.manifest.frame.check(space)
        return space

    def add(
        self,
        captions: Captions | None = None,
        images: Images | None = None,
        embeddings: Embeddings | None = None,
        ids: Iterable[Id] | Tensor | None = None,
        *,
        progress: bool = False,
    ) -> Added:
        """Append items, all of them or none; when this returns they are durable, and this index finds them.

        Arguments are those of `hiergeo.search.build`; without ids, items are counted on from the largest id that the
        index ever held. Other readers go on with what they see until `refresh`.

        Raises:
            InputError: an item that cannot be used, or an id that is there already or twice; the index is as before.
            UnavailableError: the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        inputs = ItemInputs(captions, images, embeddings, ids)
        if inputs.stored is not None:
            inputs.stored.check(self.store.manifest.model, self.space.root)
        batches = inputs.batches()
        first = next(batches, None)
        if first is not None and first.embeddings is None and self.store.manifest.model is None:
            raise InputError("the index does not say which model embedded it: add embeddings.")

        def rows(manifest: Manifest) -> Iterator[Labelled]:
            embedder = Embedder(self.store.folder, manifest, self.space, lambda: self.encoder.model, manifest.next_id)
            for batch in track(
                chain([] if first is None else [first], batches),
                "embedding items",
                enabled=progress,
                size=lambda part: part.size,
            ):
                yield embedder.rows(batch)

        done = appending.append(self.store.folder, rows)
        self.refresh()
        return done

    def delete(self, ids: Iterable[Id] | Tensor) -> int:
        """Delete items by their ids, durably; returns how many of them there were.

        Raises:
            InputError: an id that is not valid.
            UnavailableError: the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        return self.store.delete(numbers_of(ids))

    def compact(self) -> Compacted:
        """Merge small shards, drop deleted rows from the disk and make shells of equal mass again.

        Raises:
            UnavailableError: a shard is damaged, or the disk cannot be written; the index is as before.
            HeldError: another process or thread writes to the index.
        """
        done = compaction.compact(self.store.folder)
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

    def _bounded(self, store: ExactStore, request: Request, embedded: Tensor) -> Request:
        """A strict request with the radii that are left to its hits, by the embedding (D,) of its query."""
        if not request.strict or request.kind not in get_args(Side):
            return request
        space = self.chosen(request.space)
        points = query_rows([request.query], embedded[None], space, store).points(space.geometry, self.device)
        span = RadiusRange.strict(cast(Side, request.kind), float(points.radius))
        return request.model_copy(
            update={"low": max(request.low or span.low, span.low), "high": min(request.high, span.high)}
        )

    def _swept(self, store: ExactStore, requests: Sequence[Request], embedded: Tensor) -> list[Result]:
        """The answers to requests whose queries have these embeddings (Q, D), captions repeated, from one pass."""
        members: dict[Any, list[int]] = {}
        for number, request in enumerate(requests):
            members.setdefault(request.group, []).append(number)
        rest = store, self.engines, self._backgrounds, self.device
        groups = [
            RequestGroup([requests[i] for i in part], embedded[part], self.chosen(requests[part[0]].space), *rest)
            for part in members.values()
        ]
        scanned = [group for group in groups if group.engine is None]
        if scanned:
            low, high = min(group.first.low for group in scanned), max(group.first.high for group in scanned)
            counts = run(store.stream(low, high), [group.task for group in scanned], self.device)
            for group, count in zip(scanned, counts, strict=True):
                group.scored = count
        results: list[Result] = [0] * len(requests)
        for group, part in zip(groups, members.values(), strict=True):
            group.ask_store()
            for number, result in zip(part, group.results(), strict=True):
                results[number] = result
        return results

    def _search(self, kind: Kind, query: Queries, **options: Any) -> Any:
        queries, several = queries_of(query)
        results = self.search([Request(kind, one, **options) for one in queries])
        return results if several else results[0]
