"""``hiergeo chains``: benchmarks made out of captions, how good they are, and what they share with others."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.records import Records, drawn, number, percent
from hiergeo._core.storage.files import path_of
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, publish, sole_writer
from hiergeo.cli._terminal import console, note
from hiergeo.cli.build import build_command
from hiergeo.cli.options import argument, option, path_option
from hiergeo.cli.plans import Verb

if TYPE_CHECKING:
    from hiergeo.construction.grading import Quality
    from hiergeo.datasets import Hierarchy
    from hiergeo.datasets.chains import Chain

CHAINS = "chains"
"""The dataset of folders and files."""

app = typer.Typer(help="Make, measure and compare chains.", no_args_is_help=True)
app.command("build", cls=Verb)(build_command)


@app.command("quality", cls=Verb)
def quality_command(
    source: Annotated[
        str,
        argument(
            "DIR|FILE|NAME", "A folder made by `hiergeo chains build`, a CSV file of chains, or the name of a dataset."
        ),
    ],
    split: options.Split = "test",
    rows: options.Rows = None,
    judge: Annotated[
        str | None, option("SPEC", "Also ask a judge what entails and contradicts what: transformers:PATH.")
    ] = None,
    sample: Annotated[
        int | None, option("N", "Write N random chains to --csv for a person to read, and measure nothing.", min=1)
    ] = None,
    csv: Annotated[
        Path | None,
        path_option(
            "FILE", "The file that --sample writes; without --sample, that file with its column decision filled in."
        ),
    ] = None,
    accepted: Annotated[
        Path | None,
        path_option("FILE", "Also write the chains accepted in --csv here, as a CSV file of chains.", "--kept"),
    ] = None,
    format: options.Format = "table",
    json: options.Json = None,
    seed: options.Seed = 0,
) -> None:
    """Measure chains: lengths, repeats, head nouns, what a judge says, and what a person accepted."""
    from hiergeo.construction import quality
    from hiergeo.construction.decisions import read_decisions
    from hiergeo.evaluation.metrics.registry import omissions

    check_writable(accepted, json)
    name = dataset_of(source)
    if accepted is not None and (csv is None or sample is not None or not name.startswith(f"{CHAINS}:")):
        raise InputError("--kept needs a folder or a file of chains, and their decisions (--csv FILE).")
    chains = load_data(name, split, rows)
    if sample is not None:
        _draw(chains, sample, csv, seed)
        return
    decisions = None if csv is None else read_decisions(csv, chains)
    with sole_writer(json):
        measured = quality(chains, judge=judge, decisions=decisions, progress=True)
        lines = [] if accepted is None else [_keep(accepted, name, split, decisions or {})]
        first, left_out, table = [_accepted(measured)], omissions(measured.left_out), measured.records
        publish(measured.to_json(), json, format, table, left_out, first=first, screen=[_narrow(table)], lines=lines)


def _narrow(records: Records) -> RenderableType:
    """The table with three decimals, so that a row of four tiers fits a terminal of eighty columns."""
    rows = [
        {key: number(value, 2 + (value < 10)) if isinstance(value, float) else value for key, value in row.items()}
        for row in records.rows
    ]
    return drawn(replace(records, rows=rows).grid)


def _accepted(measured: "Quality") -> str:
    """What a person accepted, in a sentence; empty where nobody read."""
    if measured.settings["chains_read"] is None:
        return ""
    chains, steps = (percent(measured.metrics[name]) for name in ("accepted", "steps_accepted"))
    read, rows = measured.settings["chains_read"], measured.settings["rows"]
    return f"A person read {read:,} of {rows:,} chains and accepted {chains} of them, and {steps} of their steps."


def _keep(path: Path, name: str, split: str, decisions: "dict[int, frozenset[str]]") -> str:
    """Write the chains that were accepted, and say so."""
    from hiergeo.datasets import chains

    rows = chains.read(chains.located(name.removeprefix(f"{CHAINS}:")), split)
    accepted = (chain for row_id, chain in enumerate(rows) if decisions.get(row_id) == frozenset())
    return f"{chains.write_train(path, accepted):,} accepted chains are in {path}"


def _draw(chains: "Hierarchy", count: int, path: Path | None, seed: int) -> None:
    """Write a sample and say what to do with it."""
    from hiergeo.construction.decisions import ACCEPT, DECISION, REJECT, write_sample

    if path is None:
        raise InputError("--sample needs the file to write: --csv FILE.")
    written = write_sample(path, chains, count, seed)
    console().print(
        f"{written:,} of {len(chains.rows):,} chains in {path.absolute()}: write {ACCEPT}, {REJECT} or the columns "
        f"that are wrong (tier 1, negative 2) into the column {DECISION}, then give the same command without --sample.",
        soft_wrap=True,
    )


def dataset_of(source: str) -> str:
    """The name of the dataset that a source stands for: its own, or that of the chains in a folder or a file."""
    from hiergeo.construction.build_plan import FILE
    from hiergeo.datasets import DATASETS

    named = source.partition(":")[0] in DATASETS and not (path_of(source) / FILE).is_file()
    return source if named else f"{CHAINS}:{source}"


@app.command("leaks", cls=Verb)
def leaks_command(
    source: Annotated[
        str,
        argument(
            "DIR|FILE|NAME",
            "A folder made by build, a CSV file of chains, or a dataset, NAME@SPLIT.",
            show_default=False,
        ),
    ],
    against: Annotated[
        list[str] | None,
        option(
            "NAME", "A dataset to compare with, NAME or NAME@SPLIT; repeat it for more. (by default hierarcaps@test)"
        ),
    ] = None,
    out: Annotated[Path | None, path_option("FILE", "Also write every leak here, as CSV.")] = None,
    free: Annotated[
        Path | None,
        path_option(
            "FILE",
            "Also write the rows of the first split (train, if there is one) that share nothing here, as CSV.",
            "--kept",
        ),
    ] = None,
    format: options.Format = "table",
    json: options.Json = None,
) -> None:
    """Find rows of your chains that share an image or a text with a test set.

    Exit code 2 when there are any, or when a test set is not there to be compared.
    """
    from hiergeo.construction.leakage import leakage, reference
    from hiergeo.datasets import chains

    check_writable(out, free, json)
    folder, rows = _compared(source)
    others = [reference(*_named(name)) for name in against or ["hierarcaps"]]
    if missing := [other for other in others if other.missing]:
        reasons = " ".join(f"{other.name} could not be compared: {other.missing}" for other in missing)
        if len(missing) == len(others):
            raise UnavailableError(f"nothing was compared. {reasons}")
        if free is not None:
            raise UnavailableError(f"{free} is not written. {reasons}")
    shared = leakage(rows, others, folder=folder)
    if out is not None:
        shared.write(out)
    if free is not None:
        split = next(iter(rows))
        left = chains.write_train(free, shared.without(rows[split], split))
        note(f"{left:,} of {shared.rows[split]:,} rows of {split} are kept, in {free}")
    counts = shared.counts
    metrics = {"/".join(key): count for key, count in counts.items()}
    keys = ("split", "against", "shared", "rows", "of")
    table = Records.of(keys, ((*key, count, shared.rows[key[0]]) for key, count in counts.items()))
    lines = [f"{name} could not be compared: {sentence}" for name, sentence in shared.unchecked.items()]
    if not counts:
        compared = ", ".join(other.name for other in others if not other.missing)
        lines.append(f"{source}: nothing is shared with {compared}")
    document = {"metrics": metrics, "unchecked": shared.unchecked}
    publish(document, json, format, table, screen=None if counts else (), lines=lines)
    if counts or missing:
        raise typer.Exit(2)


def _compared(name: str) -> tuple[Path | None, dict[str, Iterable["Chain"]]]:
    """The folder of images and the chains, by split, of a folder, a file or a dataset."""
    from hiergeo import datasets
    from hiergeo.construction.leakage import reference
    from hiergeo.datasets import chains

    if name.partition("@")[0] in datasets.DATASETS:
        data, split = _named(name)
        rows_of = reference(data, split)
        if rows_of.missing:
            raise UnavailableError(rows_of.missing)
        return rows_of.folder, {split: rows_of.rows}
    folder, rows = chains.everything(chains.located(name.removeprefix(f"{chains.NAME}:")))
    return folder, {split: list(of_split) for split, of_split in rows.items()}


def _named(name: str) -> tuple[str, str]:
    """A dataset and its split from ``NAME``, ``NAME@SPLIT`` or ``chains:ADDRESS@SPLIT``."""
    data, at, split = name.rpartition("@")
    return (data, split) if at else (name, "test")
