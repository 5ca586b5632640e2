"""Notes and progress bars on stderr; no bars if it is not a terminal."""

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from finesight import distributed

T = TypeVar("T")
_SILENT: list[bool] = []  # one entry within `silence`


def say(text: str, every_rank: bool = False) -> None:
    """Prints one line, with control characters shown. Only the main rank prints, or every rank with its number."""
    if _SILENT:
        return
    if distributed.is_main():
        print(sanitise(text), file=sys.stderr, flush=True)
    elif every_rank:
        print(sanitise(f"Rank {distributed.rank()}: {text}"), file=sys.stderr, flush=True)


@contextmanager
def silence() -> Iterator[None]:
    """Within the block nothing is said and no bar is shown, as what is done there is not what was asked for."""
    _SILENT.append(True)
    try:
        yield
    finally:
        _SILENT.pop()


def say_notes(notes: Iterable[str]) -> None:
    """`say` each, of which a note may have several lines."""
    for note in notes:
        for line in f"Note: {note}".splitlines():
            say(line)


def quote(*words: object) -> str:
    """Words as a person copies them into a command of this system's shell: `my run` becomes `'my run'`."""
    texts = [str(word) for word in words]
    if os.name != "nt":
        return shlex.join(texts)
    from subprocess import list2cmdline

    return list2cmdline(texts)


def sanitise(text: str) -> str:
    """Replaces control characters, such as line breaks and a terminal's escapes, by �."""
    return "".join(c if c.isprintable() else "�" for c in text)


class Bar(Protocol):
    def advance(self, count: int = 1, note: str = "") -> None: ...


class _Silent:
    def advance(self, count: int = 1, note: str = "") -> None:
        pass


@contextmanager
def progress_bar(label: str, total: int, unit: str = "") -> Iterator[Bar]:
    """A bar over `total` steps with rate and time left: `with progress_bar("Reading", n) as bar: bar.advance()`."""
    if _SILENT or not (sys.stderr.isatty() and distributed.is_main()):
        yield _Silent()
        return
    from rich import progress
    from rich.console import Console
    from rich.markup import escape

    class _RateColumn(progress.ProgressColumn):
        def __init__(self, unit: str) -> None:
            super().__init__()
            self.unit = unit

        def render(self, task: progress.Task) -> str:
            return f"{task.speed:.1f} {self.unit}/s" if self.unit and task.speed else ""

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=None),
        progress.MofNCompleteColumn(),
        _RateColumn(unit),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(sanitise(label)), total=total, note="")

        class _Shown:
            def advance(self, count: int = 1, note: str = "") -> None:
                bars.advance(task, count)
                if note:
                    bars.update(task, note=escape(sanitise(note)))

        yield _Shown()


def track(items: Iterable[T], label: str, total: int, unit: str = "") -> Iterator[T]:
    """Yields the items under a progress bar."""
    with progress_bar(label, total, unit) as bar:
        for item in items:
            yield item
            bar.advance()
