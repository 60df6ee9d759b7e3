"""What befalls commands that write: full disks, read-only ones, lost folders, second writers, clocks set back."""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from tests.attack.kills import End, Stage, before_operation, die, ended, launched, undisturbed
from tests.attack.trial import Attack, Family, Hung, Silent, fault_of
from tests.attack.verbs import VERBS, cleared, run

STEPS = 60
"""Sizes of a disk that a command is tried on, about."""

YEARS = 10 * 365 * 86400.0
"""Seconds by which the clock is set back."""

Mishap = Callable[[Stage, Random], None]


def full_disk(stage: Stage, random: Random) -> None:
    """The disk is full after some kilobytes; with room again the command goes on."""
    _filled(stage, random.choice((4, 8, 16, 64, 128, 256, 1024, 4096)), goes_on=True)


def every_page(stage: Stage, random: Random) -> None:
    """The disk is full after every number of pages up to all that the command needs, or `STEPS` of them."""
    stage.begin()
    undisturbed(partial(run, stage.words(), stage.out))
    pages = 2 + sum(1 + path.stat().st_size // 4096 for path in stage.out.rglob("*") if path.is_file())
    for number in sorted({*range(1, min(pages, STEPS // 2)), *range(1, pages, max(1, 2 * pages // STEPS))}):
        _filled(stage, 4 * number, goes_on=False)


def _filled(stage: Stage, size: int, *, goes_on: bool) -> None:
    with disk(stage.out, f"size={size}k"):
        try:
            stage.begin()
        except OSError:  # no room even for what is there before
            return
        sentence(undisturbed(partial(run, stage.words(), stage.out)))
        stage.look()
        if left := [path.name for path in stage.out.rglob("*") if path.suffix in (".part", ".lock")]:
            raise Silent(f"a disk of {size} KiB is left with {left[:3]}")
        if goes_on:
            mount("-o", "remount,size=200m", str(stage.out))
            stage.finish()


def read_only(stage: Stage, random: Random) -> None:
    """The disk cannot be written: one sentence, and nothing is changed."""
    with disk(stage.out, "size=200m"):
        stage.begin()
        before = stage.look()
        mount("-o", "remount,ro", str(stage.out))
        end = undisturbed(partial(run, stage.words(), stage.out))
        if end.code != 2:
            raise RuntimeError(f"ends with {end.code} on a disk that is read-only: {end.said[-800:]}")
        sentence(end)
        if stage.look() != before:
            raise Silent("something changed on a disk that is read-only")
        mount("-o", "remount,rw", str(stage.out))
        stage.finish()


def folder_deleted(stage: Stage, random: Random) -> None:
    """The folder goes away in the middle: one sentence, or all is there; then the command is run again.

    It may refuse to go on with what is left, in one sentence too.
    """
    stage.begin()
    lose = partial(shutil.rmtree, stage.out, ignore_errors=True)
    number = random.randint(1, stage.operations)
    sentence(undisturbed(before_operation(number, lose, partial(run, stage.words(), stage.out))))
    stage.out.mkdir(exist_ok=True)
    found = stage.verb.result(stage.out)
    if found not in (None, stage.first):
        raise Silent("what is there after the folder was lost is not the result")
    end = undisturbed(partial(run, stage.words(again=True), stage.out))
    sentence(end)
    if end.code == 0:
        stage.whole()


def two_writers(stage: Stage, random: Random) -> None:
    """Two processes write the same at once: one of them does, and the other does too or says why not."""
    stage.begin()
    first = launched(partial(run, stage.words(), stage.out))
    time.sleep(random.uniform(0, stage.seconds))
    second = launched(partial(run, stage.words(again=True), stage.out))
    ends = [end for end in (ended(*child, within=120) for child in (first, second)) if end is not None]
    if len(ends) < 2:
        raise Hung("one of two writers does not end")
    for end in ends:
        sentence(end)
    if all(end.code for end in ends):
        raise RuntimeError(f"neither of two writers did it: {ends}")
    stage.whole()


def clock_back(stage: Stage, random: Random) -> None:
    """A process dies, the clock is set back by years, and the command is run again."""
    stage.begin()
    number = random.randint(1, stage.operations)
    undisturbed(before_operation(number, die, partial(run, stage.words(), stage.out)))
    end = undisturbed(partial(_years_ago, stage.words(again=True), stage.out))
    if end.code:
        raise RuntimeError(f"ends with {end.code} after the clock was set back: {end.said[-800:]}")
    stage.whole()


def _years_ago(words: list[str], out: Path) -> int:
    now = time.time
    time.time = lambda: now() - YEARS
    return run(words, out)


def sentence(end: End) -> None:
    """Raise RuntimeError unless a process is done, or refused in one sentence."""
    errors = [line for line in end.said.splitlines() if line.startswith("Error: ")]
    if end.code == 0 and not errors:
        return
    if end.code != 2 or len(errors) != 1 or fault_of(errors[0]):
        raise RuntimeError(f"ends with {end.code}: {end.said[-800:]}")


def may_mount() -> bool:
    """Whether this process may mount file systems, which full disks and read-only ones are made of."""
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def disk(place: Path, options: str):
    """A disk of its own at a folder."""
    cleared(place)
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def attacks(mishap: Mishap) -> Callable[[Path], Attack]:
    """A mishap that befalls the verbs; a study, which takes long, writes as a comparison does."""

    def prepare(folder: Path) -> Attack:
        stages: dict[str, Stage] = {}
        verbs = [verb for verb in VERBS if verb.ranks == 1 and not verb.instead and verb.name != "study"]

        def attack(random: Random) -> None:
            verb = random.choice(verbs)
            if verb.name not in stages:
                place = folder / f"{len(stages)}"
                place.mkdir()
                stages[verb.name] = Stage(verb, place)
            try:
                mishap(stages[verb.name], random)
            except (Silent, RuntimeError) as error:
                raise type(error)(f"{verb.name}: {error}") from error

        return attack

    return prepare


MISHAPS = {
    **({"full disk": full_disk, "every page": every_page, "read-only disk": read_only} if may_mount() else {}),
    "folder deleted": folder_deleted,
    "two writers": two_writers,
    "clock set back": clock_back,
}

FAMILIES = tuple(Family(name, attacks(mishap), patience=400.0, room=None) for name, mishap in MISHAPS.items())
