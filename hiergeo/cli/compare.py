"""``hiergeo compare``: one model, several geometries, one table and one page."""

from hiergeo.cli import options
from hiergeo.cli._io import (
    SpaceOptions,
    beside,
    check_writable,
    load_data,
    note_geometry,
    page_of,
    publish_experiment,
    sole_writer,
)
from hiergeo.cli.plans import Config


def compare_command(
    model: options.Model,
    config: Config = None,
    captions: options.RowTexts = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometries = None,
    protocol: options.Protocol = "re",
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: options.Format = "table",
    full: options.Full = False,
    html: options.Html = None,
    json: options.Json = None,
    twins: options.Twins = 19,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Compare geometries on the same embeddings, with paired intervals, and write a page with pictures.

    Several models side by side: hiergeo suite -m SPEC -m SPEC -d NAME.
    """
    from hiergeo import adapters
    from hiergeo.evaluation import compare as run
    from hiergeo.evaluation.measuring import ProtocolSettings

    html = html or page_of("compare", model, data, split)
    check_writable(json, html)
    ProtocolSettings(protocol)
    named = [SpaceOptions(spec, root, min_radius) for spec in geometry or options.COMPARED]
    for option in named:
        option.check()
    hierarchy = load_data(data, split, rows)
    loaded = adapters.load(model, device=device)
    if geometry:
        spaces = [option.space(loaded) for option in named]
    else:
        spaces = beside(SpaceOptions(None, root, min_radius).space(loaded), options.COMPARED)
    note_geometry(loaded, spaces, named=True)
    with sole_writer(json, html):
        comparison = run(loaded, hierarchy, spaces, protocol, seed=seed, device=device, twins=twins, progress=True)
        publish_experiment(comparison, json, format, full=full, html=html, seed=seed)
