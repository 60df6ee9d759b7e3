"""A build, from captions to the files of a benchmark: every stage a pass over shards that goes on where it stopped."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hiergeo._core.errors import InputError
from hiergeo._core.jobs import Share
from hiergeo._core.storage import documents
from hiergeo._core.storage.files import (
    atomic_write_text,
    check_folder,
    csv_rows,
    path_of,
    retire,
    sync_folder,
    together,
)
from hiergeo._core.storage.locks import FOREVER, locked
from hiergeo.construction import captions as captions_
from hiergeo.construction import card, splitting
from hiergeo.construction.answer_store import FOLDER as ANSWERS
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import Backend
from hiergeo.construction.build_plan import FILE, BuildPlan, read_plan
from hiergeo.construction.judges import Judge
from hiergeo.construction.leakage import leakage, reference
from hiergeo.construction.making import make_backend, make_judge
from hiergeo.construction.passes import FOLDER, Passes, StageRun, Work
from hiergeo.construction.stages import THRESHOLDS, stages
from hiergeo.datasets import Hierarchy, chains

INPUT = "input.json"
"""The file in the folder of the work that names the input."""

SPLITS = (splitting.TRAIN, splitting.TEST, splitting.EXPANDED)

FORMER = ("card.json", "leakage.csv")
"""Files of a result of version 0.2, which would tell of splits that are gone."""


class NothingLeftError(InputError):
    """Error raised for a build all of whose captions were dropped; why is in its table of dropped rows."""


@final
@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        folder: of its files.
        rows: captions that were read, unreadable rows among them.
        train: rows of the train split.
        test: rows of the test split.
        images: distinct images of the train and of the test split.
        dropped: (stage, reason) -> rows that were dropped there for it.
        stages: what each stage did in this run.
        usage: what the backend used for the stored texts, in this run and before: ``prompt_tokens``, ...
        finished: False after a part of the shards, which leaves the files of the splits to the last run.
    """

    folder: Path
    rows: int
    train: int = 0
    test: int = 0
    images: tuple[int, int] = (0, 0)
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stages: tuple[StageRun, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    finished: bool = True

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the result by name: rows, kept, train, test, images, dropped and usage."""
        kept = self.train + self.test
        numbers: dict[str, float] = {
            "rows": self.rows,
            "kept": kept,
            "dropped": sum(self.dropped.values()),
            "train": self.train,
            "test": self.test,
            "train_images": self.images[0],
            "test_images": self.images[1],
            "test_fraction": self.test / kept if kept else 0.0,
        }
        drops = {f"dropped/{stage}/{reason}": float(count) for (stage, reason), count in self.dropped.items()}
        return numbers | drops | {f"usage/{name}": value for name, value in self.usage.items()}


def build(
    captions: Path | str | Hierarchy,
    out: Path | str,
    plan: BuildPlan | None = None,
    *,
    overwrite: bool = False,
    worker: str | None = None,
    progress: bool = False,
) -> Built:
    """Make chains out of captions, from general to specific and with contradicting negatives, as a benchmark.

    A build that was interrupted goes on where it stopped: give the same arguments again. Its files are the same, byte
    for byte, whenever the same plan runs on the same captions with a backend that always gives the same answers.

    Args:
        captions: a file, a folder or a pattern of CSV, TSV, JSON Lines, Parquet, text and what else
            `hiergeo.datasets.reading` reads; or a dataset, whose most specific captions are taken.
        out: folder of the result.
        plan: settings; by default those of `BuildPlan`.
        overwrite: go on in a folder that was begun with another plan or other captions; stages that do not depend on
            what changed are kept.
        worker: ``I/N`` does only every N-th shard, for many processes or machines on one folder; a last run without it
            writes the files.
        progress: draw bars on standard error.

    Raises:
        InputError: no captions, columns, settings or options of that name, or a folder of another plan.
        NothingLeftError: every caption was dropped.
        UnavailableError: the backend or judge cannot be run, or the folder not be written; what is done is kept.
        HeldError: another build is running in the folder.
    """
    plan = plan or BuildPlan()
    share, folder = Share.parse(worker), path_of(out)
    answers = AnswerStore(Work(folder).folder / ANSWERS)
    source = (
        captions_.of_hierarchy(captions, plan)
        if isinstance(captions, Hierarchy)
        else captions_.of_file(captions, plan, folder)
    )
    with ExitStack() as stack:
        backend, judge = make_backend(plan, answers), make_judge(plan)
        stack.callback(backend.close)
        if judge is not None:
            stack.callback(judge.close)
        with sole_builder(folder, share):
            survey = source.survey()
            passes = Passes(
                Work(folder), source, survey, plan, stages(plan, backend, judge), backend, answers, progress
            )
            with locked(folder / FOLDER, FOREVER) if share.total > 1 else nullcontext():
                claim(folder, plan, source.name, survey.sha256, share, overwrite)
            passes.run(share)
            if share.total > 1:
                runs = tuple(passes.runs.values())
                return Built(folder, survey.rows, stages=runs, usage=passes.usage, finished=False)
            answers.clear_all()
            return _written(folder, plan, passes, backend, judge, source.name)


def _written(
    folder: Path, plan: BuildPlan, passes: Passes, backend: Backend, judge: Judge | None, source: str
) -> Built:
    """Write the files of the result beside those of an earlier one, and put them in their place.

    The card goes first and comes last: a folder that has one is whole. Other splits go before the first new one comes.
    """
    drops: Counter[tuple[str, str]] = Counter()
    rows = passes.survey.rows
    with together(folder, *SPLITS, splitting.DROPPED, card.README) as scratch:
        with csv_rows(scratch / splitting.DROPPED, splitting.REASONS) as line:
            sides = splitting.split(
                splitting.without_dropped(passes.drafts(), line, drops), plan.seed, plan.test_fraction
            )
        kept, test = rows - drops.total(), len(sides.test)
        built = Built(
            folder,
            rows,
            kept - test,
            test,
            sides.images,
            dict(sorted(drops.items())),
            tuple(passes.runs.values()),
            passes.usage,
        )
        if kept:
            splitting.write_splits(passes.drafts(), sides, scratch)
            made = {"backend": backend.identity, "judge": judge and judge.identity, "usage": passes.usage}
            text = _card(scratch, built, plan, source, made, backend.instructions(plan.tiers))
            atomic_write_text(scratch / card.README, text)
        _retire_result(folder)
    if not kept:
        raise NothingLeftError(_nothing_left(folder, plan, drops))
    return built


def _card(
    scratch: Path, built: Built, plan: BuildPlan, source: str, made: Mapping[str, Any], prompts: Mapping[str, str]
) -> str:
    """The text of the card of new splits; they are compared with HierarCaps' test split where that is at hand."""
    leaks = leakage(chains.everything(scratch)[1], [reference("hierarcaps")], folder=built.folder)
    files = {"train": splitting.TRAIN, "test": splitting.EXPANDED}
    counts = zip(files.items(), (built.train, built.test), built.images, strict=True)
    splits = {name: (file, rows, images) for (name, file), rows, images in counts if rows}
    return card.readme(scratch, plan, source, built.rows, splits, built.dropped, leaks, made, prompts)


def _nothing_left(folder: Path, plan: BuildPlan, drops: Counter[tuple[str, str]]) -> str:
    ((stage, reason), most), *_ = drops.most_common(1)
    setting = THRESHOLDS.get(reason)
    hint = f"; {setting} is {getattr(plan, setting)} in the plan" if setting else ""
    return (
        f"nothing is left (captions: {drops.total():,}): the stage {stage} dropped {most:,} of them as '{reason}'"
        f"{hint}; {folder / splitting.DROPPED} says why of each."
    )


@contextmanager
def sole_builder(folder: Path, share: Share) -> Iterator[None]:
    """Hold the folder, or one share of its shards, while it is worked on; raises HiergeoError where others hold it."""
    check_folder(folder, "the build")
    work = folder / FOLDER
    if share.total > 1:
        with locked(work / f"share-{share}"):
            yield
        return
    with locked(work):
        for lock in sorted(work.glob(".share-*.lock")):
            with locked(work / lock.name.removeprefix(".").removesuffix(".lock")):
                pass
        yield


def claim(folder: Path, plan: BuildPlan, source: str, content: str, share: Share, overwrite: bool) -> None:
    """Write a plan, and the name and hash of its input, into a folder that is held.

    A former result goes first. Raises InputError where it holds another plan or input (what differs is named), or files
    of something else, unless these may be replaced: `overwrite`.
    """
    path, now = folder / FOLDER / INPUT, {"name": source, "sha256": content}
    try:
        before = read_plan(folder / FILE) if (folder / FILE).exists() else None
        given = documents.read(path, dict[str, str]) if path.exists() else {}
    except InputError as error:
        if not overwrite:
            advice = "choose another folder, or go on in this one (--overwrite): what still fits is kept."
            raise InputError(f"{str(error).rstrip('.')}; {advice}") from error
        before, given = None, {}
    differences = [] if before is None else before.difference(plan)
    if before is not None and given and given["name"] != source:
        differences.insert(0, f"the input was '{given['name']}', now '{source}'")
    results = [name for name in (*SPLITS, card.README) if (folder / name).exists()]
    if not overwrite:
        if before is None and results:
            raise InputError(f"{folder / results[0]} was not made by a build: choose another folder (or --overwrite).")
        if differences:
            raise InputError(
                f"{folder} was begun with another plan: {'; '.join(differences)}. Choose another folder, or go on "
                "in this one with the new plan (--overwrite): what does not depend on the changes is kept."
            )
        if before is not None and share.total > 1 and given.get("sha256", content) != content:
            raise InputError(
                f"{folder} was begun with other captions than those that '{source}' holds here: give all shares the "
                "same file, or go on with this one (--overwrite)."
            )
    if before is None or differences or given != now:
        _retire_result(folder)
    atomic_write_text(folder / FILE, plan.as_toml())
    documents.write(path, now)


def _retire_result(folder: Path) -> None:
    """Remove the splits, and the card durably before all else: a folder that has it is whole."""
    retire(folder / card.README)
    sync_folder(folder)
    for name in (*SPLITS, *FORMER):
        retire(folder / name)
