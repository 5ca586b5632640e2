"""What a command says and checks at once, before it imports torch for seconds."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from finesight.collector import importing
from finesight.errors import DataError
from finesight.progress import say
from finesight.run.folder import RunFolder


@contextmanager
def starting(text: str, runs: Sequence[str] = (), data: Sequence[str] = ()) -> Iterator[None]:
    """Says what the command does; the block imports what does it.

    runs, data: paths that must be there; "" where none is given. Raises RunError and DataError.
    """
    say(text)
    for run in runs:
        RunFolder.open(run)
    for path in filter(None, data):
        if not Path(path).expanduser().exists():
            raise DataError(f"{path!r} does not exist; check the path.")
    with importing("torch"):
        yield
