"""``hiergeo audit``: whether the geometry does the work, and what training added."""

from pathlib import Path
from typing import Annotated

from hiergeo._core.records import drawn
from hiergeo.cli import options
from hiergeo.cli._io import SpaceOptions, check_writable, load_data, page_lines, publish, sole_writer
from hiergeo.cli.options import path_option
from hiergeo.cli.plans import Config


def audit_command(
    model: options.Model,
    config: Config = None,
    captions: options.RowTexts = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometry = None,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: options.Format = "table",
    json: options.Json = None,
    html: options.Page = None,
    card: Annotated[
        Path | None,
        path_option(
            "FILE", "Add the results, as model-index, and the verdict to this model card; made if it is not there."
        ),
    ] = None,
    twins: options.Twins = 19,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Audit a claim of hierarchy: what angles, radii, curvature, length and training each do."""
    from hiergeo._core.devices import resolve_device
    from hiergeo.evaluation import Compute
    from hiergeo.evaluation.auditing import AuditSettings, audit
    from hiergeo.report import write_audit

    check_writable(json, html, card)
    if card is not None:
        from hiergeo.report.interop import read_card, write_audit_card

        read_card(card)
    compute = Compute(resolve_device(device))
    chosen = SpaceOptions(geometry, root, min_radius)
    chosen.check()
    hierarchy = load_data(data, split, rows)
    loaded, space = chosen.load(model, device)
    with sole_writer(json, html, card):
        settings = AuditSettings(seed=seed)
        result = audit(loaded, hierarchy, space, settings, compute=compute, twins=twins, progress=True)
        if html is not None:
            write_audit(result, html)
        if card is not None:
            write_audit_card(card, result)
        lines = page_lines(html) + ([] if card is None else [f"Card: {card.absolute()}"])
        sentences, screen = (*result.sentences, result.omissions), map(drawn, result.grids(full=False))
        publish(result.to_json(), json, format, result, first=sentences, screen=screen, lines=lines)
