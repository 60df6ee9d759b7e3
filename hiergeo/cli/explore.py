"""``hiergeo explore``: a collection in the browser."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hiergeo._core.errors import InputError
from hiergeo.cli import options
from hiergeo.cli._terminal import console, note, show_page
from hiergeo.cli.plans import Config
from hiergeo.cli.serve import Host, Insecure, Token, check_reach, check_token
from hiergeo.report import explorer
from hiergeo.search import serving
from hiergeo.search.serving.server import url_of

Sources = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Folders of indexes, or .npz files of embeddings, over the same items.",
        metavar="SOURCE...",
        show_default=False,
        callback=options.path,
    ),
]
Demo = Annotated[bool, typer.Option("--demo", help="Explore generated scenes with the bundled model; needs no data.")]
Seen = Annotated[
    list[str] | None,
    typer.Option(
        "--geometry",
        "-g",
        help="A geometry to see the items in; give the option once for each. (by default that of each source)",
        metavar="SPEC",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder below which pictures of the items may be shown. (by default only those in the index are)",
        metavar="DIR",
        callback=options.path,
    ),
]
Data = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Dataset whose chains give the tiers of captions.", metavar="NAME"),
]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 lets the system choose.", metavar="N", min=0, max=65535)]
Export = Annotated[
    Path | None,
    typer.Option(
        help="Write the page and all its answers to this folder, for any web server, instead of serving them.",
        metavar="DIR",
        callback=options.path,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(help="Items that an export keeps at most, evenly along the radius. (by default all)", metavar="N"),
]


def explore_command(
    sources: Sources = None,
    demo: Demo = False,
    config: Config = None,
    geometry: Seen = None,
    images: Images = None,
    data: Data = None,
    split: options.Split = "test",
    host: Host = "127.0.0.1",
    port: Port = 8090,
    token: Token = None,
    insecure: Insecure = False,
    open_page: options.OpenPage = None,
    export: Export = None,
    limit: Limit = None,
    overwrite: options.Overwrite = False,
    device: options.Device = options.AUTO,
) -> None:
    """Explore a collection in the browser, until SIGTERM or Ctrl-C; or export it as a page without a server."""
    check_token(token)
    if limit is not None and export is None:
        raise InputError("--limit is for an export: name its folder with --export, or leave it out.")
    if overwrite and export is None:
        raise InputError("--overwrite is for an export: name its folder with --export, or leave it out.")
    if demo and (sources or geometry or images or data):
        raise InputError("--demo brings its own items: leave out sources, --geometry, --images and --data.")
    if not demo and not sources:
        raise InputError("there is nothing to explore: name the folder of an index or an .npz file, or --demo.")

    def collected() -> explorer.Collection:
        if demo:
            note("loading the demonstration ...")
            return explorer.open_demo(device=device)
        note(f"opening {' and '.join(source.name or str(source) for source in sources or [])} ...")
        return explorer.open_collection(
            sources or [], geometry or [], images=images, data=data, split=split, device=device
        )

    if export is not None:
        explorer.check_target(export, overwrite)
        tell_exported(explorer.export_page(collected(), export, limit=limit, overwrite=overwrite, progress=True))
        return
    with serving.bind(host, port) as bound:
        hosts = check_reach(bound, host, token, insecure)
        settings = serving.Settings(token=token, hosts=hosts)
        collection = collected()
        app = explorer.create_explorer(collection, settings)
        for told in app.state.explorer.warm_up():
            note(told)
        url = url_of(bound) + ("" if token is None else f"/#token={token}")

        def ready(_: Callable[[], None]) -> None:
            count = len(collection.first)
            seen = ", ".join(lens.title for lens in collection.lenses)
            console().print(f"Exploring {count:,} items ({seen}) at {url}", soft_wrap=True)
            show_page(url, open_page)

        serving.serve(app, bound, settings.limits, ready)


def tell_exported(done: explorer.Exported) -> None:
    """Say what an export holds, and how to look at it."""
    part = f" of {done.rows:,}" if done.items < done.rows else ""
    told = f"Exported {done.items:,}{part} items, {done.bytes / 1e6:.1f} MB in {done.files} files, to {done.folder}"
    console().print(told, soft_wrap=True)
    if done.pictures:
        note(f"{done.pictures:,} pictures of up to {done.side} pixels (WebP, quality {done.quality}).")
    note(f"look at it: {Path(sys.executable).name} -m http.server --directory {done.folder}")
