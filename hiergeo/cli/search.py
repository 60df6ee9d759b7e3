"""``hiergeo search``: what a text or an image entails among the items of an index, and ladders through them."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hiergeo import _limits
from hiergeo._text import caption, isolated
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, write_json
from hiergeo.cli._terminal import Screen, console
from hiergeo.cli.plans import finite
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.search import Answer, Climb, Hit, Request, open
from hiergeo.search.groups import Result
from hiergeo.search.queries import Query, is_image
from hiergeo.search.requests import MOST_HITS, Kind

Index = Annotated[
    Path, typer.Argument(help="Folder of the index.", metavar="PATH", show_default=False, callback=options.path)
]
Queries = Annotated[
    list[str] | None,
    typer.Argument(
        help="Texts; one that names an existing image file is that image.", metavar="QUERY...", show_default=False
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--image", help="An image file; give the option once for each.", metavar="FILE", callback=options.path
    ),
]
Hits = Annotated[int, typer.Option("-k", help="Hits of each query.", metavar="K", min=1, max=MOST_HITS)]
Order = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Order of children and parents: margin, angle or distance. (by default margin)",
        metavar="NAME",
    ),
]
Geometry = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        "-g",
        help="euclidean, lorentz:-1, poincare:-0.5, sphere:0.25, product:... (by default the space of the index)",
        metavar="SPEC",
    ),
]
Steps = Annotated[int, typer.Option(help="Thresholds of a ladder.", metavar="N", min=1, max=_limits.PROTOCOL_STEPS)]
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
    children: Annotated[bool, typer.Option("--children", help="What each query entails. (the default)")] = False,
    parents: Annotated[bool, typer.Option("--parents", help="What entails each query.")] = False,
    neighbours: Annotated[bool, typer.Option("--neighbours", help="What is nearest to each query.")] = False,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="From general to specific: the nearest item within growing radii.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="How many items each query entails.")] = False,
    k: Hits = 10,
    by: Order = None,
    geometry: Geometry = None,
    steps: Steps = 50,
    within: Distance = None,
    low: Low = 0.0,
    high: High = None,
    store: Annotated[
        str | None,
        typer.Option(help="Search through a store that holds the items, such as faiss:flat.", metavar="SPEC"),
    ] = None,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Search an index: what texts or images entail, what entails them, what is near, and ladders."""
    check_writable(json)
    flags = {"children": children, "parents": parents, "neighbours": neighbours, "ladder": ladder, "count": count}
    kind = kind_of(flags)
    if within is not None and kind != "count":
        raise InputError("--within belongs to --count: give both, or neither.")
    if by is not None and kind not in ("children", "parents"):
        raise InputError(f"--by orders children and parents, and --{kind} has an order of its own: leave it out.")
    asked: list[Query] = [Path(query) if is_image(query) else query for query in queries or []]
    asked += image or []
    if not asked:
        raise InputError("there is nothing to search for: name a text, or an image with --image.")
    if geometry is not None:
        Space(geometry)
    settings: dict[str, Any] = {"k": k, "by": by or "margin", "thresholds": steps, "within": within, "low": low}
    settings["space"] = geometry
    if high is not None:
        settings["high"] = high
    requests = [Request(kind, query, store=store, **settings) for query in asked]
    settings["store"] = None if store is None else store.partition(":")[0]
    index = open(path, device=device)
    results = index.search(requests)

    told = [{"query": str(query), "kind": kind, **_told(result)} for query, result in zip(asked, results, strict=True)]
    spec = index.chosen(geometry).geometry.spec
    used = {name: finite(value) for name, value in settings.items()} | {"space": spec}
    document = {"metrics": metrics(results, len(index)), "answers": told, "settings": used}
    write_json(json, jsonlib.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    screen = console()
    for query, result in zip(asked, results, strict=True):
        show(screen, str(query), kind, result, spec)


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


def show(screen: Screen, query: str, kind: Kind, result: Result, spec: str) -> None:
    """Print the result of one query."""
    if isinstance(result, int):
        screen.print(Text(f"{caption(isolated(query))}: {result:,}"))
        return
    table = Table(title=Text(f"{kind} of {caption(isolated(query))}"), title_justify="left")
    if isinstance(result, Climb):
        table.add_column("radius <=", justify="right")
    table.add_column("item")
    for name in ("radius", "margin", "angle", "distance"):
        table.add_column(name, justify="right")
    for first, hit in _lines(result):
        numbers = [f"{value:.4f}" for value in (hit.radius, hit.margin, hit.angle, hit.distance)]
        table.add_row(*first, Text(caption(_name(hit))), *numbers)
    screen.print(table)
    screen.print(
        Text(
            f"{result.guarantee}{_recall(result)}: {result.scored:,} of {result.rows:,} items scored in {spec}; "
            f"the query has radius {result.radius:.4f}; angles in radians, a margin >= 0 entails."
        )
    )


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
