"""``hiergeo search``: what a text or an image entails among the items of an index, and ladders through them."""

import json as jsonlib
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.text import caption, isolated, shortened
from hiergeo.cli import options
from hiergeo.cli._io import SPEC_SHOWN, SpaceOptions, check_writable, show, write_json
from hiergeo.cli._terminal import Screen, console, counted
from hiergeo.cli.ladder import dataset_captions, print_ladders, read_captions
from hiergeo.cli.plans import finite
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.geometry import Space
from hiergeo.search import Answer, Climb, Hit, Request, open
from hiergeo.search.groups import Result
from hiergeo.search.queries import Query, is_image
from hiergeo.search.requests import MOST_HITS, Kind
from hiergeo.search.stores.milvus_client import without_password

Index = Annotated[
    Path,
    typer.Argument(
        help="Folder of the index; with --model an image.", metavar="PATH", show_default=False, callback=options.path
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="With --ladder: climb to images, PATH and QUERY..., through captions that this model embeds, without an "
        "index.",
        metavar="SPEC",
    ),
]
Captions = Annotated[
    Path | None,
    typer.Option(
        help="With --model: candidate captions, one a line, instead of those of --data.",
        metavar="FILE",
        callback=options.path,
    ),
]
Queries = Annotated[
    list[str] | None,
    typer.Argument(
        help="Texts; one that ends like an image file (.jpg, .png, ...) is that image.",
        metavar="QUERY...",
        show_default=False,
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--image", help="An image file; give the option once for each.", metavar="FILE", callback=options.path
    ),
]
Hits = Annotated[
    int | None,
    typer.Option(
        "-k",
        help="Hits of each query, of children, parents and neighbours. (by default 10)",
        metavar="K",
        min=1,
        max=MOST_HITS,
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Order of children and parents: margin, angle or distance. (by default margin)",
        metavar="NAME",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(help="Thresholds of a ladder. (by default 50)", metavar="N", min=1, max=limits.PROTOCOL_STEPS),
]
MinRadius = Annotated[
    float | None,
    typer.Option(
        help="Scale of the cones of children, parents and counts. (by default that of the index)", metavar="X"
    ),
]
Distance = Annotated[
    float | None,
    typer.Option(help="Count the items within this geodesic distance, not those in the cone.", metavar="X", min=0.0),
]
Low = Annotated[float, typer.Option(help="Leave out items of a smaller radius.", metavar="X")]
High = Annotated[float | None, typer.Option(help="Leave out items of a larger radius.", metavar="X")]


def search_command(
    path: Index,
    queries: Queries = None,
    image: Images = None,
    children: Annotated[
        bool, typer.Option("--children", help="What each query comes nearest to entailing. (the default)")
    ] = False,
    parents: Annotated[bool, typer.Option("--parents", help="What comes nearest to entailing each query.")] = False,
    neighbours: Annotated[bool, typer.Option("--neighbours", help="What is nearest to each query.")] = False,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="From general to specific: the nearest item within growing radii.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="How many items each query entails.")] = False,
    k: Hits = None,
    by: Order = None,
    geometry: options.IndexGeometry = None,
    steps: Steps = None,
    min_radius: MinRadius = None,
    within: Distance = None,
    low: Low = 0.0,
    high: High = None,
    store: Annotated[
        str | None,
        typer.Option(help="Search through a store that holds the items, such as faiss:flat.", metavar="SPEC"),
    ] = None,
    skip_damaged: options.SkipDamaged = False,
    model: Model = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    captions: Captions = None,
    root: options.Root = None,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Search an index: what texts or images entail, what entails them, what is near, and ladders."""
    check_writable(json)
    flags = {"children": children, "parents": parents, "neighbours": neighbours, "ladder": ladder, "count": count}
    kind = kind_of(flags)
    check_fitting(
        kind,
        {"-k": k, "--by": by, "--steps": steps, "--within": within, "--min-radius": min_radius, "--store": store},
    )
    if model is not None:
        if kind != "ladder" or store is not None:
            raise InputError("--model climbs a --ladder without an index: give both, and leave out --store.")
        texts = read_captions(captions) if captions else dataset_captions(data, split)
        images = [path, *map(Path, queries or []), *(image or [])]
        asked_space = SpaceOptions(geometry, root)
        print_ladders(images, model, texts, asked_space, steps=steps or 50, form=format, json=json, device=device)
        return
    asked: list[Query] = [asked_of(query) for query in queries or []]
    asked += image or []
    if not asked:
        raise InputError("there is nothing to search for: name a text, or an image with --image.")
    if geometry is not None:
        Space(geometry)
    settings: dict[str, Any] = {"k": k or 10, "by": by or "margin", "thresholds": steps or 50, "within": within}
    settings |= {"low": low, "high": math.inf if high is None else high, "min_radius": min_radius}
    requests = [Request(kind, query, space=geometry, store=store, **settings) for query in asked]
    settings |= {"path": str(path), "store": None if store is None else without_password(store)}
    index = open(path, device=device, skip_damaged=skip_damaged)
    results = index.search(requests)

    told = [{"query": str(query), "kind": kind, **_told(result)} for query, result in zip(asked, results, strict=True)]
    spec = index.chosen(geometry).geometry.spec
    used = {name: finite(value) for name, value in settings.items()} | {"space": spec}
    document = {"metrics": metrics(results, len(index)), "answers": told, "settings": used}
    text = jsonlib.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_json(json, text)
    if format != "table":
        show(format, text, _tables(kind, asked, results))
        return
    screen, reach = console(), None if within is None else f"at most {within:g} away"
    for query, result in zip(asked, results, strict=True):
        if isinstance(result, int):
            found = f"{result:,} of {counted(len(index), 'item')} {reach or 'entailed'}"
            screen.print(Text(f"{caption(isolated(str(query)))}: {found}"))
        else:
            print_result(screen, str(query), kind, result, shortened(spec, SPEC_SHOWN))


FITTING: dict[str, tuple[Kind, ...]] = {
    "-k": ("children", "parents", "neighbours"),
    "--by": ("children", "parents"),
    "--steps": ("ladder",),
    "--within": ("count",),
    "--min-radius": ("children", "parents", "count"),
    "--store": ("children", "parents", "neighbours", "ladder"),
}
"""The kinds of search that an option says something of."""


def check_fitting(kind: Kind, given: dict[str, Any]) -> None:
    """Raise InputError for an option that says nothing of this kind of search."""
    for option, value in given.items():
        if value is not None and kind not in FITTING[option]:
            others = " or ".join(f"--{other}" for other in FITTING[option])
            raise InputError(f"{option} says nothing of --{kind}: leave it out, or ask for {others}.")
    if given["--within"] is not None and given["--min-radius"] is not None:
        raise InputError("--within counts by distance and --min-radius scales cones: give one of them.")


def asked_of(query: str) -> Query:
    """A query of the command line: an image where it ends like one, otherwise a text.

    Raises:
        InputError: it ends like an image, and there is no such file.
    """
    if Path(query).suffix.lower() not in SUFFIXES:
        return query
    if not is_image(query):
        raise InputError(f"there is no image file {query}: correct its name; a text must not end like one.")
    return Path(query)


def kind_of(flags: dict[str, bool]) -> Kind:
    """The one kind of search whose option is given, children where there is none."""
    given = [name for name, chosen in flags.items() if chosen]
    if len(given) > 1:
        raise InputError(f"--{given[0]} and --{given[1]} are different searches: give one of them.")
    kind: Any = given[0] if given else "children"
    return kind


def metrics(results: list[Result], rows: int) -> dict[str, float]:
    """Numbers of a whole search."""
    found = [result for result in results if not isinstance(result, int)]
    numbers: dict[str, float] = {"queries": len(results), "rows": rows}
    numbers["hits"] = sum(len(result.hits) for result in found)
    counted = [result for result in results if isinstance(result, int)]
    return {**numbers, "entailed": sum(counted)} if counted else numbers


def print_result(screen: Screen, query: str, kind: Kind, result: Answer | Climb, spec: str) -> None:
    """Print the result of one query; margins of children and parents alone, whose sides they tell apart."""
    screen.print(Text(f"{kind} of {caption(isolated(query))}"))
    screen.print(_table(kind, result))
    if kind in CONES:
        inside = sum(hit.margin >= 0 for hit in result.hits)
        share = f"{inside:,} of {counted(len(result.hits), 'hit')}"
        screen.print(Text(f"{CONES[kind].format(share)} (margin >= 0)."))
    screen.print(Text(f"{result.guarantee}{_recall(result)}: {result.scored:,} of {result.rows:,} items scored."))
    at = "at the hits" if kind == "parents" else "at the query"
    screen.print(Text(f"In {spec} the query has radius {result.radius:.4f}. Angles are in radians, {at}."))


CONES = {"children": "{} lie in the cone of the query", "parents": "The query lies in the cone of {}"}
"""What a margin that is not negative says of the hits of a kind."""


def _tables(kind: Kind, queries: list[Query], results: list[Result]) -> list[Table]:
    """One table a query; of counts one of all."""
    counts = Table("query", "items")
    for query, result in zip(queries, results, strict=True):
        if isinstance(result, int):
            counts.add_row(Text(str(query)), str(result))
    return [counts] if counts.rows else [_table(kind, each) for each in results if not isinstance(each, int)]


def _table(kind: Kind, result: Answer | Climb) -> Table:
    shown = [name for name in ("radius", "margin", "angle", "distance") if name != "margin" or kind in CONES]
    table = Table()
    if isinstance(result, Climb):
        table.add_column("radius <=", justify="right", no_wrap=True)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("item", overflow="fold")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for first, hit in _lines(result):
        numbers = [f"{getattr(hit, name):.4f}" for name in shown]
        table.add_row(*first, str(hit.id), Text(caption(_name(hit))), *numbers)
    return table


def _recall(result: Answer | Climb) -> str:
    return "" if result.recall is None else f", with a measured recall of {result.recall.value:.3f}"


def _lines(result: Answer | Climb) -> list[tuple[list[str], Hit]]:
    if isinstance(result, Answer):
        return [([], hit) for hit in result.hits]
    lines: list[tuple[list[str], Hit]] = []
    for rung in result.rungs:
        if rung.hit is not None and (not lines or lines[-1][1].id != rung.hit.id):
            lines.append(([f"{rung.threshold:.4f}"], rung.hit))
    return lines


def _name(hit: Hit) -> str:
    return hit.caption or hit.image or f"item {hit.id}"


def _told(result: Result) -> dict[str, Any]:
    return {"count": result} if isinstance(result, int) else result.as_dict()
