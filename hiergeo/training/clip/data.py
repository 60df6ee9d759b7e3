"""Pairs of pictures and captions in an order that depends on the seed alone, and from any place of it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from itertools import chain, islice
from random import Random
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from hiergeo._core.errors import InputError
from hiergeo.datasets import Hierarchy, scenes
from hiergeo.datasets.pictures import ImageLike, cut_out, decoded, open_rgb
from hiergeo.datasets.reading import Box, Columns, Defect, listing, read
from hiergeo.training.clip.plan import SCENES, PairData

ONE_OF = (16, 4)
"""One picture of so many is held out, until there are enough; of small data one of the second number."""

AHEAD = 2
"""Batches whose pictures are decoded before they are asked for."""

Item = TypeVar("Item")


class Pair(NamedTuple):
    """A picture with the captions that describe it, its boxes, and a key that is the same for the same picture."""

    image: "ImageLike | bytes"
    captions: tuple[str, ...]
    key: str
    boxes: tuple[Box, ...] = ()

    def picture(self) -> Any:
        """The picture in RGB. Raises InputError, naming it, for one that cannot be read."""
        return self._replace(boxes=()).pictures()[0]

    def pictures(self) -> list[Any]:
        """The picture and those of its boxes; as `picture`."""
        try:
            whole = open_rgb(decoded(self.image) if isinstance(self.image, bytes) else self.image)
            cut = ((box.edges, whole if box.image is None else open_rgb(decoded(box.image))) for box in self.boxes)
            return [whole, *(cut_out(picture, edges) for edges, picture in cut)]
        except (OSError, InputError) as error:
            raise InputError(f"the picture {self.key} cannot be read: {error}") from error


class Place(NamedTuple):
    """Where a training stands in its data: pairs taken in a pass."""

    epoch: int
    taken: int


class Batch(NamedTuple):
    """The pairs of a step, over all processes, with their place behind it."""

    pairs: list[tuple[Pair, str]]
    position: Place


class Prepared(NamedTuple):
    """The pairs of a step and process for the towers; boxes come behind them, `whole` is the pair of each."""

    pixels: list[Any]
    captions: list[str]
    position: Place
    whole: list[int]


def columns_of(data: PairData, boxes: str | None = None) -> Columns:
    """Which columns of tables are read; boxes where a loss needs them."""
    usual = data.caption_column, data.image_column
    return Columns("pairs", *usual, several=True, boxes=boxes, named="{}_column in [data] of the plan")


class Pairs:
    """The pairs of a source, without those of the pictures that are held out; `boxed` leaves out those without boxes.

    Attributes:
        held_out: one pair for each picture that is held out, with the first of its boxes.
        identity: what tells this data from others, values of JSON.

    Raises:
        InputError: nothing that can be read, or too few pictures to hold any out.
    """

    def __init__(self, data: PairData, seed: int, boxed: bool = False) -> None:
        self.data, self.seed, self.boxed, self._fault = data, seed, boxed, ""
        if data.source == SCENES:
            self._scenes = _of_hierarchy(scenes.load("train", count=data.rows, balanced=data.balanced))
            self.held_out = _of_hierarchy(scenes.load("validation", count=data.held_out, balanced=data.balanced))
            self.identity: dict[str, Any] = {"source": SCENES, "rows": data.rows, "balanced": data.balanced}
            self._held: set[str] = set()
            return
        boxes = data.box_column if boxed else None
        self._columns = columns_of(data, boxes)
        self._inputs = listing(data.source, self._columns)
        facts = [[source.name, source.bytes, source.modified] for source in self._inputs.sources]
        self.identity = {"source": data.source, "sha256": sha256(repr(facts).encode()).hexdigest()}
        for one_of in ONE_OF:
            held = _first(self._all(), data.held_out, f"{seed}/", one_of)
            self.held_out = [pair._replace(boxes=pair.boxes[:1]) for pair in held]
            if len(self.held_out) == data.held_out:
                break
        self._held = {pair.key for pair in self.held_out}
        if len(self.held_out) < 2:
            few = f"{data.source} holds too few pairs{' with boxes' * boxed} to hold pictures out"
            raise InputError(f"{few}: give at least a few hundred{self._fault}.")

    def epoch(self, number: int) -> Iterator[tuple[Pair, str]]:
        """The pairs of a pass, each with one of its captions and, where boxes are wanted, so many of them."""
        random = Random(f"{self.seed}/{number}")
        for pair in shuffled(self._all(random), self._window, random):
            if pair.key not in self._held:
                caption = pair.captions[int(random.random() * len(pair.captions))]
                if self.boxed:
                    drawn = random.sample(pair.boxes, min(self.data.boxes, len(pair.boxes)))
                    pair = pair._replace(boxes=tuple(drawn))
                yield pair, caption

    def batches(self, size: int, start: Place) -> Iterator[Batch]:
        """Endless batches from a place on; one may reach from a pass into the next.

        Raises:
            InputError: the source holds no pairs to train on.
        """
        (epoch, taken), batch = start, list[tuple[Pair, str]]()
        while True:
            before = taken
            for pair in islice(self.epoch(epoch), taken, None):
                batch.append(pair)
                taken += 1
                if len(batch) == size:
                    yield Batch(batch, Place(epoch, taken))
                    batch = []
            if not taken and not before:
                raise InputError(f"{self.data.source} holds no pairs to train on.")
            epoch, taken = epoch + 1, 0

    @property
    def _window(self) -> int:
        return len(self._scenes) if self.data.source == SCENES else self.data.buffer

    def _all(self, random: Random | None = None) -> Iterator[Pair]:
        """Every pair that can be used, source by source; the order of sources is drawn where there is a `random`."""
        if self.data.source == SCENES:
            yield from self._scenes
            return
        sources = list(self._inputs.sources)
        if random is not None:
            random.shuffle(sources)
        for source in sources:
            for row in read(self._inputs.base / source.name, self._columns):
                if isinstance(row, Defect):
                    self._fault = self._fault or f" (of {source.name}, row {row.row}: {row.reason})"
                elif row.image is not None and row.caption is not None and (row.boxes or not self.boxed):
                    captions, key = (row.caption, *row.others), row.name or f"{source.name}#{row.row}"
                    yield Pair(row.image, captions, key, row.boxes)


def _of_hierarchy(hierarchy: Hierarchy) -> list[Pair]:
    images = {image.image_id: image for image in hierarchy.images}
    return [
        Pair(images[row.image_id], row.positive, f"scene {row.row_id}")
        for row in hierarchy.rows
        if row.image_id is not None
    ]


def _first(pairs: Iterable[Pair], count: int, salt: str, one_of: int) -> Iterator[Pair]:
    """The first pairs of so many different pictures, among those that a hash of their keys draws."""
    seen: set[str] = set()
    for pair in pairs:
        drawn = crc32(f"{salt}{pair.key}".encode("utf-8", "surrogatepass")) % one_of == 0
        if drawn and pair.key not in seen:
            seen.add(pair.key)
            yield pair
            if len(seen) == count:
                return


def shuffled(items: Iterable[Item], window: int, random: Random) -> Iterator[Item]:
    """Items in an order drawn in one walk: each waits among at most `window` others."""
    waiting: list[Item] = []
    for item in items:
        if len(waiting) < window:
            waiting.append(item)
            continue
        index = int(random.random() * window)
        yield waiting[index]
        waiting[index] = item
    random.shuffle(waiting)
    yield from waiting


def decoded_ahead(
    batches: Iterable[Batch], share: slice, prepare: Callable[[Any], Any], workers: int
) -> Generator[Prepared, None, None]:
    """The pairs in `share` of each batch, whose pictures are decoded while earlier ones are at work."""

    def work(pair: Pair) -> list[Any]:
        return [prepare(picture) for picture in pair.pictures()]

    waiting: deque[tuple[list[Future[list[Any]]], Batch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for batch in chain(batches, [None] * AHEAD):
                if batch is not None:
                    mine = batch._replace(pairs=batch.pairs[share])
                    waiting.append(([pool.submit(work, pair) for pair, _ in mine.pairs], mine))
                if waiting and (batch is None or len(waiting) > AHEAD):
                    futures, (pairs, position) = waiting.popleft()
                    pictures = [future.result() for future in futures]
                    boxes = [(row, box.phrase) for row, (pair, _) in enumerate(pairs) for box in pair.boxes]
                    pixels = [whole for whole, *_ in pictures] + [part for _, *parts in pictures for part in parts]
                    captions = [caption for _, caption in pairs] + [phrase for _, phrase in boxes]
                    yield Prepared(pixels, captions, position, [row for row, _ in boxes])
        finally:
            pool.shutdown(cancel_futures=True)
