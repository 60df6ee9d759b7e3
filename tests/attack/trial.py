"""One attack, and the verdict on how it ended."""

import signal
import traceback
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError

VERDICTS = ("accepted", "refused", "crashed", "hung", "silent")
BAD = VERDICTS[2:]


class Silent(AssertionError):
    """Something wrong went through, and nobody said so."""


class Hung(BaseException):
    """An attack did not end; no handler of the code under attack may swallow this."""


Attack = Callable[[Random], object]
"""Makes one mutant from a source of randomness and uses it; raises `Silent` where what came of it is wrong."""


@dataclass(frozen=True)
class Family:
    """A kind of thing under attack.

    Attributes:
        name: as the table has it.
        prepare: makes what is to be damaged in a folder, and returns the attack on it.
        patience: seconds after which an attack counts as hung.
        room: bytes of address space that attacks may take beyond what the program has before them; None for any.
    """

    name: str
    prepare: Callable[[Path], Attack]
    patience: float = 30.0
    room: int | None = 1 << 30


@dataclass
class Tally:
    """How attacks of one kind ended, with a description of those that ended badly."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, verdict: str, story: str) -> None:
        self.counts[verdict] += 1
        if verdict in BAD:
            self.bad.append(f"{verdict}: {story}")


def judge(attack: Attack, seed: str, patience: float = 30.0) -> tuple[str, str]:
    """The verdict on one attack, and the sentence or the traceback that it ended with."""
    try:
        with _patience(patience), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attack(Random(seed))
    except Hung as error:
        return "hung", f"{seed}: {error}"
    except Silent as error:
        return "silent", f"{seed}: {error}"
    except HiergeoError as error:
        fault = fault_of(str(error))
        return ("crashed", f"{seed}: {fault}: {error!r}") if fault else ("refused", str(error))
    except BaseException as error:
        return "crashed", f"{seed}: {''.join(traceback.format_exception(error)[-3:])}"
    return "accepted", ""


def fault_of(sentence: str) -> str | None:
    """What is wrong with the form of an error: it has to be one printable line that ends, and not a page long."""
    if len(sentence) > limits.MESSAGE_CHARACTERS + 200:
        return f"{len(sentence)} characters"
    strange = [letter for letter in sentence if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    if strange:
        return f"holds {strange[0]!r}"
    if not sentence.strip() or "Traceback" in sentence:
        return "no sentence"
    return None


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    def ring(_: int, __: FrameType | None) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
