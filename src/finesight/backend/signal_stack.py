"""The stack on which this thread handles signals. OpenVINO replaces it, and may leave one behind that it has freed.

Each of its plugins gives the thread that makes it such a stack, and puts the one before back when it is freed. Where
two are freed in the order in which they were made, the second puts back the stack of the first, and the next Ctrl-C
ends the process. Its stack is also too small for two signals at once while AMX computes.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DISABLED = 2  # SS_DISABLE: signals are handled on the thread's own stack, which has room


class _SignalStack(ctypes.Structure):
    """stack_t of Linux's signal.h."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """After the block signals are handled where they were before. OpenVINO does this on Linux only."""
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    before.flags &= DISABLED
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
