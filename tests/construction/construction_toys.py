"""A backend and a judge of a few lines whose answers can be told by hand, also for processes of their own."""

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from hiergeo._core.errors import UnavailableError
from hiergeo.construction import BuildPlan
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import Backend, Proposal
from hiergeo.construction.judges import Judge


class ToyBackend(Backend):
    """More general texts are the first words of a caption; negatives begin with "no".

    Args:
        rest: of the spec; ``down`` is a backend that cannot be reached.
        pause: seconds for each item.
        log: a file that gets a line for each item that is asked for.
        seed: told in the identity.
        answers: of the build; what is kept there is not asked for again.
    """

    name = "toy"

    def __init__(
        self, rest: str = "", *, pause: float = 0.0, log: str = "", seed: int = 0, answers: AnswerStore | None = None
    ) -> None:
        self.rest, self.pause, self.log, self.seed, self.answers = rest, pause, log, seed, answers
        self.calls = 0

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "rest": self.rest, "seed": self.seed}

    def _work(self, items: Sequence[Any]) -> None:
        if self.rest == "down":
            raise UnavailableError("the endpoint http://127.0.0.1:9 does not answer.")
        self.calls += len(items)
        for item in items:
            key = sha256(repr(item).encode()).hexdigest()
            if self.answers is None or self.answers.get(key) is None:
                self._ask(key)

    def _ask(self, key: str) -> None:
        if self.log:
            with open(self.log, "a") as handle:
                handle.write(f"{key}\n")
        if self.pause:
            time.sleep(self.pause)
        if self.answers is not None:
            self.answers.put(key, True)

    def generalise(self, captions: Sequence[str], tiers: int) -> list[Proposal]:
        self._work(captions)
        return [_heads(caption, tiers) for caption in captions]

    def contradict(self, chains: Sequence[tuple[str, ...]]) -> list[Proposal]:
        self._work(chains)
        return [_denied(chain) for chain in chains]

    def usage(self) -> dict[str, float]:
        return {"requests": self.calls}


def _denied(chain: Sequence[str]) -> Proposal:
    if not all(map(str.strip, chain)):
        return Proposal(reason="empty")
    return Proposal((tuple(f"no {text.strip()}" for text in chain),))


def _heads(caption: str, tiers: int) -> Proposal:
    words = caption.split()
    if len(words) < tiers:
        return Proposal(reason="too few words", detail=f"{len(words)} words")
    return Proposal((tuple(" ".join(words[: tier + 1]) for tier in range(tiers - 1)),))


class ToyJudge(Judge):
    """A text entails its own beginnings, and contradicts what says "no" before it."""

    name = "toy"

    def __init__(self, rest: str = "", *, sure: float = 0.9) -> None:
        self.sure = float(sure)

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "sure": self.sure}

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        found = np.full((len(pairs), 3), (1 - self.sure) / 2)
        for row, (premise, hypothesis) in zip(found, pairs, strict=True):
            opposed = hypothesis == f"no {premise}"
            row[2 if opposed else 0 if premise.startswith(hypothesis) else 1] = self.sure
        return found


def toy_plan(**settings: Any) -> BuildPlan:
    """A plan of both in small shards."""
    return BuildPlan(**{"backend": "toy", "judge": "toy", "shard_rows": 3, "test_fraction": 0.5, **settings})
