"""The queue in front of the engine: what shares a sweep, what is refused, and what a failure does to others."""

import asyncio
import dataclasses
import threading
from collections.abc import Callable

import pytest

pytest.importorskip("prometheus_client")

from hiergeo.search.requests import Request
from hiergeo.search.serving.batching import Batcher
from hiergeo.search.serving.limits import Limits, Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from tests.search.serving.serving_common import PATIENCE


class Recorder:
    """An engine that notes its batches; each question's answer is the length of its texts."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, questions):
        self.begun.set()
        assert self.gate.wait(PATIENCE)
        self.batches.append([request.query for question in questions for request in question])
        return [[len(request.query) for request in question] for question in questions]


def count(*texts: str) -> list[Request]:
    return [Request("count", text) for text in texts]


async def sweeping(engine: Recorder) -> None:
    """Wait until the engine has begun a sweep."""
    assert await asyncio.to_thread(engine.begun.wait, PATIENCE)


def with_batcher(answer: Callable, settings: Settings, scenario: Callable) -> None:
    async def main() -> None:
        batcher = Batcher(answer, settings, Metrics())
        queue = asyncio.create_task(batcher.run())
        try:
            await scenario(batcher)
        finally:
            queue.cancel()
            await asyncio.gather(queue, return_exceptions=True)
            batcher.close()

    asyncio.run(main())


@pytest.mark.parametrize(("batch", "sweeps"), [(1, 6), (4, 2), (64, 1)])
def test_a_sweep_has_at_most_the_queries_of_a_batch(batch, sweeps) -> None:
    engine = Recorder()

    async def scenario(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.ask(count(str(n))) for n in range(6)))

    with_batcher(engine, Settings(batch=batch), scenario)
    assert [len(each) for each in engine.batches] == [min(batch, 6 - start) for start in range(0, 6, batch)]
    assert [text for each in engine.batches for text in each] == list("012345")
    assert len(engine.batches) == sweeps


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    engine = Recorder()
    settings = Settings(limits=dataclasses.replace(Limits(), waiting=2))

    async def scenario(batcher: Batcher) -> None:
        engine.gate.clear()
        first = asyncio.create_task(batcher.ask(count("a")))
        await sweeping(engine)
        queued = asyncio.create_task(batcher.ask(count("b", "c")))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refusal:
            await batcher.ask(count("d"))
        assert (refusal.value.status, refusal.value.retry_after) == (503, 1)
        engine.gate.set()
        assert list(await asyncio.gather(first, queued)) == [[1], [1, 1]]

    with_batcher(engine, settings, scenario)
    assert engine.batches == [["a"], ["b", "c"]]


def test_a_late_answer_is_504_while_the_sweep_goes_on_and_nobody_is_searched_for_twice(monkeypatch) -> None:
    """The clock of the event loop stands still until the test moves it."""
    engine = Recorder()
    settings = Settings()

    async def scenario(batcher: Batcher) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)
        engine.gate.clear()
        first = asyncio.create_task(batcher.ask(count("a")))
        await sweeping(engine)
        second = asyncio.create_task(batcher.ask(count("b")))
        await asyncio.sleep(0)
        now += settings.limits.answer_seconds - 0.1
        for _ in range(10):  # what is due runs, and so does what that sets off
            await asyncio.sleep(0)
        assert not first.done()
        assert not second.done()
        now += 0.2
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert [getattr(outcome, "status", outcome) for outcome in outcomes] == [504, 504]
        engine.gate.set()
        assert await batcher.ask(count("ccc")) == [3]

    with_batcher(engine, settings, scenario)
    assert engine.batches == [["a"], ["ccc"]]


def test_a_sweep_that_crashes_is_500_and_the_next_one_runs() -> None:
    calls = []

    def answer(questions):
        calls.append(len(questions))
        if len(calls) == 1:
            raise RuntimeError("a secret")
        return [[7] for _ in questions]

    async def scenario(batcher: Batcher) -> None:
        with pytest.raises(Refused) as refusal:
            await batcher.ask(count("a"))
        assert refusal.value.status == 500
        assert "secret" not in str(refusal.value)
        assert await batcher.ask(count("a")) == [7]

    with_batcher(answer, Settings(), scenario)
