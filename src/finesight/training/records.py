"""What training writes down about each epoch, in files of a line per epoch."""

from collections.abc import Mapping

from finesight.config import Settings
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.training.position import Position
from finesight.training.schedule import describe_plan

FILES = (schema.JOURNAL, schema.TIMINGS, schema.FREEZING)


def record_epoch(
    run: RunFolder,
    settings: Settings,
    at: Position,
    rate: float,
    metrics: Mapping[str, float],
    timings: Mapping[str, float],
) -> None:
    """The journal is what a repeated training has again to the bit, so times have a file of their own.

    rate: the largest learning rate. timings: seconds, and images a second.
    """
    line = {"epoch": at.epoch, "best_epoch": at.best_epoch, "train/loss": at.loss, "lr": rate}
    line |= describe_plan(settings, at.epoch)
    run.append_line(schema.JOURNAL, line | {f"val/{name}": value for name, value in metrics.items()})
    run.append_line(schema.TIMINGS, {"epoch": at.epoch, **timings})


def forget_epochs(run: RunFolder, first: int) -> None:
    """Drops what was written from an epoch on: it will be done again."""
    for name in FILES:
        run.write_lines(name, [line for line in run.read_lines(name) if line["epoch"] < first])
