"""``hiergeo probe``: the hierarchy of one model in one geometry."""

from hiergeo.cli import options
from hiergeo.cli._io import SpaceOptions, check_writable, load_data, publish_experiment
from hiergeo.cli.plans import Config


def probe_command(
    model: options.Model,
    config: Config = None,
    captions: options.RowTexts = None,
    data: options.Data = "hierarcaps",
    split: options.Split = "test",
    rows: options.Rows = None,
    geometry: options.MeasuredGeometry = None,
    protocol: options.Protocol = "re",
    steps: options.Steps = 50,
    root: options.Root = None,
    min_radius: options.MinRadius = None,
    format: options.Format = "table",
    full: options.Full = False,
    json: options.Json = None,
    twins: options.Twins = 19,
    seed: options.Seed = 0,
    device: options.Device = options.AUTO,
) -> None:
    """Measure the hierarchy of a model: how radii order the tiers, how well ladders retrieve them."""
    from hiergeo.evaluation.measuring import ProtocolSettings, evaluate

    check_writable(json)
    ProtocolSettings(protocol, steps)
    chosen = SpaceOptions(geometry, root, min_radius)
    chosen.check()
    hierarchy = load_data(data, split, rows)
    loaded, space = chosen.load(model, device)
    result = evaluate(loaded, hierarchy, space, protocol, steps, seed, device=device, twins=twins, progress=True)
    publish_experiment(result, json, format, full=full)
