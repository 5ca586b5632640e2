"""Errors a user can act on: what is wrong, where, what to do. Exit code 2, no traceback."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

NUM_LISTED = 20  # problems an error names


class FinesightError(Exception):
    """Root of all errors finesight raises on purpose."""


class Interrupted(FinesightError):
    """A signal ended the work early; what was done is saved. signal: its number."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal  # what a shell expects


class ConfigError(FinesightError):
    """A setting, recipe or flag is unknown or has an invalid value."""


class DataError(FinesightError):
    """The images, targets or class list cannot be used as they are."""


class ModelError(FinesightError):
    """A model or a layer does not exist, or cannot do what is asked."""


class FetchError(FinesightError):
    """A file of the package index cannot be fetched."""


class WeightsError(FinesightError):
    """Weights cannot be fetched or read, or do not fit the model."""


class RunError(FinesightError):
    """A run folder is incomplete, damaged, in use, or of another version."""


@contextmanager
def blame_files(folder: Path) -> Iterator[None]:
    """Turns any error within the block into a RunError: a damaged or malicious file of `folder` can raise anything."""
    try:
        yield
    except FinesightError:
        raise
    except Exception as error:
        raise RunError(f"A file in {folder} is damaged ({error!r}): restore it, or use another folder.") from error


def list_problems(start: str, problems: Sequence[str]) -> str:
    """A sentence, and below it the problems, a line each; of many the first."""
    more = [f"  and {len(problems) - NUM_LISTED:,} more"] if len(problems) > NUM_LISTED else []
    return "\n".join([start, *(f"  {problem}" for problem in problems[:NUM_LISTED]), *more])


def suggest(name: str, known: Iterable[str], otherwise: str = "", cutoff: float = 0.6) -> str:
    """`Did you mean 'resnet50'?` for the known name that is nearest to a wrong one; without any, `otherwise`."""
    near = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=cutoff)  # its time grows with the square
    return f"Did you mean {near[0]!r}?" if near else otherwise
