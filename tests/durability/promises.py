"""What a user is promised of a crash, checked at every state that one may leave."""

import os
import shutil
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import pytest

from hiergeo._core.errors import HiergeoError
from tests.durability.recording import Recorder, Recording
from tests.durability.replay import Crash, crashes, rebuild

REFUSED = "refused in a sentence"
"""What is seen of a folder that does not open, and says so."""


@final
@dataclass(frozen=True)
class Subject:
    """Something that hiergeo writes.

    Attributes:
        steps: commands on a folder, each of which is acknowledged at its end.
        expected: what has to be seen at the beginning and after each step.
        see: what a user sees of a folder; raises a `HiergeoError` where it does not open, which is seen as `REFUSED`.
        prepare: puts what is there beforehand into the folder.
        between: what may be seen while a step is at work, besides what was before and what will be.
    """

    steps: Sequence[Callable[[Path], object]]
    expected: Sequence[Hashable]
    see: Callable[[Path], Hashable]
    prepare: Callable[[Path], object] = field(default=lambda folder: None)
    between: Sequence[Hashable] = ()


@final
class Trial:
    """A subject that was recorded once, and the states that a crash of it may leave.

    Args:
        subject: what is tried.
        place: an empty folder.
    """

    def __init__(self, subject: Subject, place: Path) -> None:
        self.subject, self._place = subject, place
        self._rebuilds = 0
        self._states: dict[tuple[tuple[str, Any], ...], list[Crash]] = {}
        self._seen: dict[int, Hashable] = {}
        self._resumed: dict[tuple[int, int], str | None] = {}
        self.recording = self._recorded(place / "run")

    def states(self, without: str | None = None, **options: Any) -> list[Crash]:
        """The states that a crash may leave; those that it may leave only `without` the synchronisations of a site.

        Options are those of `crashes`.
        """
        key = tuple(sorted(options.items()))
        if key not in self._states:
            self._states[key] = list(crashes(self.recording, **options))
        if without is None:
            return self._states[key]
        known = {each.key for each in self._states[key]}
        return [each for each in crashes(self.recording, without, **options) if each.key not in known]

    def broken(self, states: Iterable[Crash], *, resume: bool) -> Iterator[str]:
        """How a promise is broken at some of the states, for each where one is.

        Args:
            states: of the folder.
            resume: whether the step that was interrupted is taken again, besides looking.
        """
        for crash in states:
            what = self._fault(crash, resume)
            if what is not None:
                at = f"after operation {crash.after}, {crash.acknowledged} steps acknowledged ({crash.how})"
                yield f"{at}: {what}; the folder holds {sorted(crash.tree)}"

    def _recorded(self, folder: Path) -> Recording:
        folder.mkdir(parents=True)
        self.subject.prepare(folder)
        recorder = Recorder(folder)
        with recorder.recording_calls(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in self.subject.steps:
                recorder.begin()
                step(folder)
                recorder.acknowledge()
        return recorder.recording

    def _fault(self, crash: Crash, resume: bool) -> str | None:
        digest = crash.digest
        if digest not in self._seen:
            with self._rebuilt(crash) as folder:
                self._seen[digest] = self._look(folder)
        seen, allowed = self._seen[digest], self.subject.expected[crash.acknowledged : crash.begun + 1]
        if seen in allowed:
            done = crash.acknowledged + list(allowed).index(seen)
        elif seen in self.subject.between and crash.begun > crash.acknowledged:
            done = crash.acknowledged
        else:
            return f"what is seen is {seen}, not one of {allowed}"
        return self._gone_on(crash, done) if resume and done < len(self.subject.steps) else None

    def _gone_on(self, crash: Crash, done: int) -> str | None:
        """What is wrong where the next step is taken after a crash."""
        key = (crash.digest, done)
        if key not in self._resumed:
            with self._rebuilt(crash) as folder:
                try:
                    with quick():
                        self.subject.steps[done](folder)
                    seen = self._look(folder)
                except Exception as error:  # anything is a fault, and is what is seen
                    seen = f"{type(error).__name__}: {error}"
            wanted = self.subject.expected[done + 1]
            self._resumed[key] = None if seen == wanted else f"gone on with, what is seen is {seen}, not {wanted}"
        return self._resumed[key]

    @contextmanager
    def _rebuilt(self, crash: Crash) -> Iterator[Path]:
        self._rebuilds += 1
        folder = rebuild(crash.tree, self._place / f"state-{self._rebuilds:05d}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _look(self, folder: Path) -> Hashable:
        try:
            with quick():
                return self.subject.see(folder)
        except HiergeoError:
            return REFUSED
        except Exception as error:  # anything else is a fault of hiergeo's
            return f"{type(error).__name__}: {error}"


@contextmanager
def quick() -> Iterator[None]:
    """Synchronise nothing, and pass over warnings of what is mended."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(os, "fsync", lambda _: None)
        yield
