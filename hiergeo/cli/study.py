"""``hiergeo compare --train``: heads of several geometries, trained alike, measured and set against each other."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from hiergeo import _limits, adapters, training
from hiergeo.adapters import Model
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, plain, sole_writer, write_json
from hiergeo.cli._terminal import console, note
from hiergeo.errors import check_whole
from hiergeo.study import Plan, Study, StudySettings, run_study
from hiergeo.training import Chains, Recipe

PANEL = "With --train"


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=PANEL, **settings)


Train = Annotated[
    str | None,
    _option(
        "--train", help="Compare heads trained on these chains: an npz file, or a split to embed.", metavar="FILE|SPLIT"
    ),
]
Dims = Annotated[
    list[int] | None,
    _option(
        "--dim", help="Dimension of the heads, once for each; that of the model if none is given.", metavar="N", min=1
    ),
]
Seeds = Annotated[int, _option("--seeds", help="Heads of each geometry and dimension.", metavar="N", min=1)]
Rates = Annotated[
    list[float], _option("--learning-rate", help="A candidate of the tuning, once for each.", metavar="X")
]
Loss = Annotated[list[str], _option("--loss", help=options.LOSS_HELP, metavar="NAME=WEIGHT")]
Hidden = Annotated[int, _option("--hidden", help=options.HIDDEN_HELP, metavar="N", min=0)]
Force = Annotated[bool, _option("--force", help=options.FORCE_HELP)]
LearnCurvature = Annotated[bool, _option("--learn-curvature", help=options.CURVATURE_HELP)]
FreeNorms = Annotated[bool, _option("--free-norms", help=options.NORMS_HELP)]

SEEDS = 5
RATES = [3e-4, 1e-3, 3e-3]
HIDDEN = Recipe().hidden


class Training(NamedTuple):
    """What the options of ``--train`` say."""

    source: str
    dims: list[int] | None
    seeds: int
    rates: list[float]
    losses: list[str]
    hidden: int
    steps: int | None
    learn_curvature: bool
    free_norms: bool
    force: bool

    def plan(self, geometries: list[str], dim: int) -> Plan:
        """The plan of a study; `dim` where no dimension was asked for."""
        check_whole("--seeds", self.seeds, 1, _limits.SEEDS)
        default = Recipe()
        losses, dims = training.parse_losses(self.losses), tuple(self.dims or [dim])
        if self.losses == options.LOSSES:
            losses = options.fitting(losses, dim, dims)
        recipe = Recipe(
            losses=losses,
            hidden=self.hidden,
            unit=not self.free_norms,
            steps=self.steps or default.steps,
            every=min(default.every, self.steps or default.steps),
        )
        plan = Plan(
            geometries=tuple(geometries),
            dims=dims,
            seeds=tuple(range(self.seeds)),
            learning_rates=tuple(self.rates),
            recipe=recipe,
            learnable=self.learn_curvature,
        )
        if self.losses == options.LOSSES:
            options.note_prior(losses, dim)
        return plan

    def chains(self, model: Model, data: str, rows: int | None) -> Chains:
        """What heads learn from."""
        if Path(self.source).suffix == ".npz":
            return training.from_file(self.source, force=self.force)
        return training.from_hierarchy(load_data(data, self.source, rows), model, force=self.force, progress=True)


def study(
    asked: Training,
    model: str,
    data: str,
    split: str,
    rows: int | None,
    geometries: list[str],
    html: Path,
    images: int,
    json: Path | None,
    seed: int,
    device: str,
    form: str,
) -> None:
    """Run a study and write what came of it; arguments as for `hiergeo compare`."""
    check_writable(json, html)
    loaded = adapters.load(model, device=device)
    plan = asked.plan(geometries, loaded.dim)
    test = load_data(data, split, rows)
    chains = asked.chains(loaded, data, rows)
    unseen, held_out = training.unseen_rows(chains.captions, test), training.held_out_of(loaded)
    with sole_writer(json, html):
        settings = StudySettings(seed=seed, device=device)
        done = run_study(plan, chains, loaded, test, settings, unseen=unseen, held_out=held_out, progress=True)
        publish(done, html, json, images, seed, form)


def publish(done: Study, html: Path, json: Path | None, images: int, seed: int, form: str = "table") -> None:
    """Write the JSON, print tables, verdicts and the conclusion, write the page."""
    from hiergeo.report import study_tables, write_study

    write_json(json, done.to_json())
    if plain(done, form):
        write_study(done, html, images=images, seed=seed)
        note(f"page: {html.absolute()}")
        return
    screen = console()
    for table in study_tables(done):
        screen.print(table)
    for (geometry, dim), words in done.verdicts.items():
        screen.print(Text.assemble((f"{geometry}, dimension {dim}", "bold"), f": {words}"))
    screen.print(Text(f"\n{done.conclusion}"))
    write_study(done, html, images=images, seed=seed)
    screen.print(f"Page: {html.absolute()}", soft_wrap=True)
