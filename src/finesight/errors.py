"""Errors a user can act on: one clear sentence (what, where, what to do), exit code 2, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FinesightError(Exception):
    """Root of all errors finesight raises on purpose."""


class Interrupted(FinesightError):
    """A signal ended the work early; what was done is kept. signal: its number."""

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal  # what a shell expects


class ConfigError(FinesightError):
    """A setting, recipe or flag is unknown or has a value it cannot have."""


class DataError(FinesightError):
    """The images, targets or class list cannot be used as they are."""


class ModelError(FinesightError):
    """A network or a layer that does not exist, or that cannot do what is asked."""


class FetchError(FinesightError):
    """A file of a package index cannot be had."""


class WeightsError(FinesightError):
    """Weights that cannot be fetched, read, or that do not fit the network."""


class RunError(FinesightError):
    """A run folder that is missing something, is in use, or is of another kind."""


@contextmanager
def blame_files(folder: Path) -> Iterator[None]:
    """Within the block only files of `folder` can be wrong. One that was damaged, or made to harm, can raise anything
    where its content is used: that becomes a RunError."""
    try:
        yield
    except FinesightError:
        raise
    except Exception as error:
        raise RunError(f"A file in {folder} is damaged ({error!r}): make it again, or leave this folder.") from error
