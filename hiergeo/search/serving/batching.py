"""Questions that arrive together are answered in one sweep, on one thread, in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, final

from hiergeo._core.errors import HiergeoError
from hiergeo.search.groups import Result
from hiergeo.search.requests import Request
from hiergeo.search.serving.limits import Refused, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics

Outcome = list[Result] | HiergeoError
"""What becomes of a question: an answer to each of its requests, or the error of all."""

Question = Sequence[Request]
"""Requests that arrived together."""

Done = TypeVar("Done")


@dataclass(eq=False)
class _Waiting:
    question: Question
    outcome: "asyncio.Future[Outcome]"


@final
class Batcher:
    """A queue of questions in front of an engine that answers many at a time.

    While a sweep runs questions collect, and the next one answers them together. Everything that touches the index runs
    on one thread.
    """

    def __init__(
        self, answer: Callable[[Sequence[Question]], list[Outcome]], settings: Settings, metrics: Metrics
    ) -> None:
        self._answer, self._settings, self._metrics = answer, settings, metrics
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._engine = ThreadPoolExecutor(1, "hiergeo-engine")

    async def ask(self, question: Question) -> list[Result]:
        """The answers to a question.

        Raises:
            Refused: 503 where the queue is full, 504 where the answer takes too long; the sweep goes on for others.
            HiergeoError: the question cannot be answered.
        """
        limits = self._settings.limits
        if self._note_queue() + len(question) > limits.waiting:
            raise Refused(503, "the server is busy and its queue is full: try again.", retry_after=1)
        waiting = _Waiting(question, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._note_queue()
        self._arrived.set()
        try:
            outcome = await asyncio.wait_for(waiting.outcome, limits.answer_seconds)
        except asyncio.TimeoutError:
            raise Refused(504, f"there is no answer after {limits.answer_seconds:g} seconds: ask for less.") from None
        if isinstance(outcome, HiergeoError):
            raise outcome
        return outcome

    async def work(self, task: Callable[[], Done]) -> Done:
        """Run something else on the thread of the engine, between two sweeps."""
        return await asyncio.get_running_loop().run_in_executor(self._engine, task)

    async def run(self) -> None:
        """Answer questions until the task is cancelled."""
        while True:
            await self._arrived.wait()
            batch = self._next()
            if not batch:
                self._arrived.clear()
                continue
            try:
                outcomes = await self.work(partial(self._answer, [waiting.question for waiting in batch]))
            except Exception as error:  # the queue goes on, whatever a sweep dies of
                outcomes = [refusal_of(error)] * len(batch)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if not waiting.outcome.done():
                    waiting.outcome.set_result(outcome)

    def close(self) -> None:
        """Wait for the sweep in progress and refuse what is still queued."""
        for waiting in self._queue:
            if not waiting.outcome.done():
                waiting.outcome.set_result(Refused(503, "the server is being stopped.", retry_after=5))
        self._engine.shutdown(wait=True)

    def _next(self) -> list[_Waiting]:
        """The first questions of the queue that fit into one sweep, without those that nobody waits for."""
        batch: list[_Waiting] = []
        size = 0
        while self._queue:
            waiting = self._queue[0]
            if not waiting.outcome.done():
                size += len(waiting.question)
                if batch and size > self._settings.batch:
                    break
                batch.append(waiting)
            self._queue.popleft()
        self._note_queue()
        return batch

    def _note_queue(self) -> int:
        """How many queries wait."""
        count = sum(len(waiting.question) for waiting in self._queue if not waiting.outcome.done())
        self._metrics.waiting.set(count)
        return count
