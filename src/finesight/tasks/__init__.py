"""The tasks finesight knows."""

from finesight.errors import RunError
from finesight.run.folder import RunFolder
from finesight.tasks.classification import Classification
from finesight.tasks.contract import Task
from finesight.tasks.segmentation import Segmentation

TASKS: dict[str, Task] = {"classification": Classification(), "segmentation": Segmentation()}


def find_task(run: RunFolder) -> Task:
    """The task a run was trained for. Raises RunError."""
    name = run.read_json("model.json").get("task")
    if not isinstance(name, str) or name not in TASKS:
        raise RunError(f"{run.path / 'model.json'} is damaged: it names no task.")
    return TASKS[name]
