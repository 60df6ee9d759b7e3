"""``hiergeo audit``: whether the geometry does the work, or with ``--length`` the length of captions."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hiergeo._core.errors import InputError
from hiergeo._core.records import Exported, drawn
from hiergeo.cli import options
from hiergeo.cli._io import SpaceOptions, check_writable, load_data, page_lines, publish, sole_writer
from hiergeo.cli.options import flag, path_option
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from rich.table import Table


def audit_command(
    model: options.Model,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometry = None,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    length: Annotated[
        bool, flag("--length", "Control the length of captions: is the order of the tiers more than that?")
    ] = False,
    format: options.Format = "table",
    json: options.Json = None,
    html: options.Page = None,
    card: Annotated[
        Path | None,
        path_option(
            "FILE", "Add the results, as model-index, and the verdict to this model card; made if it is not there."
        ),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Audit a claim of hierarchy: what angles, radii and curvature do; with --length caption length."""
    from hiergeo._core.devices import resolve_device
    from hiergeo.evaluation import Compute
    from hiergeo.evaluation.auditing import AuditSettings, audit, length_controls
    from hiergeo.report import write_audit

    check_writable(json, html, card)
    if length and (html or card) is not None:
        raise InputError("--length has no page and no card: leave out --html and --card.")
    if card is not None:
        from hiergeo.report.interop import read_card, write_audit_card

        read_card(card)
    compute = Compute(resolve_device(device))
    chosen = SpaceOptions(geometry, root, min_radius)
    chosen.check()
    hierarchy = load_data(data, split, rows)
    loaded, space = chosen.load(model, device)
    shown: Exported
    screen: Iterable[Table] | None
    with sole_writer(json, html, card):
        if length:
            facts = length_controls(loaded, hierarchy, space, seed=seed, compute=compute, progress=True)
            document, sentences = facts.to_json(), facts.sentences
            shown, screen = facts, None
        else:
            result = audit(loaded, hierarchy, space, AuditSettings(seed=seed), compute=compute, progress=True)
            document, sentences = result.to_json(), (*result.sentences, result.omissions)
            shown, screen = result, map(drawn, result.grids(full=False))
            if html is not None:
                write_audit(result, html)
            if card is not None:
                write_audit_card(card, result)
        lines = page_lines(html) + ([] if card is None else [f"Card: {card.absolute()}"])
        publish(document, json, format, shown, first=sentences, screen=screen, lines=lines)
