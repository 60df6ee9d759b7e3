"""``hiergeo chains leaks``: what chains share with test sets."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiergeo._core.errors import UnavailableError
from hiergeo._core.records import Records
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, publish
from hiergeo.cli._terminal import note
from hiergeo.cli.options import argument, option, path_option

if TYPE_CHECKING:
    from hiergeo.datasets.chains import Chain


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
            "NAME", "A dataset to compare with, NAME or NAME@SPLIT; give it once for each. (by default hierarcaps@test)"
        ),
    ] = None,
    out: Annotated[Path | None, path_option("FILE", "Also write every leak here, as CSV.")] = None,
    kept: Annotated[
        Path | None,
        path_option(
            "FILE", "Also write the rows of the first split (train, if there is one) that share nothing here, as CSV."
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

    check_writable(out, kept, json)
    folder, rows = _compared(source)
    others = [reference(*_named(name)) for name in against or ["hierarcaps"]]
    if missing := [other for other in others if other.missing]:
        reasons = " ".join(f"{other.name} could not be compared: {other.missing}" for other in missing)
        if len(missing) == len(others):
            raise UnavailableError(f"nothing was compared. {reasons}")
        if kept is not None:
            raise UnavailableError(f"{kept} is not written. {reasons}")
    shared = leakage(rows, others, folder=folder)
    if out is not None:
        shared.write(out)
    if kept is not None:
        split = next(iter(rows))
        left = chains.write_train(kept, shared.without(rows[split], split))
        note(f"{left:,} of {shared.rows[split]:,} rows of {split} are kept, in {kept}")
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
    return folder, dict(rows)


def _named(name: str) -> tuple[str, str]:
    """A dataset and its split from ``NAME``, ``NAME@SPLIT`` or ``chains:ADDRESS@SPLIT``."""
    data, at, split = name.rpartition("@")
    return (data, split) if at else (name, "test")
