"""Python's search for reference cycles, which takes long where many objects are made that are in none."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Of a million listed images the search takes 40 % of the time, of importing torch 20 %."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


@contextmanager
def importing(package: str) -> Iterator[None]:
    """The block imports a large package. What is new after it stays as long as the process, so no search looks at it.

    Else the next search through everything, of a quarter of a second after torch, would come before the first step.
    """
    if package in sys.modules:
        yield
        return
    gc.collect()  # a caller's objects that are in cycles, which would stay, too
    with without_collector():
        yield
        gc.freeze()
