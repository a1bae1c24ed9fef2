"""Files read before they are wanted, by threads of their own: decoding holds no lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(
    make: Callable[[Item], Made], items: Sequence[Item], ahead: int, threads: int = 0
) -> Generator[Made, None, None]:
    """What `make` gives for each item, in order, up to `ahead` of them before they are asked for.

    Parameters
    ----------
    make
        Called in other threads; what it raises is raised where its item's turn comes, as if
        nothing had been made ahead.
    items
        What to make it of.
    ahead
        How many may be in work or ready: they stay in memory until their turn.
    threads
        How many work at a time; as many as `ahead` by default.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads or ahead, thread_name_prefix="ahead")
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # Whoever stops asking, for an error or by choice, waits for no other file.
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
