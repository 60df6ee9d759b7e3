"""What takes long is made once, when it is first asked for, on one thread beside everything else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

from hiergeo.serving.limits import Refused

KEPT = 24
"""Things that are kept; that which was asked for least recently goes first."""

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""


@final
class Prepared:
    """Maps, audits and comparisons by what they depend on. Those who ask for the same thing wait for one of it.

    Args:
        patience: seconds that a request waits; the work goes on after that.
        kept: things that are kept.
    """

    def __init__(self, patience: float, kept: int = KEPT) -> None:
        self._patience, self._kept = patience, kept
        self._held: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "hiergeo-explorer")

    async def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The thing of a key, which is made if it is not there.

        Args:
            key: says all that the thing depends on.
            make: makes it; an error is that of all who wait, and the next one who asks tries again.

        Raises:
            Refused: 503, it takes longer than a request waits.
        """
        held = self._held.get(key)
        if held is None or (held.done() and (held.cancelled() or held.exception() is not None)):
            held = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._worker, make))
            held.add_done_callback(_looked_at)
        self._held[key] = held
        self._held.move_to_end(key)
        self._drop()
        try:
            return await asyncio.wait_for(asyncio.shield(held), self._patience)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None

    def _drop(self) -> None:
        """Forget what was asked for least recently, but nothing that is being made."""
        done = [key for key, held in self._held.items() if held.done()]
        for key in done[: max(0, len(self._held) - self._kept)]:
            del self._held[key]

    def close(self) -> None:
        """Let the work in progress end, and begin no other."""
        self._worker.shutdown(wait=True, cancel_futures=True)


def _looked_at(held: "asyncio.Future[Any]") -> None:
    """An error that nobody waits for any more is no error of the loop."""
    if not held.cancelled():
        held.exception()
