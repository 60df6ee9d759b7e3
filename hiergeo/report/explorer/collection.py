"""What is explored: the items of one or several indexes, seen through every model and geometry that is named."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import final

from hiergeo import datasets, search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage.files import atomic_folder, path_of, sha256, size_of, user_cache
from hiergeo._core.storage.locks import locked
from hiergeo._core.text import shortened, without_folders
from hiergeo.datasets import Hierarchy
from hiergeo.geometry import PairLaw, Space
from hiergeo.report.explorer.columns import Columns, ItemTable, columns_of
from hiergeo.report.explorer.items import Tiers
from hiergeo.report.explorer.thumbnails import NUMBERED, Thumbnails, name_of_image
from hiergeo.search import Index
from hiergeo.search.background import Background
from hiergeo.search.stored import Stored, read_stored

MOST_LENSES = 8
"""Lenses of one collection."""

SHOWN = 60
"""Characters of a caption that a message quotes."""

BUNDLED = "Bundled model"

GENERIC = re.compile(r"(?i)models?|checkpoints?|snapshots|weights|final|best|latest|out|output|[0-9a-f]{40}")
"""Names of folders that do not tell one model from another."""


@final
@dataclass(frozen=True, eq=False)
class Lens:
    """One index seen in one geometry.

    Attributes:
        key: its number in the collection, from "0" on, which names it in URLs.
        title: such as "tiny · lorentz:-1"; unique in the collection.
        source: name of its index, without the folders above it.
        index: the items.
        space: where they are measured.
    """

    key: str
    title: str
    source: str
    index: Index
    space: Space

    @property
    def spec(self) -> str:
        """The geometry, as questions to the index name it."""
        return self.space.geometry.spec

    @property
    def background(self) -> Background:
        """What is usual among its items."""
        return self.index.background(self.space)


@final
@dataclass(frozen=True, eq=False)
class Collection:
    """Items seen through one lens or several. All indexes hold the same items under the same ids.

    Attributes:
        title: what the collection is called.
        lenses: at least one, at most `MOST_LENSES`.
        tiers: of the captions; None if unknown.
        hierarchy: the dataset that the captions are from; None if unknown.
        pictures: of the items; None for a collection without.
        examples: ids of items by what they show: the best item of each group is proposed, in this order; without any
            it is chosen among all items.
        table: whose columns describe the items; None for none.
        colour: name of the column that colours the items at first; empty for tiers or radii.
    """

    title: str
    lenses: tuple[Lens, ...]
    tiers: Tiers | None = None
    hierarchy: Hierarchy | None = None
    pictures: Thumbnails | None = None
    examples: Mapping[str, Sequence[int]] = field(default_factory=dict)
    table: ItemTable | None = None
    colour: str = ""

    @property
    def first(self) -> Index:
        """The index that ids and captions are read from."""
        return self.lenses[0].index

    @property
    def indexes(self) -> tuple[Index, ...]:
        """The distinct indexes, in the order of the lenses."""
        return tuple({id(lens.index): lens.index for lens in self.lenses}.values())

    def columns(self) -> Columns:
        """By what items are coloured and filtered: radii in the first lens, tiers, kinds, and columns of the table."""
        return columns_of(self.first.store.pinned(), self.lenses[0].space.geometry, self.tiers, self.table)

    def lens(self, key: str) -> Lens | None:
        """The lens of a key; None if there is none."""
        return next((lens for lens in self.lenses if lens.key == key), None)


def open_collection(
    sources: Sequence[str | Path],
    geometries: Sequence[str] = (),
    *,
    images: Path | None = None,
    data: str | None = None,
    split: str = "test",
    columns: Path | str | None = None,
    device: str = "auto",
) -> Collection:
    """Open indexes as one collection.

    Args:
        sources: over the same items, each by another model or head: folders of indexes, or ``.npz`` files of embeddings
            as ``hiergeo embed`` writes them, of which an index is made in the cache.
        geometries: specs; every index is seen in each of them; without any, in its own geometry.
        images: a folder below which pictures of the items may be shown; beside it, only those below the indexes are.
        data: name of the dataset that gives the tiers of captions.
        split: of that dataset.
        columns: a table (CSV, TSV, Parquet) whose other columns describe the items of its ids or captions, such as the
            one that an index was built from.
        device: where the models of the indexes embed queries.

    Raises:
        InputError: no source or too many lenses, indexes of different items, or a geometry that does not fit one.
        UnavailableError: there is no index, or a shard of it is damaged.
    """
    if not sources:
        raise InputError("there is nothing to explore: name the folder of an index or an .npz file, or --demo.")
    table = None if columns is None else ItemTable(path_of(columns))
    named = [_opened(path_of(source), device) for source in sources]
    lenses = _lenses_of(named, geometries)
    if not len(named[0][1]):
        raise InputError(f"{named[0][0]} is empty: add items before exploring it.")
    for other in named[1:]:
        check_same(named[0], other)
    hierarchy = None if data is None else datasets.load(data, split)
    return Collection(
        " and ".join(dict.fromkeys(name for name, _ in named)),
        lenses,
        None if hierarchy is None else Tiers(hierarchy),
        hierarchy,
        Thumbnails([index for _, index in named], images),
        table=table,
    )


def _opened(source: Path, device: str) -> tuple[str, Index]:
    """An index with its name."""
    if source.suffix.lower() == ".npz":
        return source.stem, search.open(index_of(source), device=device)
    return source.resolve().name, search.open(source, device=device)


def _lenses_of(named: Sequence[tuple[str, Index]], geometries: Sequence[str]) -> tuple[Lens, ...]:
    """A lens for every index and geometry, with distinct titles."""
    count = len(named) * max(1, len(geometries))
    if count > MOST_LENSES:
        raise InputError(
            f"{len(named)} sources in {len(geometries)} geometries are {count} views: at most {MOST_LENSES}."
        )
    views = [(name, index, index.chosen(spec)) for name, index in named for spec in geometries or (None,)]
    for law in [space.geometry for *_, space in views if isinstance(space.geometry, PairLaw)]:
        if not law.radial or law.measures != {"distance", "margin"}:
            raise InputError(f"the explorer draws radii, distances and entailment, and {law.spec} lacks some of them.")
    models = [model_of(index) or name for name, index in named]
    several = len(set(models)) < len(models)
    lenses: list[Lens] = []
    titles: Counter[str] = Counter()
    for key, (name, index, space) in enumerate(views):
        model = model_of(index) or name
        source = f"{name} ({model})" if several and model != name else model
        title = f"{source} · {space.geometry.spec}"
        titles[title] += 1
        number = f" ({titles[title]})" if titles[title] > 1 else ""
        lenses.append(Lens(str(key), title + number, name, index, space))
    return tuple(lenses)


def model_of(index: Index) -> str | None:
    """The name that people gave the model of an index, or the head on it; None if unknown.

    It is that of its file or folder, or of the folder above one that is called `GENERIC`, below a home.
    """
    facts = index.encoder.facts
    if facts is None or facts.name == "tiny":
        return None if facts is None else BUNDLED
    path = facts.name.partition("@")[0].rpartition(":")[2]
    own = [part for part in PurePath(path).parts if not GENERIC.fullmatch(part)]
    name = without_folders(path)
    return own[-1] if GENERIC.fullmatch(name) and len(own) > len(("/", "home", "me")) else name


def check_same(one: tuple[str, Index], other: tuple[str, Index]) -> None:
    """Raise InputError, naming the first difference, unless two indexes hold the same items under the same ids.

    Items are the same if they have the same caption or, where both have none, the same name of an image: folders may
    have been moved.
    """
    (name, first), (named, second) = ((held, _names(index)) for held, index in (one, other))
    for odd in sorted(first.keys() ^ second.keys()):
        has, lacks = (name, named) if odd in first else (named, name)
        raise InputError(f"{has} holds an item {odd} and {lacks} does not: explore indexes of the same items together.")
    for item in sorted(first):
        if first[item] != second[item]:
            names = [shortened(held[item][1], SHOWN) for held in (first, second)]
            raise InputError(
                f"item {item} is '{names[0]}' in {name} and '{names[1]}' in {named}: "
                f"explore indexes of the same items together."
            )


def _names(index: Index) -> dict[int, tuple[bool, str]]:
    """What the items of an index are, by their ids: whether they have a caption, and it or the name of their image."""
    return {
        item: (caption is not None, name_of_image(image or "no caption") if caption is None else caption)
        for ids, labels in index.store.named()
        for item, caption, image in zip(ids.tolist(), labels.captions, labels.images, strict=True)
    }


PATIENCE = 120.0
"""Seconds to wait for another process that is making what is wanted."""


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache of the explorer; where it is missing it is made, whole or not at all.

    The cache is ``HIERGEO_CACHE_HOME``, or ``hiergeo/explore`` in the user's cache. It is trusted by its names, so
    that nobody else may write to it.

    Args:
        name: says all that the content depends on.
        make: fills an empty folder.

    Raises:
        UnavailableError: the cache cannot be written.
        HeldError: another process has been making it for minutes.
    """
    folder = user_cache("explore") / name
    if not folder.is_dir():
        with locked(folder, PATIENCE):
            if not folder.is_dir():
                with atomic_folder(folder) as work:
                    make(work)
    return folder


LAYOUT = 2
"""The version of the indexes that are made; another number makes them anew."""


def index_of(file: Path) -> Path:
    """The folder of the index of a file of embeddings (`hiergeo.datasets.vectors`); made if it is not there yet.

    Captions that are there several times are one item, with the first of their embeddings; ids count from 0. The images
    of the file are items after them, without captions, known by their ``image_id``.

    Raises:
        UnavailableError: there is no such file, or the cache cannot be written.
        InputError: it is damaged, or its arrays do not fit each other.
    """
    if size_of(file) is None:
        raise UnavailableError(f"there is no file {file}: name one of embeddings, as 'hiergeo embed' writes it.")
    return cached_folder(f"npz-{LAYOUT}-{sha256(file)}", lambda folder: _build(file, folder)) / "index"


def _build(file: Path, folder: Path) -> None:
    stored = _distinct(read_stored(file))
    index = search.build(folder / "index", None, embeddings=replace(stored, images=None, names=None))
    if stored.images is not None:
        images = stored.images if stored.coordinates is None else stored.coordinates.tangent(stored.images)
        names = [f"{NUMBERED}{name}" if isinstance(name, int) else name for name in stored.names or ()]
        index.add(embeddings=images, images=names)


def _distinct(stored: Stored) -> Stored:
    """The same with every caption once, in order of their first appearance."""
    if stored.captions is None:
        return stored
    first: dict[str, int] = {}
    for row, caption in enumerate(stored.captions):
        first.setdefault(caption, row)
    return replace(stored, captions=list(first), embeddings=stored.embeddings[list(first.values())])
