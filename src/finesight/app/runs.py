"""Runs: the run folders below a folder, each in a line, without torch."""

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from finesight.errors import FinesightError, RunError
from finesight.run import schema
from finesight.run.files import walk_files
from finesight.run.folder import RunFolder
from finesight.run.inventory import DamagedRun, ListedRun, ListedRuns

SEVERITIES = ("error", "warning", "note")
OTHER_SIGNS = {schema.MODEL, schema.ENVIRONMENT, schema.JOURNAL, schema.CLASSES}  # of a run, beside its config


def runs(folder: str | Path = "runs") -> ListedRuns:
    """Every run at and below a folder, the newest first. What cannot be read is listed with the reason.

    Raises RunError where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RunError(f"There is no folder {root}. Name the one that holds your runs: finesight runs FOLDER.")
    found, damaged = [], []
    for path in find_runs(root):
        try:
            found.append(describe_run(RunFolder.open(path)))
        except (FinesightError, OSError, ValueError) as error:
            damaged.append(DamagedRun(path, str(error)))
    return ListedRuns(tuple(sorted(found, key=lambda run: run.date, reverse=True)), tuple(damaged))


def find_runs(root: Path) -> Iterator[Path]:
    """Folders that are runs or were to be; none within another."""
    for place, folders, files in os.walk(root):
        if schema.CONFIG in files and OTHER_SIGNS & set(files):
            folders.clear()
            yield Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def describe_run(run: RunFolder) -> ListedRun:
    """Raises RunError where a file is damaged."""
    settings, model, journal = run.read_settings(), run.read_model(), run.read_journal()
    done = journal[-1].epoch if journal else 0
    best = next((line for line in journal if line.epoch == journal[-1].best_epoch), None)
    metric = settings.checkpoint.best
    seconds = [line.numbers.get("train_s", 0) + line.numbers.get("val_s", 0) for line in run.read_timings()]
    stops_early = bool(settings.checkpoint.patience or settings.budget.hours)
    planned = settings.epochs or done
    is_finished = run.is_evaluated("val") and (done >= planned or stops_early)
    status, verdict, command = _judge(run, is_finished)
    return ListedRun(
        run=run.path,
        task=model.task,
        model=model.name,
        data=settings.data.root,
        epochs=done,
        planned=planned,
        metric=metric,
        value=best.numbers.get(f"val/{metric}") if best else None,
        status=status,
        verdict=verdict,
        command=command,
        date=_find_date(run),
        duration_s=round(sum(seconds), 1),
        num_bytes=sum(found.st_size for _, found in walk_files(run.path) if stat.S_ISREG(found.st_mode)),
    )


def _find_date(run: RunFolder) -> str:
    """When training began, or of runs that did not record it when their first file was written; local time."""
    started = run.read_environment().started
    if started:
        return datetime.fromisoformat(started).astimezone().isoformat(" ", "seconds")[:19]
    return datetime.fromtimestamp((run.path / schema.SPLITS).stat().st_mtime).isoformat(" ", "seconds")


def _judge(run: RunFolder, is_finished: bool) -> tuple[str, str, str]:
    """(status, verdict, the command that comes next or "")."""
    if _is_training(run):
        return "training", "in training now", ""
    if not is_finished:
        return "interrupted", "interrupted", run.resume_command
    checked = run.read_findings("val")
    if checked is None:
        return "finished", "not checked yet", f"finesight report {run.path}"
    if not checked.findings:
        return "finished", "no findings", ""
    worst = min(checked.findings, key=lambda each: SEVERITIES.index(each.severity))
    more = len(checked.findings) - 1
    return "finished", f"{worst.severity} {worst.code}: {worst.title}" + (f", and {more} more" if more else ""), ""


def _is_training(run: RunFolder) -> bool:
    """Whether a process holds the run's lock."""
    path = run.path / schema.LOCK
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # not ours to lock
        return False
