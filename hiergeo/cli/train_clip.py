"""``hiergeo train clip``: an image-text model in any space, from a plan."""

from pathlib import Path
from typing import Annotated

from hiergeo import training
from hiergeo._core.errors import InputError
from hiergeo._core.tables import light
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, publish
from hiergeo.cli.options import argument, option, path_option
from hiergeo.evaluation import Compute
from hiergeo.evaluation.auditing import audit as audited
from hiergeo.evaluation.findings.exports import number
from hiergeo.training.re.processes import is_writer


def clip_command(
    plan: Annotated[Path, argument("PLAN.toml", "Model, space, data and losses.")],
    out: Annotated[Path | None, path_option("DIR", "The folder, instead of the plan's.", "--out", "-o")] = None,
    device: Annotated[str | None, option("NAME", "Where it is trained, instead of the plan's.")] = None,
    audit: Annotated[
        str | None, option("DATA", "Audit the model on the test split of these chains; its card tells the verdict.")
    ] = None,
    overwrite: options.Overwrite = False,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Train an image-text model in any space; an interrupted training goes on when it is run again."""
    from hiergeo.report.interop.cards import AUDIT, write_card

    made = training.read_clip_plan(plan)
    named = {"out": None if out is None else str(out), "device": device}
    made = made.model_copy(update={name: value for name, value in named.items() if value is not None})
    check_writable(json, Path(made.out) / "hiergeo.json")
    hierarchy = None if audit is None else load_data(audit, "test", None)
    trained = training.train_clip(made, overwrite=overwrite, progress=True)
    if not is_writer():
        return
    verdict = None
    if hierarchy is not None:
        verdict = audited(trained.spec, hierarchy, compute=Compute(made.device), progress=True)
    if verdict is not None or (Path(made.out) / AUDIT).is_file():
        write_card(made.out, audit=verdict)
    first, last = trained.history[0], trained.history[-1]
    steps = [f"step {look.step}" for look in (first, last)]
    table = light("on pictures held out", *steps, numbers=tuple(steps))
    for name, value in last.validation.items():
        table.add_row(name.replace("_", " "), number(first.validation[name], 4), number(value, 4))
    for side, before, after in zip(("captions", "pictures"), first.radius, last.radius, strict=True):
        table.add_row(f"radius of {side}", number(before, 4), number(after, 4))
    curvature = ", ".join(f"{k:.4g}" for k in last.curvature[:8])
    told = [] if verdict is None else [verdict.headline]
    lines = [f"K {curvature}", *told, f"Model of step {last.step}: --model {trained.spec}"]
    document = {"settings": trained.described, "history": [look.as_dict() for look in trained.history]}
    document |= {} if verdict is None else {"audit": verdict.as_dict()}
    publish(document, json, format, [table], lines=lines)
    if trained.diverged:
        raise InputError(f"{trained.diverged}; {made.out} holds the model of step {last.step}, the last good one.")
