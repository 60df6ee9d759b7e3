"""``hiergeo chains quality``: how good chains are, beside those of HierarCaps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from hiergeo._core.errors import InputError, unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, load_data, page_lines, publish, sole_writer, write_json
from hiergeo.cli._terminal import console
from hiergeo.cli.options import argument, flag, option, path_option
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from hiergeo.datasets import Hierarchy

HIERARCAPS = "hierarcaps"
"""The one reference."""

CHAINS = "chains"
"""The dataset of folders and files."""


def quality_command(
    source: Annotated[
        str,
        argument(
            "DIR|FILE|NAME", "A folder made by `hiergeo chains build`, a CSV file of chains, or the name of a dataset."
        ),
    ],
    config: Config = None,
    split: options.Split = "test",
    rows: options.Rows = None,
    judge: Annotated[str, option("SPEC", "What says what entails what: rules, transformers:PATH.")] = "rules",
    model: Annotated[
        str | None,
        option(
            "SPEC",
            "Also measure radii, angles and similarities of this model: sentence-transformers:NAME, ...",
            "--model",
            "-m",
        ),
    ] = None,
    reference: Annotated[
        str | None, option("NAME", "Also measure these chains, corrected and automatic ones: hierarcaps.")
    ] = None,
    sample: Annotated[
        int | None, option("N", "Write N random chains to --csv for a person to read, and judge nothing.", min=1)
    ] = None,
    csv: Annotated[
        Path | None,
        path_option(
            "FILE", "The file that --sample writes; without --sample, that file with its column decision filled in."
        ),
    ] = None,
    format: options.Format = "table",
    full: options.Full = False,
    json: options.Json = None,
    html: options.Page = None,
    card: Annotated[bool, flag("--card", "Also write the numbers into the card of the folder.")] = False,
    seed: options.Seed = 0,
    samples: options.Samples = 1000,
    device: options.Device = options.AUTO,
    batch_size: options.BatchSize = None,
) -> None:
    """Judge chains: entailment, contradiction, lengths, repeats, head nouns, order of radii."""
    from hiergeo.construction.appraisal import appraise, backend_of, hierarcaps_baselines, read_dropped
    from hiergeo.construction.card import split_sha256, update_card
    from hiergeo.construction.decisions import read_decisions
    from hiergeo.evaluation import Compute
    from hiergeo.report.quality import appraisal_records, appraisal_tables, write_appraisal

    check_writable(json, html)
    if reference not in (None, HIERARCAPS):
        raise unknown_name("reference", str(reference), [HIERARCAPS])
    folder = folder_of(source)
    if card and (folder is None or rows is not None):
        raise InputError("--card needs a folder made by `hiergeo chains build`, and all its rows.")
    measured = {split: split_sha256(folder, split)} if card and folder is not None else {}
    chains = load_data(dataset_of(source), split, rows)
    if sample is not None:
        _draw(chains, sample, csv, seed)
        return
    baselines = hierarcaps_baselines(chains) if reference else {}
    compute = Compute(**options.embedding(device, options.FLOAT32, batch_size))
    with sole_writer(json, html):
        appraisal = appraise(
            chains,
            baselines,
            judge=judge,
            model=model,
            drops={} if folder is None else read_dropped(folder),
            backend=None if folder is None else backend_of(folder),
            decisions=None if csv is None else read_decisions(csv, chains),
            seed=seed,
            samples=samples,
            compute=compute,
        )
        write_json(json, appraisal.to_json())
        if html is not None:
            write_appraisal(appraisal, html)
        if card and folder is not None:
            update_card(folder, quality={split: appraisal.quality.for_card()}, measured=measured)
        publish(
            appraisal.to_json(),
            None,
            format,
            appraisal_records(appraisal),
            appraisal.omissions,
            first=(f"{appraisal.headline}.", *appraisal.cautions),
            screen=appraisal_tables(appraisal, full=full),
            lines=page_lines(html),
        )


def _draw(chains: "Hierarchy", count: int, path: Path | None, seed: int) -> None:
    """Write a sample and say what to do with it."""
    from hiergeo.construction.decisions import ACCEPT, DECISION, REJECT, write_sample

    if path is None:
        raise InputError("--sample needs the file to write: --csv FILE.")
    written = write_sample(path, chains, count, seed)
    console().print(
        f"{written:,} of {len(chains.rows):,} chains in {path.absolute()}: write {ACCEPT} or {REJECT} into the column "
        f"{DECISION}, then give the same command without --sample.",
        soft_wrap=True,
    )


def dataset_of(source: str) -> str:
    """The name of the dataset that a source stands for: its own, or that of the chains in a folder or a file."""
    from hiergeo.construction.build_plan import FILE
    from hiergeo.datasets import DATASETS

    named = source.partition(":")[0] in DATASETS and not (path_of(source) / FILE).is_file()
    return source if named else f"{CHAINS}:{source}"


def folder_of(source: str) -> Path | None:
    """The folder of a source, if it is one."""
    kind, _, address = dataset_of(source).partition(":")
    folder = path_of(address) if kind == CHAINS and address else None
    return folder if folder is not None and folder.is_dir() else None
