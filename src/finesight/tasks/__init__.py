"""The tasks finesight knows."""

from finesight.tasks.classification import Classification
from finesight.tasks.contract import Task
from finesight.tasks.segmentation import Segmentation

TASKS: dict[str, Task] = {"classification": Classification(), "segmentation": Segmentation()}
