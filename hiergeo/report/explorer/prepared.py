"""What takes long is made once, when it is first asked for, on a thread beside everything else."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

from hiergeo.search.serving.limits import Refused

KEPT = 24
"""Things that are kept; that which was asked for least recently goes first."""

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""

QUEUED = 8
"""Things that wait to be made, at most."""


@final
class Prepared:
    """Maps, audits or comparisons by what they depend on. Those who ask for the same thing wait for one of it.

    What all who waited for have left is not begun; what is begun is finished and kept.

    Args:
        patience: seconds that a request waits.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._waiting: Counter[Hashable] = Counter()
        self._worker = ThreadPoolExecutor(1, "hiergeo-explorer")

    async def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The thing of a key, which is made if it is not there.

        Args:
            key: says all that the thing depends on.
            make: makes it; an error is that of all who wait, and the next one who asks tries again.

        Raises:
            Refused: 503, it takes longer than a request waits, or too many other things wait to be made.
        """
        future = self._futures.get(key)
        if future is None or future.cancelled() or (future.done() and future.exception() is not None):
            if sum(not (each.running() or each.done()) for each in self._futures.values()) >= QUEUED:
                raise Refused(503, "too much is waiting to be made: ask again.", retry_after=AGAIN)
            future = self._futures[key] = self._worker.submit(make)
        self._futures.move_to_end(key)
        self._drop()
        self._waiting[key] += 1
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._patience)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None
        except asyncio.CancelledError:
            if self._waiting[key] == 1:
                future.cancel()
            raise
        finally:
            self._waiting[key] -= 1
            self._waiting += Counter()  # those that nobody waits for are forgotten

    def _drop(self) -> None:
        """Forget what was asked for least recently, but nothing that is being made."""
        done = [key for key, future in self._futures.items() if future.done()]
        for key in done[: max(0, len(self._futures) - KEPT)]:
            del self._futures[key]

    def close(self) -> None:
        """Let the work in progress end, and begin no other."""
        self._worker.shutdown(wait=True, cancel_futures=True)
