"""``hiergeo length``: what is left of an order of tiers when the length of captions is controlled."""

from typing import Annotated

import typer

from hiergeo._core.errors import InputError
from hiergeo.cli import options
from hiergeo.cli._io import Asked, check_writable, load_data, write_json
from hiergeo.cli._terminal import console
from hiergeo.cli.plans import Config
from hiergeo.evaluation import Compute
from hiergeo.evaluation.auditing import LengthSettings, length_controls

Copies = Annotated[int, typer.Option(help="Untrained copies of the network; 0 for none.", metavar="N", min=0)]
Filler = Annotated[
    str | None, typer.Option(help="Words of captions without content, repeated.  [a thing]", metavar="WORDS")
]


def length_command(
    model: options.Model,
    config: Config = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometry = None,
    root: options.Root = None,
    copies: Copies = 3,
    filler: Filler = None,
    json: options.Json = None,
    seed: options.Seed = 0,
    samples: options.Samples = 1000,
    device: options.Device = options.AUTO,
    dtype: options.Dtype = options.FLOAT32,
    batch_size: options.BatchSize = None,
) -> None:
    """Control the length of captions: is the order of the tiers more than one of length?"""
    from hiergeo.report import length_table

    check_writable(json)
    if filler is not None and not filler.split():
        raise InputError("--filler needs at least one word.")
    words = None if filler is None else tuple(filler.split())
    settings = LengthSettings(copies, filler=words, seed=seed, samples=samples)
    compute = Compute(**options.embedding(device, dtype, batch_size))
    asked = Asked(geometry, root, None)
    asked.check()
    hierarchy = load_data(data, split, rows)
    loaded, space = asked.load(model, device)
    facts = length_controls(loaded, hierarchy, space, settings, compute=compute, progress=True)
    write_json(json, facts.to_json())
    screen = console()
    screen.print(length_table(facts))
    for sentence in facts.sentences:
        screen.print(sentence)
