"""Shards of captions brought through all stages: what is stored and fits is kept, everything else is made."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.jobs import Share
from hiergeo._core.progress import track
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Sha256
from hiergeo._core.storage.files import retire
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import BACKENDS, Backend
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.captions import Captions, CaptionSurvey
from hiergeo.construction.drafts import Draft
from hiergeo.construction.judges import JUDGES
from hiergeo.construction.stages import Stage

VERSION = 2
"""Raised when a stage makes other drafts of the same input: stored shards do not fit any more."""

DECIMALS = 9
"""Of a number of the usage: what is left of sums does not depend on where a build was interrupted."""


FOLDER = "work"
"""The folder of the work in that of a build."""


@dataclass(frozen=True)
class StoredShard:
    """A shard after a stage, with a hash of all that it depends on, and what the backend used for it so far."""

    __pydantic_config__ = STRICT

    key: Sha256
    usage: Mapping[str, int | float]
    drafts: list[Draft]


@final
class Work:
    """Stored shards, in the folder of a build."""

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER

    def path(self, stage: str, number: int) -> Path:
        """The file of a shard."""
        return self.folder / stage / f"{number:05d}.json"

    def read(self, stage: str, number: int) -> StoredShard:
        """A stored shard; raises InputError if it is damaged or missing."""
        return documents.read(self.path(stage, number), StoredShard, hashed=True)

    def write(
        self, stage: str, number: int, key: str, drafts: Sequence[Draft], usage: Mapping[str, float]
    ) -> StoredShard:
        """Store a shard, durably and at once; raises UnavailableError if it cannot be written."""
        shard = StoredShard(key, dict(usage), list(drafts))
        documents.write(self.path(stage, number), asdict(shard), indent=None)
        return shard

    def cut(self, stage: str, shards: int) -> None:
        """Remove what an earlier input left behind the last shard of a stage."""
        for path in sorted((self.folder / stage).glob("[0-9]*.json")):
            if path.stem.isdigit() and int(path.stem) >= shards:
                retire(path)


def hash_of(values: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@final
@dataclass
class StageRun:
    """What a stage did in one run: shards that were made or kept, captions of the made ones, and seconds."""

    name: str
    made: int = 0
    kept: int = 0
    captions: int = 0
    seconds: float = 0.0


@final
@dataclass
class Passes:
    """The shards of a build, where they are stored; `runs` says what each stage did."""

    work: Work
    source: Captions
    survey: CaptionSurvey
    plan: BuildPlan
    stages: Sequence[Stage]
    backend: Backend
    answers: AnswerStore
    progress: bool
    runs: dict[str, StageRun] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)
    _used: Counter[str] = field(default_factory=Counter)
    _doing: str = ""

    @property
    def usage(self) -> dict[str, float]:
        """What the backend used for the shards, in this run and before."""
        return {name: round(value, DECIMALS) for name, value in sorted(self._used.items())}

    def run(self, share: Share) -> None:
        """Bring every shard of a share through all stages, one shard after another.

        Raises InputError for captions that changed, UnavailableError if backend or judge cannot be run; what is done is
        stored.
        """
        self.runs = {stage.name: StageRun(stage.name) for stage in self.stages}
        numbers = share.of(-(-self.survey.rows // self.plan.shard_rows))
        shards = enumerate(self.source.shards(self.plan.shard_rows, self.survey))
        mine = (each for each in shards if each[0] in numbers)
        shown = track(mine, "building", enabled=self.progress, note=lambda: self._doing, total=len(numbers))
        for done, (number, drafts) in enumerate(shown):
            try:
                last = self._through(number, drafts)
            except UnavailableError as error:
                state = f"{done} of {len(numbers)} shards are done, and the next is at the stage {self._doing}"
                raise UnavailableError(
                    f"{str(error).rstrip('.')}; {state}: give the same command again to go on."
                ) from error
            self._keys.append(last.key)
            self._used.update(last.usage)
        for stage in self.stages:
            self.work.cut(stage.name, -(-self.survey.rows // self.plan.shard_rows))

    def drafts(self) -> Iterator[Draft]:
        """Every draft after the last stage, a shard at a time; raises InputError if another process replaced one."""
        for number, key in enumerate(self._keys):
            shard = self.work.read(self.stages[-1].name, number)
            if shard.key != key:
                raise InputError(f"{self.work.folder} was changed by another process: give the same command again.")
            yield from shard.drafts

    def _through(self, number: int, drafts: Sequence[Draft]) -> StoredShard:
        """A shard after the last stage: what is stored of the latest stage that fits, and the stages behind it."""
        key, keys = hash_of([VERSION, [asdict(draft) for draft in drafts]]), []
        for stage in self.stages:
            key = hash_of([key, stage.name, dict(stage.depends)])
            keys.append(key)
        shard, begin = StoredShard("", {}, list(drafts)), 0
        for place in reversed(range(len(self.stages))):
            if (stored := self._stored(self.stages[place].name, number, keys[place])) is not None:
                shard, begin = stored, place + 1
                break
        for stage in self.stages[:begin]:
            self.runs[stage.name].kept += 1
        for stage, key in zip(self.stages[begin:], keys[begin:], strict=True):
            shard = self._made(stage, number, key, shard)
        return shard

    def _made(self, stage: Stage, number: int, key: str, before: StoredShard) -> StoredShard:
        self._doing, began, used = stage.name, time.monotonic(), Counter(self.backend.usage())
        self.answers.begin(f"{stage.name}-{number:05d}")
        backend, judge = self.plan.backend.partition(":")[0], (self.plan.judge or "").partition(":")[0]
        doing = f"failed in the stage {stage.name}"
        with BACKENDS.running(backend, doing), JUDGES.running(judge, doing) if judge else nullcontext():
            made = stage(before.drafts)
        usage = {
            name: round(before.usage.get(name, 0) + value - used[name], DECIMALS)
            for name, value in self.backend.usage().items()
        }
        shard = self.work.write(stage.name, number, key, made, usage)
        self.answers.clear()
        run = self.runs[stage.name]
        run.made, run.captions = run.made + 1, run.captions + len(made)
        run.seconds += time.monotonic() - began
        return shard

    def _stored(self, stage: str, number: int, key: str) -> StoredShard | None:
        """A stored shard that fits its key; a damaged one is told of."""
        path = self.work.path(stage, number)
        if not path.exists():
            return None
        try:
            shard = self.work.read(stage, number)
        except InputError:
            warn(f"{path} is damaged and is made again.")
            return None
        return shard if shard.key == key else None
