"""Feeds a reader thousands of inputs. Each is read, or refused in one sentence; soon, and without a foreign write."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from finesight.errors import FinesightError

SECONDS = 10  # of processor time that one input may take
COUNTS = (200, pytest.param(10_000, marks=(pytest.mark.slow, pytest.mark.timeout(3600))))
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.link": 2, "os.truncate": 1, "os.chmod": 1}
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "socket.bind")


class Watch:
    """Sees every file this process writes, every program it starts and every connection it makes.

    An audit hook stays for good, so there is one for all tests; `home` is the only place to write while it watches,
    beside the cache folder.
    """

    def __init__(self) -> None:
        self.home: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def over(self, home: Path) -> Iterator[None]:
        self.home, self.seen = home.resolve(), []
        try:
            yield
        finally:
            self.home = None
        assert not self.seen, self.seen

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.home is None:
            return
        if event in PROGRAMS:
            self.seen.append(f"{event} {arguments[:2]}")
        elif event == "os.symlink":
            self._check(event, arguments[1])
        elif event in CHANGES:
            for path in arguments[: CHANGES[event]]:
                self._check(event, path)
        elif event == "open" and arguments[2] & WRITES:
            self._check(event, arguments[0])

    def _check(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | Path) or self.home is None:
            return
        where = Path(os.path.realpath(os.fsdecode(path)))
        cache = os.path.realpath(os.environ["FINESIGHT_CACHE"])
        if any(map(where.is_relative_to, (self.home, cache, os.devnull))) or "__pycache__" in where.parts:
            return
        self.seen.append(f"{event} {where}")


WATCH = Watch()


def feed(inputs: SearchStrategy[Any], read: Callable[[Any], object], count: int, home: Path) -> int:
    """Reads `count` inputs that must write nowhere but in `home`. Returns how many were read rather than refused."""
    num_read = 0

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(inputs)
    def try_one(given_input: Any) -> None:
        nonlocal num_read
        with WATCH.over(home), _time_limit(), suppress(FinesightError):
            read(given_input)
            num_read += 1

    try_one()
    return num_read


@contextmanager
def _time_limit() -> Iterator[None]:
    """Counts processor time, which a busy machine does not lengthen; pytest's own limit is the clock's."""

    def stop(*_: object) -> None:
        raise AssertionError(f"one input took more than {SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
