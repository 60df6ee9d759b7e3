"""What takes long is made once, when it is first asked for, on one thread beside everything else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from hiergeo.search.serving.limits import Refused

KEPT = 24
"""Things that are kept; that which was asked for least recently goes first."""

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""

QUEUED = 8
"""Things that wait to be made, at most, beside urgent ones."""


@dataclass(eq=False)
class _Queued:
    make: Callable[[], Any]
    made: "asyncio.Future[Any]"
    urgent: bool
    waiting: int = 0


@final
class Prepared:
    """Maps, audits and comparisons by what they depend on. Those who ask for the same thing wait for one of it.

    What all who waited for have left is not begun; what is begun is finished and kept.

    Args:
        patience: seconds that a request waits.
        kept: things that are kept.
    """

    def __init__(self, patience: float, kept: int = KEPT) -> None:
        self._patience, self._kept = patience, kept
        self._held: OrderedDict[Hashable, _Queued] = OrderedDict()
        self._queue: list[_Queued] = []
        self._making = False
        self._worker = ThreadPoolExecutor(1, "hiergeo-explorer")

    async def get(self, key: Hashable, make: Callable[[], Any], *, urgent: bool = False) -> Any:
        """The thing of a key, which is made if it is not there.

        Args:
            key: says all that the thing depends on.
            make: makes it; an error is that of all who wait, and the next one who asks tries again.
            urgent: make it before everything that is not; there must be few such things.

        Raises:
            Refused: 503, it takes longer than a request waits, or too many other things wait to be made.
        """
        held = self._held.get(key)
        if held is None or (held.made.done() and (held.made.cancelled() or held.made.exception() is not None)):
            if not urgent and sum(not each.urgent for each in self._queue) >= QUEUED:
                raise Refused(503, "too much is waiting to be made: ask again.", retry_after=AGAIN)
            held = _Queued(make, asyncio.get_running_loop().create_future(), urgent)
            self._queue.append(held)
            self._held[key] = held
            self._next()
        self._held.move_to_end(key)
        self._drop()
        held.waiting += 1
        try:
            return await asyncio.wait_for(asyncio.shield(held.made), self._patience)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None
        except asyncio.CancelledError:
            if held.waiting == 1 and held in self._queue:
                self._queue.remove(held)
                held.made.cancel()
            raise
        finally:
            held.waiting -= 1

    def _next(self) -> None:
        """Begin what is urgent, otherwise what has waited longest, unless something is being made."""
        if self._making or not self._queue:
            return
        held = next((each for each in self._queue if each.urgent), self._queue[0])
        self._queue.remove(held)
        self._making = True
        task = asyncio.get_running_loop().run_in_executor(self._worker, held.make)
        task.add_done_callback(partial(self._done, held))

    def _done(self, held: _Queued, task: "asyncio.Future[Any]") -> None:
        """Tell those who wait what has become of a thing, and begin the next one."""
        self._making = False
        if task.cancelled():
            held.made.cancel()
        elif (error := task.exception()) is not None:
            held.made.set_exception(error)
            held.made.exception()
        else:
            held.made.set_result(task.result())
        self._next()

    def _drop(self) -> None:
        """Forget what was asked for least recently, but nothing that is being made."""
        done = [key for key, held in self._held.items() if held.made.done()]
        for key in done[: max(0, len(self._held) - self._kept)]:
            del self._held[key]

    def close(self) -> None:
        """Let the work in progress end, and begin no other."""
        for held in self._queue:
            held.made.cancel()
        self._queue.clear()
        self._worker.shutdown(wait=True, cancel_futures=True)
