"""Ctrl-C and SIGTERM: finish the step, keep everything, then stop."""

import os
import signal
import threading
from types import FrameType
from typing import Any

from finesight.progress import say


class StopRequest:
    """Within the block the first signal only sets `signal`; a second one stops at once.

    128 + signal is the exit code the shell expects. Outside the main thread signals stay as they are.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.process = os.getpid()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a loader worker just forked, which has yet to say that signals are not its
            return
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        say("Stopping after this step; interrupt again to stop at once.")
