"""The first batch of a training, drawn with its labels or masks."""

from finesight.reporting.contact_sheet import Tile, draw_sheet
from finesight.run import schema
from finesight.run.files import write_atomically
from finesight.tasks import TASKS
from finesight.training.first_batch import FirstBatch, read_first_batch
from finesight.training.job import Job

MOST_SHOWN = 12  # images of a batch


def write_first_batch(job: Job) -> None:
    """Into the run that begins."""
    write_atomically(job.run.path / schema.PREVIEW, draw_first_batch(job, read_first_batch(job)))


def draw_first_batch(job: Job, batch: FirstBatch) -> bytes:
    """PNG bytes."""
    task, classes = TASKS[job.task.name], job.classes
    shown = zip(batch.images[:MOST_SHOWN], batch.targets, label_first_batch(job, batch).values(), strict=False)
    tiles = [Tile(task.draw_target(image, target, classes), label) for image, target, label in shown]
    height, width = batch.size
    title = f"First batch, {len(tiles)} of {len(batch.keys)} images, {height}×{width} px."
    return draw_sheet(title, tiles, list(zip(task.list_colours(classes), classes.labels, strict=False)))


def label_first_batch(job: Job, batch: FirstBatch) -> dict[str, str]:
    """Image → what it is to teach, of the images that are drawn."""
    task = TASKS[job.task.name]
    shown = zip(batch.keys[:MOST_SHOWN], batch.targets, strict=False)
    return {key: task.describe_target(target, job.classes) for key, target in shown}
