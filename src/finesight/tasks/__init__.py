"""The tasks finesight knows. A new one is a package beside these and a line of the table."""

from finesight.analysis.evidence import read_evidence
from finesight.errors import RunError, blame_files
from finesight.reporting.html import Page
from finesight.reporting.mask_images import Originals
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.task import Task
from finesight.tasks.classification.page import make_classification_page
from finesight.tasks.classification.spec import Classification
from finesight.tasks.segmentation.page import make_segmentation_page
from finesight.tasks.segmentation.spec import Segmentation

TASKS: dict[str, Task] = {"classification": Classification(), "segmentation": Segmentation()}
PAGES = {"classification": make_classification_page, "segmentation": make_segmentation_page}


def find_task(run: RunFolder) -> Task:
    """The task a run was trained for. Raises RunError."""
    name = run.read_json(schema.MODEL).get("task")
    if not isinstance(name, str) or name not in TASKS:
        raise RunError(f"{run.path / schema.MODEL} is damaged: it names no task.")
    return TASKS[name]


def make_page(run: RunFolder, originals: Originals, split: str = "val") -> Page:
    """The report of a run's split. Raises RunError where the run folder is damaged."""
    evidence = read_evidence(run, split, find_task(run))
    with blame_files(run.path):
        return PAGES[evidence.task.name](evidence, originals)
