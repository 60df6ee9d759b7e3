"""``hiergeo search``: what a text or an image entails among the items of an index, and ladders through them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.records import Record, Records, light, number, percent
from hiergeo._core.text import caption, isolated, shortened, without_password
from hiergeo.cli import options
from hiergeo.cli._io import SPEC_SHOWN, check_writable, publish
from hiergeo.cli._terminal import counted
from hiergeo.cli.defaults import MOST_HITS
from hiergeo.cli.options import argument, flag, option, path_argument
from hiergeo.cli.plans import Verb

if TYPE_CHECKING:
    from hiergeo.search import Answer, Climb, Hit
    from hiergeo.search.groups import Result
    from hiergeo.search.queries import Query
    from hiergeo.search.requests import Kind

FLAGS = frozenset({"--children", "--parents", "--neighbours", "--ladder", "--count"})


class Command(Verb):
    """The verb, which takes the flags of version 0.2, such as ``--ladder``, as ``--find ladder``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click, of words in which each such flag is spelled anew."""
        spelled = (("--find", word[2:]) if word in FLAGS else (word,) for word in args)
        return super().parse_args(ctx, [word for words in spelled for word in words])


def search_command(
    path: Annotated[Path, path_argument("PATH", "Folder of the index.", show_default=False)],
    queries: Annotated[
        list[str] | None,
        argument(
            "QUERY...", "Texts; one that ends like an image file (.jpg, .png, ...) is that image.", show_default=False
        ),
    ] = None,
    id: Annotated[
        list[str] | None, option("ID", "Search for the item of this id; repeat the option for more.", "--id")
    ] = None,
    find: Annotated[
        str,
        option(
            "KIND",
            "children: what each query comes nearest to entailing; parents: what comes nearest to entailing it; "
            "neighbours: what is near; ladder: from general to specific, the nearest item within growing radii; "
            "count: how many items it entails.",
        ),
    ] = "children",
    k: Annotated[
        int | None,
        option(
            "K", "Hits of each query, of children, parents and neighbours. (by default 10)", "-k", min=1, max=MOST_HITS
        ),
    ] = None,
    by: Annotated[
        str | None, option("NAME", "Order of children and parents: margin, angle or distance. (by default margin)")
    ] = None,
    duplicates: Annotated[
        bool, flag("--duplicates", "List every item; otherwise of items with one caption the best counts.")
    ] = False,
    geometry: options.IndexGeometry = None,
    steps: Annotated[
        int | None, option("N", "Thresholds of a ladder. (by default 50)", min=1, max=limits.PROTOCOL_STEPS)
    ] = None,
    min_radius: Annotated[
        float | None, option("X", "Scale of the cones of children, parents and counts. (by default that of the index)")
    ] = None,
    within: Annotated[
        float | None, option("X", "Count the items within this geodesic distance, not those in the cone.", min=0.0)
    ] = None,
    low: Annotated[float | None, option("X", "Leave out items of a smaller radius.")] = None,
    high: Annotated[float | None, option("X", "Leave out items of a larger radius.")] = None,
    exclude: Annotated[
        list[str] | None, option("ID", "Leave out the item of this id; repeat the option for more.")
    ] = None,
    store: Annotated[
        str | None,
        option("SPEC", "Search through a store that holds the items, such as milvus:http://HOST:19530."),
    ] = None,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Search an index: what texts or images entail, what entails them, what is near, and ladders."""
    from hiergeo.geometry import parse
    from hiergeo.search import Item, Request, open
    from hiergeo.search.ids import ids_of

    check_writable(json)
    kind = cast("Kind", find)
    options: dict[str, Any] = {"k": k, "by": by, "distinct": False if duplicates else None, "thresholds": steps}
    options |= {"within": within, "min_radius": min_radius, "space": geometry, "store": store}
    options |= {"low": low, "high": high, "exclude": exclude or None}
    given = {name: value for name, value in options.items() if value is not None}
    named: list[tuple[str, Query]] = [(query, read_query(query)) for query in queries or ()]
    named += [(f"item {item}", Item(item)) for item in ids_of(id or ())]
    if not named:
        raise InputError("there is no query: give texts or images, or the ids of items with --id.")
    requests = [Request(kind, query, **given) for _, query in named]
    settings: dict[str, Any] = {name: getattr(requests[0], name) for name in SETTINGS}
    settings |= {"path": str(path), "store": store and without_password(store)}
    if geometry is not None:
        parse(geometry)
    index = open(path, device=device)
    results = index.search(requests)

    texts = [text for text, _ in named]
    pairs = list(zip(texts, results, strict=True))
    spec = index.chosen(geometry).geometry.spec
    parts = ({"count": result} if isinstance(result, int) else result.as_dict() for result in results)
    answers = [{"query": query, "kind": kind, **part} for query, part in zip(texts, parts, strict=True)]
    document = {"metrics": metrics(results, len(index)), "answers": answers, "settings": settings | {"space": spec}}
    screen: list[RenderableType] = []
    for query, result in pairs:
        if isinstance(result, int):
            reach = "entailed" if within is None else f"at most {within:g} away"
            of = f"{result:,} of {counted(len(index), 'item')}"
            screen.append(Text(f"{caption(isolated(query))}: {of} {reach}"))
        else:
            screen += answer_lines(query, kind, result, shortened(spec, SPEC_SHOWN))
    rows = [{"query": query, "kind": kind, **row} for query, result in pairs for row in records(result, len(index))]
    angles = "" if kind == "count" or has_no("angle", rows) else f" Angles are in radians, at {apex(kind)}."
    publish(document, json, format, Records(rows, f"In {spec}.{angles}"), screen=screen)


SETTINGS = ("k", "by", "thresholds", "within", "low", "high", "min_radius", "distinct", "exclude")
"""Options of a request that a document tells, so that the search can be made again."""


def read_query(query: str) -> "Query":
    """A query: an image where it ends like one, otherwise a text. Raises InputError for an image that is not there."""
    from hiergeo.datasets.pictures import SUFFIXES
    from hiergeo.search.queries import is_image

    if Path(query).suffix.lower() not in SUFFIXES:
        return query
    if not is_image(query):
        raise InputError(f"there is no image file {query}: correct its name; a text must not end like one.")
    return Path(query)


def metrics(results: "list[Result]", rows: int) -> dict[str, int]:
    """Numbers of a whole search."""
    counts = [result for result in results if isinstance(result, int)]
    hits = sum(len(result.hits) for result in results if not isinstance(result, int))
    return {"queries": len(results), "rows": rows, "hits": hits} | ({"entailed": sum(counts)} if counts else {})


def answer_lines(query: str, kind: "Kind", result: "Answer | Climb", spec: str) -> Iterator[RenderableType]:
    """The answer to one query; margins of children and parents alone, whose sides they tell apart."""
    from hiergeo.search import Answer

    yield Text(f"{kind} of {caption(isolated(query))}", style="bold")
    if kind in CONES and any(hit.entails is not None for hit in result.hits):
        inside = sum(bool(hit.entails) for hit in result.hits)
        share = f"{inside:,} of {counted(len(result.hits), 'hit')}"
        yield Text(f"{CONES[kind].format(share)} (margin ≥ 0)." if inside else NEAREST[kind])
    yield _table(kind, result)
    yield Text(f"Ordered by {result.by}, {'largest' if result.by == 'margin' else 'smallest'} first.")
    if result.hits and all(hit.entails is None for hit in result.hits):
        yield Text("Nearly all cones are empty here: 'closer than' ranks a margin among those of random pairs.")
    recall = "" if result.recall is None else f", with a measured recall of {result.recall.value:.3f}"
    yield Text(f"{result.guarantee}{recall}: {result.scored:,} of {result.rows:,} items scored.")
    if isinstance(result, Answer) and result.repeats:
        yield Text(f"{counted(result.repeats, 'item')} with the caption of a better hit left out (--duplicates).")
    if kind == "ladder":
        yield Text("Each step: the closest item at most this far from the root.")
    angles = "" if has_no("angle", map(asdict, result.hits)) else f" Angles are in radians, at {apex(kind)}."
    yield Text(f"In {spec} the query has radius {result.radius:.4f}.{angles}")


def has_no(name: str, hits: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the geometry of some hits does not define a number of theirs."""
    values = [hit[name] for hit in hits]
    return bool(values) and all(math.isnan(value) for value in values)


def apex(kind: "Kind") -> str:
    """Where the angles of a kind of search are measured: at what is more general."""
    return "the hits" if kind in ("parents", "ladder") else "the query"


CONES = {"children": "{} lie in the cone of the query", "parents": "The query lies in the cone of {}"}
"""What a margin that is not negative says of the hits of a kind."""

NEAREST = {
    "children": "The query implies none of these; they come nearest.",
    "parents": "None of these implies the query; they come nearest.",
}
"""What hits are whose margins are all negative."""


def records(result: "Result", rows: int) -> Iterator[Record]:
    """A row a hit, of a ladder with the least threshold that it is the rung of; of a count the number of items."""
    if isinstance(result, int):
        yield {"items": result, "of": rows}
        return
    whole = {"query_radius": result.radius, "guarantee": result.guarantee}
    for rank, (threshold, hit) in enumerate(_lines(result), start=1):
        key = {"by": result.by, "value": getattr(hit, result.by)}
        yield {"rank": rank, **({} if threshold is None else {"threshold": threshold}), **key, **asdict(hit), **whole}


def _table(kind: "Kind", result: "Answer | Climb") -> Table:
    from hiergeo.search import Climb

    rows = list(map(asdict, result.hits))
    shown = [name for name in ("radius", "margin", "angle", "distance") if name != "margin" or kind in CONES]
    shown = [name for name in shown if not has_no(name, rows)]
    within = ("radius ≤",) if isinstance(result, Climb) else ()
    decided = any(hit.entails is not None for hit in result.hits)
    judged = "closer than" if not decided else "entails" if apex(kind) == "the hits" else "entailed"
    table = light(*within, "id", "item", *shown, judged, numbers=(*within, "id", *shown, judged))
    for threshold, hit in _lines(result):
        verdict = {None: "–", True: "yes", False: "no"}[hit.entails]
        if not decided and hit.quantile is not None:
            verdict = percent(hit.quantile)
        first = () if threshold is None else (number(threshold, 4),)
        numbers = [*(number(getattr(hit, name), 4) for name in shown), verdict]
        table.add_row(*first, str(hit.id), Text(caption(hit.caption or hit.image or f"item {hit.id}")), *numbers)
    return table


def _lines(result: "Answer | Climb") -> "list[tuple[float | None, Hit]]":
    from hiergeo.search import Answer

    if isinstance(result, Answer):
        return [(None, hit) for hit in result.hits]
    lines: list[tuple[float | None, Hit]] = []
    for rung in result.rungs:
        if rung.hit is not None and (not lines or lines[-1][1].key != rung.hit.key):
            lines.append((rung.threshold, rung.hit))
    return lines
