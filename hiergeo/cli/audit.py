"""``hiergeo audit``: whether the geometry does the work."""

from pathlib import Path
from typing import Annotated

import typer

from hiergeo.cli import options
from hiergeo.cli._io import Asked, check_writable, load_data, sole_writer, write_json
from hiergeo.cli._terminal import console
from hiergeo.cli.plans import Config
from hiergeo.evaluation import Compute
from hiergeo.evaluation.auditing import AuditSettings, audit

Page = Annotated[
    Path | None, typer.Option("--html", help="Also write a page here.", metavar="FILE", callback=options.path)
]
Copies = Annotated[
    int,
    typer.Option(
        help="Untrained copies of the network, beside captions without content and of shuffled words; 0 for none.",
        metavar="N",
        min=0,
    ),
]


def audit_command(
    model: options.Model,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometry = None,
    steps: options.Steps = 50,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    json: options.Json = None,
    html: Page = None,
    seed: options.Seed = 0,
    samples: options.Samples = 1000,
    copies: Copies = 0,
    device: options.Device = options.AUTO,
    dtype: options.Dtype = options.FLOAT32,
    batch_size: options.BatchSize = None,
) -> None:
    """Audit a claim of hierarchy: where points lie, what cones hold, and what angles, radii and curvature each do."""
    from hiergeo.report import audit_tables, write_audit

    check_writable(json, html)
    settings = AuditSettings(steps, seed, samples, copies)
    compute = Compute(**options.embedding(device, dtype, batch_size))
    asked = Asked(geometry, root, min_radius)
    asked.check()
    hierarchy = load_data(data, split, rows)
    loaded, space = asked.load(model, device)
    with sole_writer(json, html):
        found = audit(loaded, hierarchy, space, settings, compute=compute, progress=True)
        write_json(json, found.to_json())
        if html is not None:
            write_audit(found, html)
    screen = console()
    for table in audit_tables(found):
        screen.print(table)
    for sentence in found.findings.sentences:
        screen.print(sentence)
    if html is not None:
        screen.print(f"Page: {html.absolute()}", soft_wrap=True)
