"""What is kept on this machine: runs in a folder, files in the cache."""

from dataclasses import dataclass
from pathlib import Path

from finesight.run.plain import Result


@dataclass(frozen=True)
class ListedRun(Result):
    """A run in a list. value: of `metric` on the validation split in the best epoch; None before the first one.

    epochs: finished ones. status: finished, interrupted or training. verdict: the worst finding, in short. command:
    what comes next; "" where nothing does. date: when training began, ISO 8601, local time.
    """

    run: Path
    task: str
    model: str
    data: str
    epochs: int
    planned: int
    metric: str
    value: float | None
    status: str
    verdict: str
    command: str
    date: str
    duration_s: float
    num_bytes: int


@dataclass(frozen=True)
class DamagedRun(Result):
    run: Path
    reason: str


@dataclass(frozen=True)
class ListedRuns(Result):
    """The newest first."""

    runs: tuple[ListedRun, ...]
    damaged: tuple[DamagedRun, ...]


@dataclass(frozen=True)
class CachedKind(Result):
    """What the cache folder holds of a kind. newest_days, oldest_days: since the files were last used."""

    kind: str
    meaning: str
    num_files: int
    num_bytes: int
    newest_days: float
    oldest_days: float


@dataclass(frozen=True)
class Cached(Result):
    folder: Path
    kinds: tuple[CachedKind, ...]


@dataclass(frozen=True)
class Cleared(Result):
    """in_use: files that another process reads, which stay."""

    folder: Path
    num_files: int
    num_bytes: int
    in_use: int
