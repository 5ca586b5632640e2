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


_FREEZES: list[bool] = []  # not empty where `importing` freezes


def freeze_imports() -> None:
    """From here on, what `importing` imports is left out of every search. For programs only.

    What a caller holds at that moment would be left out, too, and so never be freed if it is in a cycle.
    """
    _FREEZES.append(True)


@contextmanager
def importing(package: str) -> Iterator[None]:
    """The block imports a large package, of which nothing is ever freed: the search rests.

    Where imports are frozen it does not make up for it afterwards: a quarter of a second for torch.
    """
    if package in sys.modules:
        yield
        return
    with without_collector():
        yield
        if _FREEZES:
            gc.freeze()
