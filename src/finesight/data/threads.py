"""`map` in threads, for work that waits for files or is done outside the interpreter lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from finesight.cores import count_cores

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    function: Callable[[T], R], values: Iterable[T], workers: int | None = None, chunk: int = 32, ahead: int = 0
) -> Iterator[R]:
    """`map` in threads, in order, with a bounded number of results waiting. Reading and Pillow release the GIL.

    chunk: values a thread takes at once. ahead: chunks that may wait, by default two a thread.
    """
    workers = workers or min(count_cores(), 16)
    rest = iter(values)
    waiting: deque[Future[list[R]]] = deque()
    with stoppable_pool(workers) as pool:
        while some := list(islice(rest, chunk)):
            waiting.append(pool.submit(lambda some: [function(value) for value in some], some))
            if len(waiting) > (ahead or 2 * workers):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


@contextmanager
def stoppable_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once nobody wants the rest, such as after Ctrl-C."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
