"""``hiergeo index``: indexes of captions and images, built, appended to, checked and compacted."""

import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiergeo._core.errors import LISTED, InputError, UnavailableError
from hiergeo._core.records import Records
from hiergeo.cli import options
from hiergeo.cli._guard import WrongResults, again
from hiergeo.cli._io import SpaceOptions, check_writable, publish, write_json
from hiergeo.cli._terminal import console, counted, note, sized
from hiergeo.cli.options import argument, flag, option, path_argument, path_option
from hiergeo.cli.plans import Verb
from hiergeo.cli.stores import audit_command, push_command

if TYPE_CHECKING:
    from hiergeo.search import CaptionFiles
    from hiergeo.search.corpus.running import Summary

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
        "compressed, or folders of images; a table may have columns of images and, called id, of ids (whole numbers, "
        "distinct).",
    ),
]
Images = Annotated[
    Path | None,
    path_option("DIR", "A folder of images, in order of their paths: items of their own, or one for each caption."),
]
Embeddings = Annotated[
    Path | None,
    path_option("FILE", "Embeddings of the items: .npz as `hiergeo embed` writes it, with its captions, or .npy."),
]


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

    files = _files(captions, caption_column, image_column)
    check_writable(json, out / "index.json")
    named = SpaceOptions(geometry, root, min_radius)
    space = named.check()
    if model is None and embeddings is None:
        raise InputError("name the model that embeds the items (--model), or give --embeddings.")
    kind: Any = items
    sources = building.sources_of(out, files, images, embeddings, None, kind, ray or worker is not None)
    loaded = None
    if model is not None:
        loaded, space = named.load(model, device)
    settings: dict[str, Any] = {"worker": worker, "ray": ray, "batch_size": batch_size, "device": device}
    start = time.monotonic()
    try:
        summary = run(out, sources, loaded, space, progress=True, **settings)
    except UnavailableError as error:
        raise again(error, "index", "build") if any(jobs_of(out).folder.glob("*.json")) else error from None
    manifest = layout.read(out)
    size = sum(sum(shard.bytes.values()) for shard in manifest.shards)
    seconds = time.monotonic() - start
    counts = {"embedded": summary.embedded, "earlier": summary.earlier, "items": summary.items, "rows": summary.rows}
    left = {"poisoned": summary.poisoned, "failed": len(summary.failed), "incomplete": len(summary.incomplete)}
    metrics = {**counts, **left, "bytes": size, "seconds": seconds, "rows_per_second": summary.rows / seconds}
    faults = {"failed": summary.failed, "incomplete": summary.incomplete, "finished": summary.finished}
    used = {"model": model, "geometry": manifest.geometry, "captions": captions, "out": str(out), "worker": worker}
    write_json(json, {"metrics": metrics, **faults, "settings": used})
    show(summary, out, size, seconds)
    if manifest.model is not None:
        console().print(f"Next: hiergeo search {shlex.quote(str(out))} TEXT", soft_wrap=True)
    if any(summary.faults):
        raise WrongResults


def show(summary: "Summary", out: Path, size: int, seconds: float) -> None:
    """Print what a build did, and note what it left out."""
    faults = list(summary.faults)
    for fault in faults[:NAMED]:
        note(fault)
    if faults[NAMED:]:
        note(f"{len(faults) - NAMED:,} more inputs failed or broke off: --json names them.")
    if summary.poisoned:
        note(f"{counted(summary.poisoned, 'row is', 'rows are')} set aside: {out / 'inputs'} lists them.")
    several = f" of {summary.embedded:,} inputs, {summary.earlier:,} were there" if summary.inputs != 1 else ""
    console().print(
        f"built {counted(summary.items, 'item')}{several}, {sized(size)}, in {seconds:,.1f} s "
        f"({summary.rows / seconds:,.0f} items/s): {out}",
        soft_wrap=True,
    )
    if not summary.finished:
        console().print("The index holds what is embedded so far.")


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
    rate = done.rows / seconds
    metrics = {"rows": done.rows, "bytes": done.bytes, "seconds": seconds, "rows_per_second": rate}
    write_json(json, {"metrics": metrics, "settings": {"path": str(path), "first": done.first, "last": done.last}})
    line = f"added {counted(done.rows, 'item')}, {sized(done.bytes)}, in {seconds:.1f} s ({rate:,.0f} items/s): {path}"
    console().print(line, soft_wrap=True)


def _files(captions: str | None, caption: str | None, image: str | None) -> "CaptionFiles | None":
    from hiergeo.search import CaptionFiles

    if captions is None and not caption is image is None:
        raise InputError("columns are those of --captions: name the files.")
    return None if captions is None else CaptionFiles(captions, caption, image)


@app.command("delete", cls=Verb)
def delete_command(
    path: options.IndexFolder,
    ids: Annotated[list[int], argument("ID...", "Ids of the items to delete.", min=0)],
    json: options.Json = None,
) -> None:
    """Delete items by their ids; ids of no item are named and passed over.

    Example: hiergeo index delete my-index 3 17 (hiergeo search shows the ids of items).
    """
    from hiergeo import search
    from hiergeo.search.sources import ids_of

    check_writable(json)
    index = search.open(path)
    wanted = ids_of(dict.fromkeys(ids))
    missing = wanted[~index.store.holds(wanted)].tolist()
    deleted = index.delete(ids)
    metrics = {"deleted": deleted, "missing": len(missing), "rows": len(index)}
    write_json(json, {"metrics": metrics, "missing": missing})
    console().print(f"deleted {counted(deleted, 'item')}: {len(index):,} are left in {path}", soft_wrap=True)
    if missing:
        shown = ", ".join(map(str, missing[:LISTED])) + (
            f" and {len(missing) - LISTED:,} more" if missing[LISTED:] else ""
        )
        note(f"no item of the index has {'the id' if len(missing) == 1 else 'the ids'} {shown}.")


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
    write_json(json, {"metrics": metrics})
    lost = f", {counted(done.lost, 'item')} of damaged shards LOST" if done.lost else ""
    console().print(
        f"{counted(done.before, 'shard')} became {done.after:,}, {counted(done.dropped, 'deleted row')} dropped{lost}: "
        f"{counted(done.rows, 'item')} in {path}, {metrics['seconds']:.1f} s",
        soft_wrap=True,
    )


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
    """Say what an index holds: items, shards, shells, model and space."""
    from hiergeo import search

    check_writable(json)
    index = search.open(path)
    manifest, store = index.manifest, index.store.describe()
    counts = [shell.count for shell in store.shells]
    deleted = sum(shard.deleted for shard in manifest.shards)
    low = min((shell.low for shell in store.shells if shell.count), default=0.0)
    high = max((shell.high for shell in store.shells if shell.count), default=0.0)
    metrics = {
        "rows": store.rows,
        "deleted": deleted,
        "shards": len(manifest.shards),
        "bytes": sum(sum(shard.bytes.values()) for shard in manifest.shards),
        "dim": manifest.frame.dim,
        "shells": len(counts),
        "core": counts[0],
        "low": low,
        "high": high,
        "generation": manifest.generation,
    }
    model = "unknown" if manifest.model is None else f"{manifest.model.name} ({manifest.model.fingerprint})"
    root = manifest.frame.root_sha256
    settings = {"model": model, "geometry": manifest.geometry, "dtype": manifest.dtype, "root_sha256": root}
    facts = ((NAMES.get(name, name), value) for name, value in {**metrics, **settings}.items())
    publish({"metrics": metrics, "settings": settings}, json, format, Records.of(("fact", "value"), facts))


app.command("push", cls=Verb)(push_command)
app.command("audit", cls=Verb)(audit_command)
