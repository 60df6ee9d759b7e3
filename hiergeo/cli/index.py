"""``hiergeo index``: indexes of captions and images, and stores beside them."""

import shlex
import time
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.records import Records
from hiergeo._core.storage.texts import read_lines
from hiergeo._core.text import few, without_password
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults, again
from hiergeo.cli._io import SpaceOptions, check_writable, conclude, publish, say_taken
from hiergeo.cli._terminal import console, counted, note, sized
from hiergeo.cli.defaults import MOST_HITS
from hiergeo.cli.options import argument, flag, option, path_argument, path_option
from hiergeo.cli.plans import Verb

if TYPE_CHECKING:
    from hiergeo.datasets.reading import Items
    from hiergeo.search import CaptionFiles
    from hiergeo.search.corpus.running import Summary
    from hiergeo.search.queries import Query

NAMES = {"rows": "items", "core": "innermost_shell", "low": "smallest_radius", "high": "largest_radius"}
"""Metrics of an index -> what tables call them."""

NAMED = 10
"""Inputs that notes name before they only count."""

app = typer.Typer(help="Build, extend and check indexes of captions and images.", no_args_is_help=True)

Captions = Annotated[
    str | None,
    option(
        "IN",
        "Captions: a file, a folder or a pattern of .csv, .tsv, .parquet, .jsonl, .tar (WebDataset) or .txt, also "
        "compressed, or folders of images; a table may have columns of images and, called id or sku, of distinct ids.",
    ),
]
Images = Annotated[
    Path | None,
    path_option("DIR", "A folder of images, in order of their paths: items of their own, or one for each caption."),
]
Embeddings = Annotated[
    Path | None,
    path_option(
        "FILE",
        "Embeddings of the items, with their captions where the file has them: .npz, .npy, .parquet, .safetensors, "
        ".h5, ...; ?coordinates=hyperboloid&curvature=-1 behind it says which points its rows are.",
    ),
]


StoreSpec = Annotated[str, option("SPEC", "milvus:http://HOST:19530, milvus:./NAME.db, ...")]


@app.command("build", cls=Verb)
def build_command(
    out: Annotated[Path, path_argument("OUT", "The folder of the new index.")],
    model: Annotated[
        str | None,
        option(
            "SPEC",
            "What embeds captions, images and queries: tiny, open_clip:ARCH/TAG, hf:NAME, ... (by default that of "
            "--embeddings)",
            "--model",
            "-m",
        ),
    ] = None,
    captions: Captions = None,
    images: Images = None,
    embeddings: Embeddings = None,
    geometry: options.MeasuredGeometry = None,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    items: Annotated[
        str, option("KIND", "What becomes an item of --captions: captions, images or pairs of both.")
    ] = "captions",
    caption_column: options.CaptionColumn = None,
    image_column: options.ImageColumn = None,
    worker: options.Worker = None,
    ray: Annotated[bool, flag("--ray", "Spread the files of --captions over a cluster of Ray.")] = False,
    batch_size: options.BatchSize = None,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Build an index; an interrupted build goes on when the command is run again.

    Of several files rows that cannot be used are set aside, and files that come later are added by the same command.
    """
    from hiergeo.search import building, layout
    from hiergeo.search.corpus.records import jobs_of
    from hiergeo.search.corpus.running import run

    check_writable(json, out / "index.json")
    named = SpaceOptions(geometry, root, min_radius)
    named.check()
    if model is None and embeddings is None:
        raise InputError("name the model that embeds the items (--model), or give --embeddings.")
    kind: Any = items
    files = _files(captions, caption_column, image_column, kind)
    sources = building.sources_of(out, files, images, embeddings, None, kind, ray or worker is not None)
    loaded, space = None, named.check(sources.native)
    if model is not None:
        loaded, read = named.load(model, device)
        space = read if sources.native is None else space
    settings: dict[str, Any] = {"worker": worker, "ray": ray, "batch_size": batch_size, "device": device}
    start = time.monotonic()
    try:
        summary = run(out, sources, loaded, space, progress=True, **settings)
    except UnavailableError as error:
        raise again(error, "index", "build") if any(jobs_of(out).folder.glob("*.json")) else error from None
    manifest, seconds = layout.read(out), time.monotonic() - start
    size = sum(sum(shard.bytes.values()) for shard in manifest.shards)
    metrics = {
        "embedded": summary.embedded,
        "earlier": summary.earlier,
        "items": summary.items,
        "rows": summary.rows,
        "poisoned": summary.poisoned,
        "failed": len(summary.failed),
        "incomplete": len(summary.incomplete),
        "bytes": size,
        "seconds": seconds,
        "rows_per_second": summary.rows / seconds,
    }
    inputs = {"failed": summary.failed, "incomplete": summary.incomplete, "finished": summary.finished}
    note_faults(summary, out)
    several = f" of {summary.embedded:,} inputs, {summary.earlier:,} were there" if summary.inputs != 1 else ""
    line = f"built {counted(summary.items, 'item')}{several}, {_speed(summary.rows, size, seconds)}: {out}"
    conclude(json, {"metrics": metrics, **inputs, "settings": {"geometry": manifest.geometry}}, line)
    if not summary.finished:
        console().print("The index holds what is embedded so far.")
    if manifest.model is not None:
        console().print(f"Next: hiergeo search {shlex.quote(str(out))} TEXT", soft_wrap=True)
    if any(summary.faults):
        raise WrongResults


def note_faults(summary: "Summary", out: Path) -> None:
    """Note what a build left out."""
    faults = list(summary.faults)
    for fault in faults[:NAMED]:
        note(fault)
    if faults[NAMED:]:
        note(f"{len(faults) - NAMED:,} more inputs failed or broke off: --json names them.")
    if summary.poisoned:
        note(f"{counted(summary.poisoned, 'row is', 'rows are')} set aside: {out / 'inputs'} lists them.")


def _speed(rows: int, size: int, seconds: float) -> str:
    return f"{sized(size)}, in {seconds:,.1f} s ({rows / seconds:,.0f} items/s)"


@app.command("add", cls=Verb)
def add_command(
    path: options.IndexFolder,
    captions: Captions = None,
    caption_column: options.CaptionColumn = None,
    image_column: options.ImageColumn = None,
    images: Images = None,
    embeddings: Embeddings = None,
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Append items to an index, embedded by its model: all of them or none."""
    from hiergeo import search

    check_writable(json)
    index = search.open(path, device=device)
    start = time.monotonic()
    done = index.add(_files(captions, caption_column, image_column), images, embeddings, progress=True)
    seconds = time.monotonic() - start
    metrics = {"rows": done.rows, "bytes": done.bytes, "seconds": seconds, "rows_per_second": done.rows / seconds}
    document = {"metrics": metrics, "settings": {"path": str(path), "first": done.first, "last": done.last}}
    conclude(json, document, f"added {counted(done.rows, 'item')}, {_speed(done.rows, done.bytes, seconds)}: {path}")


def _files(
    captions: str | None, caption: str | None, image: str | None, items: "Items" = "captions"
) -> "CaptionFiles | None":
    from hiergeo.datasets.reading import Columns
    from hiergeo.datasets.reading.samples import KEYS
    from hiergeo.search import CaptionFiles
    from hiergeo.search.sources import COLUMN

    if captions is None and not caption is image is None:
        raise InputError("columns are those of --captions: name the files.")
    say_taken(captions, Columns(items, caption, image, KEYS, named=COLUMN))
    return None if captions is None else CaptionFiles(captions, caption, image)


@app.command("delete", cls=Verb)
def delete_command(
    path: options.IndexFolder,
    ids: Annotated[list[str], argument("ID...", "Ids of the items to delete.")],
    json: options.Json = None,
) -> None:
    """Delete items by id; unknown ids are named and skipped.

    Example: hiergeo index delete my-index 3 SKU00001 (hiergeo search shows the ids of items).
    """
    from hiergeo import search
    from hiergeo.search.ids import ids_of, numbers_of

    check_writable(json)
    index = search.open(path)
    wanted = ids_of(dict.fromkeys(ids))
    held = index.store.holds(numbers_of(wanted)).tolist()
    missing = [item for item, there in zip(wanted, held, strict=True) if not there]
    deleted = index.delete(wanted)
    metrics = {"deleted": deleted, "missing": len(missing), "rows": len(index)}
    line = f"deleted {counted(deleted, 'item')}: {len(index):,} are left in {path}"
    conclude(json, {"metrics": metrics, "missing": missing}, line)
    if missing:
        absent = few([str(item) for item in missing])
        note(f"no item of the index has {'the id' if len(missing) == 1 else 'the ids'} {absent}.")


@app.command("compact", cls=Verb)
def compact_command(
    path: options.IndexFolder,
    skip_damaged: Annotated[
        bool, flag("--skip-damaged", "Verify every byte and drop damaged shards with all their items.")
    ] = False,
    json: options.Json = None,
) -> None:
    """Merge small shards, drop deleted rows from the disk and make shells of equal mass again."""
    from hiergeo.search.compaction import compact

    check_writable(json)
    start = time.monotonic()
    done = compact(path, skip_damaged)
    metrics = {**asdict(done), "seconds": time.monotonic() - start}
    lost = f", {counted(done.lost, 'item')} of damaged shards LOST" if done.lost else ""
    dropped = f"{counted(done.dropped, 'deleted row')} dropped{lost}: {counted(done.rows, 'item')} in {path}"
    line = f"{counted(done.before, 'shard')} became {done.after:,}, {dropped}, {metrics['seconds']:.1f} s"
    conclude(json, {"metrics": metrics}, line)


@app.command("check", cls=Verb)
def check_command(path: options.IndexFolder, format: options.Format = "table", json: options.Json = None) -> None:
    """Verify every byte of an index and name the shards that are damaged; exit code 1 if any is."""
    from hiergeo.search.checking import check

    check_writable(json)
    start = time.monotonic()
    checked = check(path)
    metrics = {"shards": checked.shards, "rows": checked.rows, "bytes": checked.bytes, "defects": len(checked.defects)}
    defects = [{"shard": name, "defect": what} for name, what in checked.defects]
    screen = [f"shard {name}: {what}" if name else what for name, what in checked.defects]
    verdict = f"has {counted(len(checked.defects), 'defect')}" if checked.defects else "is sound"
    size = f"{counted(checked.rows, 'item')} in {counted(checked.shards, 'shard')}, {sized(checked.bytes)}"
    line = f"{path} {verdict}: {size}, {time.monotonic() - start:.1f} s"
    shown = Records(defects, keys=("shard", "defect"))
    publish({"metrics": metrics, "defects": defects}, json, format, shown, screen=screen, lines=[line])
    if checked.defects:
        raise WrongResults


@app.command("info", cls=Verb)
def info_command(
    path: options.IndexFolder,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Show what an index holds: items, shards, shells, model and space."""
    from hiergeo import search

    check_writable(json)
    index = search.open(path)
    manifest, store = index.manifest, index.store.describe()
    filled = [shell for shell in store.shells if shell.count]
    metrics = {
        "rows": store.rows,
        "deleted": sum(shard.deleted for shard in manifest.shards),
        "shards": len(manifest.shards),
        "bytes": sum(sum(shard.bytes.values()) for shard in manifest.shards),
        "dim": manifest.frame.dim,
        "shells": len(store.shells),
        "core": store.shells[0].count,
        "low": min((shell.low for shell in filled), default=0.0),
        "high": max((shell.high for shell in filled), default=0.0),
        "generation": manifest.generation,
    }
    model = "unknown" if manifest.model is None else f"{manifest.model.name} ({manifest.model.fingerprint})"
    root = manifest.frame.root_sha256
    settings = {"model": model, "geometry": manifest.geometry, "dtype": manifest.dtype, "root_sha256": root}
    facts = ((NAMES.get(name, name), value) for name, value in {**metrics, **settings}.items())
    publish({"metrics": metrics, "settings": settings}, json, format, Records.of(("fact", "value"), facts))


@app.command("push", cls=Verb)
def push_command(path: options.IndexFolder, store: StoreSpec, json: options.Json = None) -> None:
    """Make a store hold exactly the items of an index; an interrupted push goes on when the command is run again."""
    from hiergeo import search

    check_writable(json)
    index, start = search.open(path), time.monotonic()
    try:
        sent = index.push(store, progress=True)
    finally:
        index.engines.close()  # engines build what is missing of their index when they are closed
    seconds = time.monotonic() - start
    metrics = {"sent": sent, "rows": len(index), "seconds": seconds}
    settings = {"path": str(path), "store": without_password(store), "generation": index.manifest.generation}
    line = f"{store.partition(':')[0]} holds the {counted(len(index), 'item')} of {path}"
    conclude(json, {"metrics": metrics, "settings": settings}, f"{line}; sent: {sent:,} in {seconds:.1f} s")


@app.command("audit", cls=Verb)
def audit_command(
    path: options.IndexFolder,
    store: StoreSpec,
    queries: Annotated[
        Path | None,
        path_option("FILE", "Texts like those that will be searched for, one a line. (by default items of the index)"),
    ] = None,
    sample: Annotated[
        int, option("N", "How many items of the index are queries without --queries.", min=1, max=limits.COUNT)
    ] = 100,
    k: Annotated[int, option("K", "Hits of each query, thresholds of its ladder.", "-k", min=1, max=MOST_HITS)] = 10,
    by: Annotated[str, option("NAME", "Order: margin, angle or distance.")] = "margin",
    geometry: options.IndexGeometry = None,
    format: options.Format = "table",
    json: options.Json = None,
    device: options.Device = options.AUTO,
) -> None:
    """Measure the recall of searches through a store; later approximate answers carry it."""
    from hiergeo import search
    from hiergeo.search.recall import sampled

    check_writable(json)
    index = search.open(path, device=device)
    if queries is None:
        questions: list[Query] = [*sampled(index.store, sample)]
    else:
        questions = [line for line in read_lines(queries, "give a text file with a query on each line") if line.strip()]
    order: Any = by
    audits = index.audit(store, questions, k, by=order, space=geometry)
    settings = {
        "path": str(path),
        "generation": index.manifest.generation,
        "store": without_password(store),
        "queries": queries and str(queries),
        "sample": None if queries else sample,
        "k": k,
        "by": by,
        "space": audits[0].geometry,
    }
    metrics = {f"recall_{audit.kind}": audit.recall.value for audit in audits}
    document = {"metrics": metrics, "audit": [asdict(audit) for audit in audits], "settings": settings}
    keys = ("kind", "recall", "low", "high", "queries", "scored", "worst")
    worst = (min(shell.value for shell in filter(None, audit.shells)) for audit in audits)
    rows = ((a.kind, *astuple(a.recall), a.scored, low) for a, low in zip(audits, worst, strict=True))
    notes = f"{k} hits by {by} in {audits[0].geometry}; scored: share of the items; worst: recall of the worst shell."
    publish(document, json, format, Records.of(keys, rows, notes))
