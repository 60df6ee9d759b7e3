"""Passes over shards: what is stored and fits is kept, everything else is made, and damage is mended on the way."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import final

from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.progress import track
from hiergeo._core.shares import Share
from hiergeo._core.storage.files import retire
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import BACKENDS, Backend
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.captions import READ, Captions, CaptionSurvey
from hiergeo.construction.drafts import Draft
from hiergeo.construction.judges import JUDGES
from hiergeo.construction.shards import ShardHead, Work, hash_of
from hiergeo.construction.stages import Stage

VERSION = 1
"""Raised when a stage makes other drafts of the same input: stored shards do not fit any more."""

DECIMALS = 9
"""Of a number of the usage: what is left of sums does not depend on where a build was interrupted."""


@final
@dataclass
class StageRun:
    """What a stage did in one run.

    Attributes:
        name: of the stage.
        made: shards that were made.
        kept: shards that were there already.
        captions: of the shards that were made.
        seconds: that making them took.
    """

    name: str
    made: int = 0
    kept: int = 0
    captions: int = 0
    seconds: float = 0.0


@final
@dataclass
class Passes:
    """The shards of a build.

    Attributes:
        work: where they are stored.
        source: of the captions.
        plan: settings.
        stages: after reading, in their order.
        backend: writes texts.
        answers: that it keeps by call.
        progress: whether bars are drawn.
        rows: captions that were read.
    """

    work: Work
    source: Captions
    plan: BuildPlan
    stages: Sequence[Stage]
    backend: Backend
    answers: AnswerStore
    progress: bool
    rows: int = 0
    _shards: int = 0
    _heads: dict[tuple[str, int], ShardHead] = field(default_factory=dict)
    _runs: dict[str, StageRun] = field(default_factory=dict)
    _doing: str = ""
    _latest: tuple[str, int, str, list[Draft]] | None = None
    _survey: CaptionSurvey = field(default_factory=lambda: CaptionSurvey("", {}))

    @property
    def runs(self) -> tuple[StageRun, ...]:
        """What each stage did."""
        return tuple(self._runs.values())

    @property
    def hash(self) -> str:
        """Hash of all drafts after the last stage."""
        last = self.stages[-1].name
        return hash_of([self._heads[last, number].hash for number in range(self._shards)])

    @property
    def usage(self) -> dict[str, float]:
        """What the backend used for all stored shards."""
        total: Counter[str] = Counter()
        for head in self._heads.values():
            total.update(head.usage)
        return {name: round(value, DECIMALS) for name, value in sorted(total.items())}

    def read(self, survey: CaptionSurvey) -> None:
        """Store the captions in shards.

        Raises:
            InputError: they are not those that were surveyed.
        """
        self._survey = survey
        run = self._runs.setdefault(READ, StageRun(READ))
        began = time.monotonic()
        for number, drafts in enumerate(self.source.shards(self.plan.shard_rows, survey)):
            self._keep(number, drafts)
            self._shards, self.rows = number + 1, self.rows + len(drafts)
        run.seconds = time.monotonic() - began
        for stage in (READ, *(each.name for each in self.stages)):
            self.work.cut(stage, self._shards)

    def run(self, share: Share) -> None:
        """Bring every shard of a share through all stages, one shard after another.

        Raises:
            UnavailableError: the backend or judge cannot be run; the shards before are stored.
        """
        numbers = share.of(self._shards)
        for done, number in enumerate(track(numbers, "building", enabled=self.progress, note=lambda: self._doing)):
            for place, stage in enumerate(self.stages):
                self._doing = f"({stage.name})"
                try:
                    self._need(place, number)
                except UnavailableError as error:
                    state = f"{done} of {len(numbers)} shards are done, and the next is at the stage {stage.name}"
                    raise UnavailableError(
                        f"{str(error).rstrip('.')}; {state}: give the same command again to go on."
                    ) from error

    def drafts(self) -> Iterator[Draft]:
        """Every draft after the last stage, a shard at a time."""
        for number in range(self._shards):
            yield from self._drafts(len(self.stages) - 1, number)

    def _keep(self, number: int, drafts: Sequence[Draft]) -> None:
        """Store a shard of captions, unless it is stored."""
        key = hash_of([VERSION, READ, [draft.as_dict() for draft in drafts]])
        head = self._stored(READ, number, key)
        if head is None:
            head = self.work.write(READ, number, key, drafts, {})
            self._runs[READ].made += 1
            self._runs[READ].captions += len(drafts)
        else:
            self._runs[READ].kept += 1
        self._heads[READ, number] = head

    def _need(self, place: int, number: int) -> ShardHead:
        """The head of a shard after a stage, which is made if it is not stored or does not fit."""
        if place < 0:
            return self._heads[READ, number]
        stage = self.stages[place]
        key = self._key(place, number)
        known = self._heads.get((stage.name, number))
        if known is not None and known.key == key:
            return known
        run = self._runs.setdefault(stage.name, StageRun(stage.name))
        head = self._stored(stage.name, number, key)
        if head is None:
            drafts = self._drafts(place - 1, number)
            began = time.monotonic()
            head = self._made(stage, number, self._key(place, number), drafts)
            run.made, run.captions = run.made + 1, run.captions + len(drafts)
            run.seconds += time.monotonic() - began
        else:
            run.kept += 1
        self._heads[stage.name, number] = head
        return head

    def _key(self, place: int, number: int) -> str:
        """Hash of all that the drafts of a shard after a stage depend on."""
        stage, before = self.stages[place], self._need(place - 1, number)
        return hash_of([VERSION, stage.name, before.hash, dict(stage.depends)])

    def _made(self, stage: Stage, number: int, key: str, drafts: Sequence[Draft]) -> ShardHead:
        used = self.backend.usage()
        self.answers.begin(f"{stage.name}-{number:05d}")
        backend, judge = (spec.partition(":")[0] for spec in (self.plan.backend, self.plan.judge))
        doing = f"failed in the stage {stage.name}"
        with BACKENDS.running(backend, doing), JUDGES.running(judge, doing):
            made = stage(drafts)
        more = {name: round(value - used.get(name, 0), DECIMALS) for name, value in self.backend.usage().items()}
        head = self.work.write(stage.name, number, key, made, more)
        self.answers.clear()
        self._latest = (stage.name, number, head.hash, made)
        return head

    def _stored(self, stage: str, number: int, key: str) -> ShardHead | None:
        """The head of a stored shard that fits its key; a damaged one is told of."""
        head, path = self.work.head(stage, number), self.work.path(stage, number)
        if head is None and path.exists():
            warn(f"{path} is damaged and is made again.")
        return head if head is not None and head.key == key else None

    def _drafts(self, place: int, number: int) -> list[Draft]:
        """The drafts of a shard after a stage; one that is damaged, or not what its head said, is made again."""
        head = self._need(place, number)
        name = self.stages[place].name if place >= 0 else READ
        if self._latest is not None and self._latest[:3] == (name, number, head.hash):
            return self._latest[3]
        try:
            return self.work.read(name, number, head.hash)
        except InputError as error:
            warn(f"a shard is made again: {error}")
        retire(self.work.path(name, number))
        del self._heads[name, number]
        if place < 0:
            self._keep(number, self._again(number))
            if self._heads[name, number].hash != head.hash:
                raise self.source.changed()
        return self.work.read(name, number, self._need(place, number).hash)

    def _again(self, number: int) -> list[Draft]:
        """A shard of captions, read again."""
        shard = next(islice(self.source.shards(self.plan.shard_rows, self._survey), number, None), None)
        if shard is None:
            raise self.source.changed()
        return shard
