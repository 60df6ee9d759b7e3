"""``hiergeo serve``: an index as an HTTP service."""

from ipaddress import ip_address
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.errors import InputError
from hiergeo.cli import options
from hiergeo.cli._terminal import console, note, phase, show_page
from hiergeo.cli.options import flag, option, path_argument

if TYPE_CHECKING:
    from hiergeo.search import serving

Host = Annotated[str, option("HOST", "Name or address to listen on.")]
Port = Annotated[int, option("N", "Port to listen on; 0 lets the system choose.", min=0, max=65535)]
Token = Annotated[
    str | None,
    option(
        "TOKEN",
        "What requests must carry as 'Authorization: Bearer TOKEN'. Other users of this machine can read it on "
        "the command line, but not in the environment variable.",
        envvar="HIERGEO_TOKEN",
    ),
]
Insecure = Annotated[bool, flag("--insecure", "Listen beyond this machine without a token all the same.")]


def serve_command(
    index: Annotated[
        Path, path_argument("INDEX", "Folder of the index, or of a classifier that was saved.", show_default=False)
    ],
    host: Host = "127.0.0.1",
    port: Port = 8080,
    model: Annotated[
        str | None,
        option(
            "SPEC",
            "Where the model of the folder is now; it must be the same one. (by default where it was)",
            "--model",
            "-m",
        ),
    ] = None,
    token: Token = None,
    writable: Annotated[bool, flag("--writable", "Let requests add items.")] = False,
    store: Annotated[
        str | None,
        option(
            "SPEC",
            "Search through this store, which holds the index: milvus:URI, ... (by default the index is scanned)",
        ),
    ] = None,
    embeddings_only: Annotated[bool, flag("--embeddings-only", "Load no model; queries must be embeddings.")] = False,
    insecure: Insecure = False,
    device: options.Device = options.AUTO,
) -> None:
    """Serve an index or a classifier over HTTP until SIGTERM or Ctrl-C; requests in flight still finish."""
    from hiergeo import adapters, search
    from hiergeo.evaluation.classifying.classifier import CONFIG, Classifier
    from hiergeo.search import serving
    from hiergeo.search.serving.server import url_of

    check_token(token)
    if model is not None and embeddings_only:
        raise InputError("--model and --embeddings-only exclude each other: leave one out.")
    if store is not None and writable:
        raise InputError("--store and --writable exclude each other: add to the index, then push it to the store.")
    with serving.bind(host, port) as bound:
        hosts = check_reach(bound, host, token, insecure)
        embeds = not embeddings_only
        settings = serving.Settings(token=token, writable=writable, hosts=hosts, store=store, embeds=embeds)
        if (index / CONFIG).is_file():
            if writable or store is not None:
                raise InputError("--writable and --store are for an index, and this is a classifier: leave them out.")
            phase("Loading the model")
            classifier = Classifier.load(index, model=model, device=device)
            app, where = serving.create_classifier_app(classifier, settings), url_of(bound)
            line = f"Serving a classifier into {len(classifier.tree_):,} labels ({classifier.model_.name}) at {where}"
            console().print(line, soft_wrap=True)
            serving.serve(app, bound, settings.limits)
            return
        opened = search.open(index, device=device)
        if model is not None:
            opened = search.open(index, model=adapters.load(model, device=device), device=device)
        if model is not None and opened.encoder.facts is None:
            raise InputError(
                f"{index} does not say which model embedded it: leave out --model, search with embeddings."
            )
        app = serving.create_app(opened, settings)
        service = app.state.service
        phase("Loading the model and measuring the items")
        service.engine.warm_up()
        if opened.encoder.facts is None and embeds:
            note("the index does not say which model embedded it: queries must be embeddings.")
        facts = service.facts()
        named = facts["model"] or "embeddings of unknown origin"
        line = f"Serving {facts['rows']:,} items ({named}, {facts['geometry']}) at {url_of(bound)}"
        console().print(line, soft_wrap=True)
        serving.serve(app, bound, settings.limits)


def serve_page(app: Any, bound: socket, settings: "serving.Settings", title: str, open_page: bool | None) -> None:
    """Serve a page until it is stopped; its address is printed after a title, and opened in a browser if wanted."""
    from hiergeo.search import serving
    from hiergeo.search.serving.server import url_of

    url = url_of(bound) + ("" if settings.token is None else f"/#token={settings.token}")
    console().print(f"{title} at {url}", soft_wrap=True)
    show_page(url, open_page)
    serving.serve(app, bound, settings.limits)


def check_reach(bound: socket, host: str, token: str | None, insecure: bool) -> frozenset[str] | None:
    """What the Host header may name; None allows all. Raises InputError for an open server without a token."""
    if ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback:
        return frozenset({"localhost", "127.0.0.1", "[::1]", host.lower()})
    if token is None and not insecure:
        raise InputError(
            f"{host} is reached from other machines: give a --token (or HIERGEO_TOKEN), or --insecure to serve all."
        )
    return None


def check_token(token: str | None) -> None:
    """Raise InputError for a token that no header can carry, or that is quickly guessed."""
    if token is not None and not (len(token) >= 16 and token.isascii() and token.isprintable() and " " not in token):
        raise InputError("a token must have at least 16 printable ASCII characters and no spaces.")
