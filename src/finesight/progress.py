"""What a person sees while waiting: notes and progress bars, on stderr, and no bar where that is no terminal."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from finesight import distributed

T = TypeVar("T")


def say(text: str, every_rank: bool = False) -> None:
    """One line for the person at the terminal; control characters in names cannot act on it.

    Of several ranks the main one speaks; with every_rank the others too, with their number.
    """
    if distributed.is_main():
        print(sanitise(text), file=sys.stderr, flush=True)
    elif every_rank:
        print(sanitise(f"Rank {distributed.rank()}: {text}"), file=sys.stderr, flush=True)


def sanitise(text: str) -> str:
    """Text in which control characters (a terminal's escapes, line breaks) are shown, not obeyed."""
    return "".join(c if c.isprintable() else "�" for c in text)


class Bar(Protocol):
    def advance(self, count: int = 1, note: str = "") -> None: ...


class _Silent:
    def advance(self, count: int = 1, note: str = "") -> None:
        pass


@contextmanager
def progress_bar(label: str, total: int, unit: str = "") -> Iterator[Bar]:
    """A bar over `total` pieces with rate and time left: `with progress_bar("Reading", n) as bar: bar.advance()`."""
    if not (sys.stderr.isatty() and distributed.is_main()):
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


def track(pieces: Iterable[T], label: str, total: int, unit: str = "") -> Iterator[T]:
    """Passes the pieces on with a bar over them."""
    with progress_bar(label, total, unit) as bar:
        for piece in pieces:
            yield piece
            bar.advance()
