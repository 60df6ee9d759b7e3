"""Commands that are killed before any one of their file operations, or at any moment, and run again."""

import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from hiergeo._core.errors import InputError
from hiergeo.training import processes
from tests.attack.trial import Attack, Family, Hung, Silent
from tests.attack.verbs import VERBS, Verb, cleared, listing, prepare, run
from tests.search.serving.port_common import reserved_port

WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
"""Audited events that change a file system; `open` is one where it opens for writing."""

ENDS = 120.0
"""Seconds in which the other processes of a group have to end once one is dead."""


@dataclass(frozen=True)
class End:
    """How a process ended: its exit code, negative for a signal, and what it said on standard error."""

    code: int
    said: str


def launched(deed: Callable[[], int]) -> tuple[int, Path]:
    """A fork of this process that does something and exits with its code; its number, and where its words go."""
    words = Path(tempfile.mkstemp(prefix="said")[1])
    child = os.fork()
    if child:
        return child, words
    code = 70
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.chdir(tempfile.gettempdir())
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(words, os.O_WRONLY), 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        code = deed()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, words: Path, within: float | None = None) -> End | None:
    """How a process ended; one that does not within some seconds is killed, which gives None."""
    until = None if within is None else time.monotonic() + within
    while True:
        found, status = os.waitpid(child, os.WNOHANG if until else 0)
        if found:
            break
        if until and time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            words.unlink()
            return None
        time.sleep(0.01)
    said = words.read_text(errors="replace")
    words.unlink()
    return End(os.waitstatus_to_exitcode(status), said)


def undisturbed(deed: Callable[[], int]) -> End:
    """How a fork of this process ends that nobody kills."""
    end = ended(*launched(deed))
    assert end is not None
    return end


def before_operation(number: int, what: Callable[[], object], deed: Callable[[], int]) -> Callable[[], int]:
    """The deed, with something done before its file operation of that number."""

    def watched() -> int:
        done = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal done
            if event in WRITES or (event == "open" and _writes(arguments)):
                done += 1
                if done == number:
                    what()

        sys.addaudithook(watch)
        return deed()

    return watched


def counted(deed: Callable[[], int], count: Path) -> Callable[[], int]:
    """The deed, whose number of file operations goes to a file."""

    def watched() -> int:
        done = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal done
            done += event in WRITES or (event == "open" and _writes(arguments))

        sys.addaudithook(watch)
        code = deed()
        count.write_text(str(done))
        return code

    return watched


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def timed(deed: Callable[[], int], seconds: float) -> Callable[[], int]:
    """The deed, killed after some time."""

    def alarmed() -> int:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return deed()

    return alarmed


def _writes(arguments: tuple[object, ...]) -> bool:
    path, mode, flags = arguments
    if isinstance(path, int) or str(path).startswith(("/dev", "/proc")):
        return False
    return any(letter in str(mode or "") for letter in "wxa+") or bool(
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )


class Stage:
    """A verb, the folders that it works in, and what an undisturbed run of it gives.

    Args:
        verb: the verb.
        folder: for everything.
    """

    def __init__(self, verb: Verb, folder: Path) -> None:
        self.verb, self.out, self.inputs = verb, folder / "out", folder / "inputs"
        self.inputs.mkdir(exist_ok=True)
        prepare(self.inputs)
        self.begun: Path | None = None
        cleared(self.out)
        if verb.earlier:
            self._do(earlier=True)
            self.begun = folder / "begun"
            shutil.copytree(self.out, self.begun)
        self.old = verb.result(self.out)
        count, start = folder / "count", time.monotonic()
        self._must(undisturbed(counted(partial(run, self.words(), self.out), count)))
        self.seconds, self.operations = time.monotonic() - start, int(count.read_text())
        self.first = verb.result(self.out)
        if verb.instead:
            cleared(self.out)
            self._do(again=True)
        self.new, self.files = verb.result(self.out), listing(self.out)
        assert None not in (self.first, self.new)

    def words(self, *, again: bool = False) -> list[str]:
        return self.verb.words(self.out, self.inputs, again=again)

    def begin(self) -> None:
        """The folder as it is before the verb is run."""
        cleared(self.out)
        if self.begun is not None:
            shutil.copytree(self.begun, self.out, dirs_exist_ok=True)

    def look(self) -> str | None:
        """What is there after a death: nothing, the old result or the new one; anything else is silent damage."""
        try:
            found = self.verb.result(self.out)
        except InputError as error:
            raise Silent(f"what is there is broken: {error}") from error
        if found not in (None, self.old, self.first, self.new):
            raise Silent("what is there is neither the old result nor the new one")
        if found is None and self.old is not None:
            raise Silent("the old result is lost, and there is no new one")
        return found

    def finish(self) -> None:
        """Run the verb again: it gives what an undisturbed run gives, and leaves nothing else behind."""
        self._do(again=True)
        self.whole()

    def whole(self) -> None:
        """Raise `Silent` unless everything is as an undisturbed run leaves it."""
        if self.verb.result(self.out) != self.new:
            raise Silent("another result than that of an undisturbed run")
        strange = sorted(set(listing(self.out)) ^ set(self.files))
        if strange:
            raise Silent(f"other files than those of an undisturbed run: {strange[:5]}")

    def _do(self, *, again: bool = False, earlier: bool = False) -> None:
        words = self.verb.words(self.out, self.inputs, again=again, earlier=earlier)
        self._must(undisturbed(partial(run, words, self.out)))

    def _must(self, end: End) -> None:
        if end.code:
            raise RuntimeError(f"{self.verb.name} ends with {end.code}: {end.said[-800:]}")


def deaths(verb: Verb) -> Callable[[Path], Attack]:
    """A verb that is killed once or twice, and then run again in peace."""

    def stage(folder: Path) -> Attack:
        scene = Stage(verb, folder)

        def attack(random: Random) -> None:
            scene.begin()
            for death in range(random.choice((1, 1, 1, 2))):
                words = scene.words(again=death > 0)
                if random.random() < 0.7:
                    deed = before_operation(random.randint(1, scene.operations), die, partial(run, words, scene.out))
                else:
                    deed = timed(partial(run, words, scene.out), random.uniform(0.001, scene.seconds))
                end = undisturbed(deed)
                if end.code > 0 and not (death and end.code == 2):
                    raise RuntimeError(f"ends with {end.code}: {end.said[-800:]}")
                scene.look()
            scene.finish()

        return attack

    return stage


def ranked(verb: Verb) -> Callable[[Path], Attack]:
    """Two processes that train together, of which one is killed: the other ends in time, and both can go on."""

    def stage(folder: Path) -> Attack:
        inputs, out = folder / "inputs", folder / "out"
        inputs.mkdir()
        prepare(inputs)

        def group(words: list[str], port: int) -> list[tuple[int, Path]]:
            return [launched(partial(run, _member(rank, verb.ranks, port, words), out)) for rank in range(verb.ranks)]

        def peaceful(words: list[str]) -> float:
            start = time.monotonic()
            with reserved_port() as port:
                ends = [ended(*member, within=120) for member in group(words, port)]
            if any(end is None or end.code for end in ends):
                raise RuntimeError(f"in peace, ends {ends}")
            return time.monotonic() - start

        cleared(out)
        seconds = peaceful(verb.words(out, inputs))
        wanted, files = verb.result(out), listing(out)

        def attack(random: Random) -> None:
            cleared(out)
            with reserved_port() as port:
                members = group(verb.words(out, inputs), port)
                time.sleep(random.uniform(0, seconds))
                victim = random.randrange(len(members))
                os.kill(members[victim][0], signal.SIGKILL)
                ended(*members.pop(victim))
                ends = [ended(*survivor, within=ENDS) for survivor in members]
            for end in ends:
                if end is None:
                    raise Hung(f"rank {1 - victim} lives on {ENDS:g} s after the other is dead")
                errors = [line for line in end.said.splitlines() if line.startswith("Error: ")]
                if end.code and len(errors) != 1:
                    raise RuntimeError(f"the survivor ends with {end.code}: {end.said[-800:]}")
            peaceful(verb.words(out, inputs, again=True))
            if verb.result(out) != wanted:
                raise Silent("another result than that of an undisturbed run")
            if strange := sorted(set(listing(out)) ^ set(files)):
                raise Silent(f"other files than those of an undisturbed run: {strange[:5]}")

        return attack

    return stage


def _member(rank: int, ranks: int, port: int, words: list[str]) -> list[str]:
    """The words, in a process that is one of several."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes.MEETING = 20.0
    return words


FAMILIES = tuple(
    Family(f"killed: {verb.name}", (deaths if verb.ranks == 1 else ranked)(verb), patience=400.0, room=None)
    for verb in VERBS
)
