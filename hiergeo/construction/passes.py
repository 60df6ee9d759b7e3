"""Passes over shards: what is stored and fits is kept, everything else is made, and damage is mended on the way."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hiergeo._core.errors import InputError, UnavailableError, warn
from hiergeo._core.progress import track
from hiergeo._core.shares import Share
from hiergeo.construction.answers import Answers
from hiergeo.construction.backends import BACKENDS, Backend
from hiergeo.construction.captions import READ, Captions, Survey
from hiergeo.construction.drafts import Draft
from hiergeo.construction.judges import JUDGES
from hiergeo.construction.plan import BuildPlan
from hiergeo.construction.shards import Head, Work, hash_of
from hiergeo.construction.stages import Stage

VERSION = 1
"""Raised when a stage makes other drafts of the same input: stored shards do not fit any more."""


@final
@dataclass(frozen=True)
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
    made: int
    kept: int
    captions: int
    seconds: float


@final
class Passes:
    """The shards of a build.

    Args:
        work: where they are stored.
        source: of the captions.
        plan: settings.
        stages: after reading, in their order.
        backend: writes texts.
        answers: that it keeps by call.
        progress: whether bars are drawn.

    Attributes:
        rows: captions that were read.
        runs: what each stage did.
    """

    def __init__(
        self,
        work: Work,
        source: Captions,
        plan: BuildPlan,
        stages: Sequence[Stage],
        backend: Backend,
        answers: Answers,
        progress: bool,
    ) -> None:
        self._work, self._source, self._plan, self._stages = work, source, plan, stages
        self._backend, self._answers, self._progress = backend, answers, progress
        self._heads: dict[tuple[str, int], Head] = {}
        self._shards = self.rows = 0
        self._counts: dict[str, Counter[str]] = {}
        self._doing = ""
        self._latest: tuple[str, int, str, list[Draft]] | None = None
        self._survey = Survey("", {})

    @property
    def runs(self) -> tuple[StageRun, ...]:
        """What each stage did."""
        return tuple(
            StageRun(name, counts["made"], counts["kept"], counts["captions"], counts["nanoseconds"] / 1e9)
            for name, counts in self._counts.items()
        )

    @property
    def hash(self) -> str:
        """Hash of all drafts after the last stage."""
        last = self._stages[-1].name
        return hash_of([self._heads[last, number].hash for number in range(self._shards)])

    @property
    def usage(self) -> dict[str, float]:
        """What the backend used for all stored shards."""
        total: Counter[str] = Counter()
        for head in self._heads.values():
            total.update(head.usage)
        return {name: round(value, DECIMALS) for name, value in sorted(total.items())}

    def read(self, survey: Survey) -> None:
        """Store the captions in shards.

        Raises:
            InputError: they are not those that were surveyed.
        """
        self._survey = survey
        counts = self._counts.setdefault(READ, Counter())
        began = time.monotonic_ns()
        for number, drafts in enumerate(self._source.shards(self._plan.shard_rows, survey)):
            self._keep(number, drafts)
            self._shards, self.rows = number + 1, self.rows + len(drafts)
        counts["nanoseconds"] = time.monotonic_ns() - began
        for stage in (READ, *(each.name for each in self._stages)):
            self._work.cut(stage, self._shards)

    def run(self, share: Share) -> None:
        """Bring every shard of a share through all stages, one shard after another.

        Raises:
            UnavailableError: the backend or judge cannot be run; the shards before are stored.
        """
        numbers = share.of(self._shards)
        for done, number in enumerate(track(numbers, "building", enabled=self._progress, note=lambda: self._doing)):
            for place, stage in enumerate(self._stages):
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
            yield from self._drafts(len(self._stages) - 1, number)

    def _keep(self, number: int, drafts: Sequence[Draft]) -> None:
        """Store a shard of captions, unless it is stored."""
        counts = self._counts[READ]
        key = hash_of([VERSION, READ, [draft.as_dict() for draft in drafts]])
        head = self._stored(READ, number, key)
        counts["kept" if head else "made"] += 1
        if head is None:
            counts["captions"] += len(drafts)
            head = self._work.write(READ, number, key, drafts, {})
        self._heads[READ, number] = head

    def _need(self, place: int, number: int) -> Head:
        """The head of a shard after a stage, which is made if it is not stored or does not fit."""
        if place < 0:
            return self._heads[READ, number]
        stage = self._stages[place]
        key = self._key(place, number)
        known = self._heads.get((stage.name, number))
        if known is not None and known.key == key:
            return known
        counts = self._counts.setdefault(stage.name, Counter())
        head = self._stored(stage.name, number, key)
        counts["kept" if head else "made"] += 1
        if head is None:
            drafts = self._drafts(place - 1, number)
            began = time.monotonic_ns()
            head = self._made(stage, number, self._key(place, number), drafts)
            counts["captions"] += len(drafts)
            counts["nanoseconds"] += time.monotonic_ns() - began
        self._heads[stage.name, number] = head
        return head

    def _key(self, place: int, number: int) -> str:
        """Hash of all that the drafts of a shard after a stage depend on."""
        stage, before = self._stages[place], self._need(place - 1, number)
        return hash_of([VERSION, stage.name, before.hash, dict(stage.depends)])

    def _made(self, stage: Stage, number: int, key: str, drafts: Sequence[Draft]) -> Head:
        used = self._backend.usage()
        self._answers.begin(f"{stage.name}-{number:05d}")
        backend, judge = (spec.partition(":")[0] for spec in (self._plan.backend, self._plan.judge))
        doing = f"failed in the stage {stage.name}"
        with BACKENDS.running(backend, doing), JUDGES.running(judge, doing):
            made = stage(drafts)
        head = self._work.write(stage.name, number, key, made, _more(used, self._backend.usage()))
        self._answers.clear()
        self._latest = (stage.name, number, head.hash, made)
        return head

    def _stored(self, stage: str, number: int, key: str) -> Head | None:
        """The head of a stored shard that fits its key; a damaged one is told of."""
        head = self._work.head(stage, number)
        if head is None and self._work.place(stage, number).exists():
            warn(f"{self._work.place(stage, number)} is damaged and is made again.")
        return head if head is not None and head.key == key else None

    def _drafts(self, place: int, number: int) -> list[Draft]:
        """The drafts of a shard after a stage; one that is damaged, or not what its head said, is made again."""
        head = self._need(place, number)
        name = self._stages[place].name if place >= 0 else READ
        if self._latest is not None and self._latest[:3] == (name, number, head.hash):
            return self._latest[3]
        try:
            return self._work.read(name, number, head.hash)
        except InputError as error:
            warn(f"a shard is made again: {error}")
        self._work.remove(name, number)
        del self._heads[name, number]
        if place < 0:
            self._keep(number, self._again(number))
            if self._heads[name, number].hash != head.hash:
                raise self._source.changed()
        return self._work.read(name, number, self._need(place, number).hash)

    def _again(self, number: int) -> list[Draft]:
        """A shard of captions, read again."""
        for each, drafts in enumerate(self._source.shards(self._plan.shard_rows, self._survey)):
            if each == number:
                return drafts
        raise self._source.changed()


DECIMALS = 9
"""Of a number of the usage: what is left of sums does not depend on where a build was interrupted."""


def _more(before: Mapping[str, float], after: Mapping[str, Any]) -> dict[str, float]:
    """What was used between two looks at the usage of a backend."""
    return {name: round(value - before.get(name, 0), DECIMALS) for name, value in after.items()}
