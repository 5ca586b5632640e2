"""The table of tasks, and the task of a run."""

from typing import TYPE_CHECKING

from finesight.errors import RunError, blame_files
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks.classification.spec import Classification
from finesight.tasks.contract import Task
from finesight.tasks.multilabel.spec import Multilabel
from finesight.tasks.segmentation.spec import Segmentation

if TYPE_CHECKING:
    from finesight.reporting.html import Page
    from finesight.reporting.originals import Originals

TASKS: dict[str, Task] = {
    "classification": Classification(),
    "multilabel": Multilabel(),
    "segmentation": Segmentation(),
}


def find_task(run: RunFolder) -> Task:
    """The task a run was trained for. Raises RunError."""
    name = run.read_model().task
    if name not in TASKS:
        raise RunError(f"{run.path / schema.MODEL} is damaged: it does not name a task.")
    return TASKS[name]


def make_page(run: RunFolder, originals: "Originals", split: str = "val") -> "Page":
    """The report of a run's split. Raises RunError where the run folder is damaged."""
    from finesight.analysis.evidence import read_evidence

    task = find_task(run)
    evidence = read_evidence(run, split, task)
    with blame_files(run.path):
        return task.make_page(evidence, originals)
