"""Questions that arrive together are answered in one sweep, on one thread, in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar, final

from hiergeo._core.errors import HiergeoError
from hiergeo.search.serving.limits import Refused, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics

Outcome = list[Any] | HiergeoError
"""What becomes of a question: an answer to each of its requests, or the error of all."""

Question = Sequence[Any]
"""Requests that arrived together: of an index or of a classifier."""

Done = TypeVar("Done")


def outcomes_of(
    together: Callable[[Sequence[Question]], list[Outcome]], questions: Sequence[Question]
) -> list[Outcome]:
    """An outcome for each question, answered together; one that fails does not keep the others from their answers."""
    try:
        return together(questions)
    except Exception as error:  # whatever a question dies of, the others are asked without it
        if len(questions) == 1:
            return [error if isinstance(error, HiergeoError) else refusal_of(error)]
    half = len(questions) // 2
    return [*outcomes_of(together, questions[:half]), *outcomes_of(together, questions[half:])]


@final
class Batcher:
    """A queue of questions in front of an engine, which answers on one thread those that came during its last sweep."""

    def __init__(
        self, answer: Callable[[Sequence[Question]], list[Outcome]], settings: Settings, metrics: Metrics
    ) -> None:
        self._answer, self._settings, self._metrics = answer, settings, metrics
        self._queue: deque[tuple[Question, asyncio.Future[Outcome]]] = deque()
        self._arrived = asyncio.Event()
        self._engine = ThreadPoolExecutor(1, "hiergeo-engine")

    async def ask(self, question: Question) -> list[Any]:
        """The answers to a question; raises HiergeoError, Refused for a full queue (503) and a late answer (504)."""
        limits = self._settings.limits
        if self._count() + len(question) > limits.waiting:
            raise Refused(503, "the server is busy and its queue is full: try again.", retry_after=1)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((question, future))
        self._count()
        self._arrived.set()
        try:
            outcome = await asyncio.wait_for(future, limits.answer_seconds)
        except asyncio.TimeoutError:
            raise Refused(504, f"there is no answer after {limits.answer_seconds:g} seconds: ask for less.") from None
        if isinstance(outcome, HiergeoError):
            raise outcome
        return outcome

    async def work(self, task: Callable[[], Done]) -> Done:
        """Run something else on the thread of the engine, between two sweeps."""
        return await asyncio.get_running_loop().run_in_executor(self._engine, task)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer questions in the block; at its end those in flight are finished, and others refused."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.close()

    async def run(self) -> None:
        """Answer questions until the task is cancelled."""
        while True:
            await self._arrived.wait()
            batch = self._next()
            if not batch:
                self._arrived.clear()
                continue
            try:
                outcomes = await self.work(partial(self._answer, [question for question, _ in batch]))
            except Exception as error:  # the queue goes on, whatever a sweep dies of
                outcomes = [refusal_of(error)] * len(batch)
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    def close(self) -> None:
        """Wait for the sweep in progress and refuse what is still queued."""
        for _, future in self._queue:
            if not future.done():
                future.set_result(Refused(503, "the server is being stopped.", retry_after=5))
        self._engine.shutdown(wait=True)

    def _next(self) -> list[tuple[Question, "asyncio.Future[Outcome]"]]:
        """The first questions of the queue for one sweep, without those that nobody waits for."""
        batch, size = list[tuple[Question, "asyncio.Future[Outcome]"]](), 0
        while self._queue and size < self._settings.batch:
            question, future = self._queue.popleft()
            if not future.done():
                batch.append((question, future))
                size += len(question)
        self._count()
        return batch

    def _count(self) -> int:
        """How many queries wait, which the metrics tell."""
        count = sum(len(question) for question, future in self._queue if not future.done())
        self._metrics.waiting.set(count)
        return count
