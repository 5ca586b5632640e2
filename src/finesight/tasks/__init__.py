"""The tasks finesight knows."""

from finesight.tasks.classification import Classification
from finesight.tasks.contract import Task

TASKS: dict[str, Task] = {"classification": Classification()}
