"""``hiergeo explore``: a collection in the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hiergeo._core.errors import InputError
from hiergeo.cli import options
from hiergeo.cli._terminal import console, note
from hiergeo.cli.options import flag, option, path_argument, path_option
from hiergeo.cli.serve import Host, Insecure, Token, check_reach, check_token, serve_page

if TYPE_CHECKING:
    from hiergeo.report import explorer


def explore_command(
    sources: Annotated[
        list[Path] | None,
        path_argument(
            "SOURCE...", "Folders of indexes, or .npz files of embeddings, over the same items.", show_default=False
        ),
    ] = None,
    demo: Annotated[bool, flag("--demo", "Explore generated scenes with the bundled model; needs no data.")] = False,
    geometry: Annotated[
        list[str] | None,
        option(
            "SPEC",
            "A geometry to see the items in; repeat the option for more. (by default that of each source)",
            "--geometry",
            "-g",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        path_option(
            "DIR", "Folder below which pictures of the items may be shown. (by default only those in the index are)"
        ),
    ] = None,
    data: Annotated[
        str | None, option("NAME", "Dataset whose chains give the tiers of captions.", "--data", "-d")
    ] = None,
    split: options.Split = "test",
    columns: Annotated[
        Path | None,
        path_option(
            "FILE", "A table whose columns describe the items of its ids or captions: colours and filters of the page."
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, option("N", "Port to listen on; 0 lets the system choose.", min=0, max=65535)] = 8090,
    token: Token = None,
    insecure: Insecure = False,
    open_page: options.OpenPage = None,
    export: Annotated[
        Path | None,
        path_option(
            "DIR", "Write the page and all its answers to this folder, which a browser opens without a server."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = options.AUTO,
) -> None:
    """Explore a collection in the browser until SIGTERM or Ctrl-C, or export it as a page."""
    from hiergeo.report import explorer
    from hiergeo.search import serving

    check_token(token)
    if export is None and overwrite:
        raise InputError("--overwrite is for an export: name its folder with --export, or leave it out.")
    if demo and (sources or geometry or images or data or columns):
        raise InputError("--demo brings its own items: leave out sources, --geometry, --images, --data and --columns.")
    if not demo and not sources:
        raise InputError("there is nothing to explore: name the folder of an index or an .npz file, or --demo.")

    def collected() -> explorer.Collection:
        if demo:
            return explorer.open_demo(device=device)
        note(f"opening {' and '.join(source.name or str(source) for source in sources or [])} ...")
        return explorer.open_collection(
            sources or [], geometry or [], images=images, data=data, split=split, columns=columns, device=device
        )

    if export is not None:
        explorer.check_target(export, overwrite)
        note_exported(explorer.export_page(collected(), export, overwrite=overwrite, progress=True))
        return
    with serving.bind(host, port) as bound:
        settings = serving.Settings(token=token, hosts=check_reach(bound, host, token, insecure))
        collection = collected()
        app = explorer.create_explorer(collection, settings)
        note(f"measuring {len(collection.first):,} items and choosing what to show first ...")
        for sentence in app.state.explorer.warm_up():
            note(sentence)
        spaces = ", ".join(lens.title for lens in collection.lenses)
        serve_page(app, bound, settings, f"Exploring {len(collection.first):,} items ({spaces})", open_page)


def note_exported(done: "explorer.Exported") -> None:
    """Say what an export holds, and how to look at it."""
    pictures = f" and {done.pictures:,} pictures" if done.pictures else ""
    line = f"Exported {done.items:,} items{pictures}, {done.bytes / 1e6:.1f} MB in {done.files} files, to {done.folder}"
    console().print(line, soft_wrap=True)
    note(f"look at it: open {done.folder / 'index.html'}, or put the folder on any web server.")
