"""A build, from captions to the files of a benchmark: a job a shard, which goes on where it stopped."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import final

from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.jobs import Jobs, Share, patiently
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Count, Sha256
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
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import BACKENDS, Backend
from hiergeo.construction.build_plan import FILE, BuildPlan, made, read_plan
from hiergeo.construction.captions import Captions, CaptionSurvey
from hiergeo.construction.card import Built
from hiergeo.construction.drafts import Draft
from hiergeo.construction.judges import JUDGES, Judge
from hiergeo.construction.leakage import leakage, reference
from hiergeo.construction.stages import THRESHOLDS, Writer
from hiergeo.datasets import Hierarchy, chains

WORK, INPUT = "work", "input.json"  # the folder of the work in that of a build, and the file in it that names the input
VERSION = 3  # raised when other chains are made of the same captions: stored shards do not fit any more

SPLITS = (splitting.TRAIN, splitting.TEST, splitting.EXPANDED)

RESULTS = (*SPLITS, card.README, "card.json", "leakage.csv")  # files of a result; version 0.2 wrote the last two

ADVICE = "choose another folder, or go on in this one (--overwrite): answers that fit are used."


class NothingLeftError(InputError):
    """Error raised for a build all of whose captions were dropped; why is in its table of dropped rows."""


@dataclass(frozen=True)
class Shard:
    """The record of a shard: a hash of all that its chains depend on, what the backend used for it, and the drafts."""

    __pydantic_config__ = STRICT

    number: Count
    key: Sha256
    usage: Mapping[str, int | float]
    drafts: list[Draft]
    finished: bool = True


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
        overwrite: go on in a folder that was begun with another plan or other captions; stored answers of language
            models are used where they fit.
        worker: ``I/N`` does only every N-th shard, for many processes or machines on one folder; a last run without it
            writes the files.
        progress: draw bars on standard error.

    Raises:
        InputError: no captions, columns, settings or options of that name, or a folder of another plan.
        NothingLeftError: every caption was dropped.
        UnavailableError: the backend or judge cannot be run, or the folder not be written; what is done is stored.
    """
    plan = plan or BuildPlan()
    share, folder = Share.parse(worker), path_of(out)
    answers = AnswerStore(folder / WORK / "answers")
    if isinstance(captions, Hierarchy):
        source = captions_.of_hierarchy(captions)
    else:
        source = captions_.of_file(captions, plan, folder)
    with (
        closing(
            made(BACKENDS, Backend, plan.backend, plan.backend_options, seed=plan.seed, answers=answers)
        ) as backend,
        closing(made(JUDGES, Judge, plan.judge, plan.judge_options)) if plan.judge else nullcontext() as judge,
    ):
        survey = source.survey()
        check_folder(folder, "the build")
        patiently(partial(claim, folder, plan, source.name, survey.sha256, share, overwrite))
        jobs = Jobs(folder / WORK / "shards", Shard)
        shards = Shards(jobs, source, survey, plan, Writer(plan, backend, judge), answers)
        shards.run(share, progress)
        if share.total > 1:
            return Built(folder, survey.rows, made=shards.made, usage=shards.usage, finished=False)
        return patiently(partial(_finish, folder, plan, shards, source.name))


@final
@dataclass
class Shards:
    """The shards of a build as jobs; `keys` are those of the shards of a run, and `made` counts the new ones."""

    jobs: Jobs[Shard]
    source: Captions
    survey: CaptionSurvey
    plan: BuildPlan
    writer: Writer
    answers: AnswerStore
    keys: list[str] = field(default_factory=list)
    made: int = 0
    _used: Counter[str] = field(default_factory=Counter)

    @property
    def usage(self) -> dict[str, float]:
        """What the backend used for the shards, in this run and before."""
        return {name: round(value, 9) for name, value in sorted(self._used.items())}

    def run(self, share: Share, progress: bool) -> None:
        """Make the shards of a share that are not there.

        Raises InputError for captions that changed, UnavailableError if backend or judge cannot be run.
        """
        numbers = share.of(-(-self.survey.rows // self.plan.shard_rows))
        shards = enumerate(self.source.shards(self.plan.shard_rows, self.survey))
        mine = (shard for shard in shards if shard[0] in numbers)
        shown = track(mine, "building shards", enabled=progress, total=len(numbers))
        for done, (number, drafts) in enumerate(shown):
            try:
                shard = self._shard(number, drafts)
            except UnavailableError as error:
                state = f"{done} of {len(numbers)} shards are done, and the next is at the stage {self.writer.stage}"
                sentence = f"{str(error).rstrip('.')}; {state}: give the same command again to go on."
                raise UnavailableError(sentence) from error
            self.keys.append(shard.key)
            self._used.update(shard.usage)

    def drafts(self) -> Iterator[Draft]:
        """Every draft, a shard at a time; raises InputError if another process replaced one."""
        for number, key in enumerate(self.keys):
            shard = self.jobs.read(number)
            if shard is None or shard.key != key:
                raise InputError(f"{self.jobs.folder} was changed by another process: give the same command again.")
            yield from shard.drafts

    def _shard(self, number: int, drafts: Sequence[Draft]) -> Shard:
        """The shard that is stored, or made of drafts where that is of others or damaged."""
        plan, backend, judge = self.plan, self.writer.backend, self.writer.judge
        facts = {"version": VERSION, "backend": backend.identity, "tiers": plan.tiers}
        facts |= {"judge": judge and [judge.identity, plan.entailment, plan.contradiction]}
        key = documents.content_sha256(facts | {"drafts": [asdict(draft) for draft in drafts]})
        with locked(self.jobs.path(number), FOREVER):
            try:
                stored = self.jobs.read(number)
            except InputError:
                warn(f"{self.jobs.path(number)} is damaged and is made again.")
                stored = None
            if stored is not None and stored.key == key:
                return stored
            self.answers.begin(number)
            before = backend.usage()
            written = self.writer.write(drafts)
            usage = {name: round(value - before.get(name, 0), 9) for name, value in backend.usage().items()}
            shard = Shard(number, key, usage, written)
            self.jobs.write(shard)
        self.made += 1
        return shard


def claim(folder: Path, plan: BuildPlan, source: str, content: str, share: Share, overwrite: bool) -> None:
    """Write a plan, and the name and hash of its input, into a folder; a result of others goes first.

    Raises InputError where the folder holds another plan or input, or other files, unless these may be replaced.
    """
    path, now = folder / WORK / INPUT, {"name": source, "sha256": content}
    with locked(folder / WORK):
        try:
            before = read_plan(folder / FILE) if (folder / FILE).exists() else None
            given = documents.read(path, dict[str, str]) if path.exists() else {}
        except InputError as error:
            if not overwrite:
                raise InputError(f"{str(error).rstrip('.')}; {ADVICE}") from error
            before, given = None, {}
        differences = [] if before is None else before.difference(plan)
        if given and given["name"] != source:
            differences.insert(0, f"the input was '{given['name']}', now '{source}'")
        if share.total > 1 and given.get("sha256", content) != content:
            differences.append(f"'{source}' holds other captions here")
        is_former = (folder / WORK / "generalise").is_dir()
        if is_former:
            differences.append("its work is of version 0.2 and begins again")
        if not overwrite and before is None and (results := [name for name in RESULTS if (folder / name).exists()]):
            raise InputError(f"{folder / results[0]} was not made by a build: choose another folder (or --overwrite).")
        if not overwrite and differences:
            raise InputError(f"{folder} was begun with another plan: {'; '.join(differences)}; {ADVICE}")
        if before is None or differences or given != now:
            _retire_result(folder)
        if is_former:
            retire(folder / WORK)
        atomic_write_text(folder / FILE, plan.as_toml())
        documents.write(path, now)


def _retire_result(folder: Path) -> None:
    """Remove the splits, and the card durably before all else: a folder that has it is whole."""
    retire(folder / card.README)
    sync_folder(folder)
    for name in RESULTS:
        retire(folder / name)


def _finish(folder: Path, plan: BuildPlan, shards: Shards, source: str) -> Built:
    """Write the files of the result beside those of an earlier one, and put them in their place.

    The card goes first and comes last. Other splits go before the first new one comes.
    """
    drops: Counter[tuple[str, str]] = Counter()
    rows = shards.survey.rows
    with locked(folder / WORK), together(folder, *SPLITS, splitting.DROPPED, card.README) as scratch:
        with csv_rows(scratch / splitting.DROPPED, splitting.REASONS) as line:
            whole = splitting.without_dropped(shards.drafts(), line, drops)
            sides = splitting.split(whole, plan.seed, plan.test_fraction)
        train, test, dropped = rows - drops.total() - len(sides.test), len(sides.test), dict(sorted(drops.items()))
        built = Built(folder, rows, train, test, sides.images, dropped, shards.made, shards.usage)
        if train + test:
            splitting.write_splits(shards.drafts(), sides, scratch)
            leaks = leakage(chains.everything(scratch)[1], [reference("hierarcaps")], folder=folder)
            backend, judge = shards.writer.backend, shards.writer.judge
            identities = {"backend": backend.identity, "judge": judge and judge.identity}
            prompts = backend.instructions(plan.tiers)
            atomic_write_text(
                scratch / card.README, card.readme(scratch, plan, source, built, leaks, identities, prompts)
            )
        _retire_result(folder)
    if not train + test:
        ((stage, reason), most), *_ = drops.most_common(1)
        setting = THRESHOLDS.get(reason)
        hint = f"; {setting} is {getattr(plan, setting)} in the plan" if setting else ""
        raise NothingLeftError(
            f"nothing is left (captions: {rows:,}): the stage {stage} dropped {most:,} of them as '{reason}'{hint}; "
            f"{folder / splitting.DROPPED} says why of each."
        )
    return built
