"""Work in threads, ahead of whoever needs its results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item], depth: int, threads: int = 1) -> Iterator[Result]:
    """What a function makes of items, in their order; errors are raised where their result would be.

    Args:
        function: called in threads.
        items: taken one by one, by the caller's thread.
        depth: how many are worked on, from 1, while the next is taken or results are used.
        threads: how many there are.
    """
    pool = ThreadPoolExecutor(threads, "hiergeo-ahead")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(waiting) == depth:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
