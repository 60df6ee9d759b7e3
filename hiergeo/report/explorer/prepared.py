"""What takes long is made once, when it is first asked for, on a thread beside everything else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

from hiergeo.search.serving.limits import Refused

KEPT = 24
"""Things that are kept; that which was asked for least recently goes first."""

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""


@final
class Prepared:
    """Maps, audits or comparisons by what they depend on. Those who ask for the same thing wait for one of it.

    Args:
        patience: seconds that a request waits; the work goes on.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "hiergeo-explorer")

    async def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The thing of a key, which is made if it is not there.

        Args:
            key: says all that the thing depends on.
            make: makes it; an error is that of all who wait, and the next one who asks tries again.

        Raises:
            Refused: 503, it takes longer than a request waits.
        """
        future = self._futures.get(key)
        if future is None or (future.done() and future.exception() is not None):
            future = self._futures[key] = self._worker.submit(make)
        self._futures.move_to_end(key)
        if len(self._futures) > KEPT:
            self._futures.popitem(last=False)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._patience)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None

    def close(self) -> None:
        """Let the work in progress end, and begin no other."""
        self._worker.shutdown(wait=True, cancel_futures=True)
