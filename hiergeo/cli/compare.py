"""``hiergeo compare``: one model, several geometries, one table and one page."""

from pathlib import Path
from typing import TYPE_CHECKING

from hiergeo.cli import options
from hiergeo.cli._io import (
    SpaceOptions,
    beside,
    check_page,
    check_writable,
    load_data,
    made_by,
    note_geometry,
    page_lines,
    page_of,
    publish,
    sole_writer,
    write_json,
)
from hiergeo.cli._terminal import console
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from hiergeo.evaluation import Comparison


def compare_command(
    model: options.Model,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometries = None,
    protocol: options.Protocol = "re",
    steps: options.Steps = 50,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: options.Format = "table",
    full: options.Full = False,
    html: options.Html = None,
    overwrite: options.Overwrite = False,
    images: options.Ladders = 12,
    json: options.Json = None,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
    dtype: options.Dtype = options.FLOAT32,
    batch_size: options.BatchSize = None,
) -> None:
    """Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.

    Several models side by side: hiergeo suite -m SPEC -m SPEC -d NAME.
    """
    from hiergeo import adapters
    from hiergeo.evaluation import compare as run
    from hiergeo.evaluation.measuring import ProtocolSettings

    html = html or page_of("compare", model, data, split)
    check_writable(json, html)
    ProtocolSettings(protocol, steps)
    wanted = options.embedding(device, dtype, batch_size)
    named = [SpaceOptions(spec, root, min_radius) for spec in geometry or options.COMPARED]
    for each in named:
        each.check()
    hierarchy = load_data(data, split, rows)
    check_page(html, overwrite)
    loaded = adapters.load(model, device=device)
    own = SpaceOptions(None, root, min_radius).space(loaded)
    spaces = [each.space(loaded) for each in named] if geometry else beside(own, options.COMPARED)
    note_geometry(loaded, spaces, named=True)
    with sole_writer(json, html):
        comparison = run(loaded, hierarchy, spaces, protocol, steps, seed, **wanted, progress=True)
        publish_comparison(comparison, html, json, images, seed, format, full)


def publish_comparison(
    comparison: "Comparison", html: Path, json: Path | None, images: int, seed: int, form: str, full: bool
) -> None:
    """Write the JSON and the page, print the conclusion and the table."""
    from hiergeo.report import comparison_tables, write_page

    write_json(json, comparison)
    write_page(comparison, html, images=images, seed=seed, made_by=made_by())
    conclusion = comparison.conclusion
    publish(
        comparison,
        None,
        form,
        comparison_tables(comparison, console().width, full=full),
        comparison.omissions,
        first=(conclusion.headline, *conclusion.remarks),
        lines=page_lines(html),
    )
