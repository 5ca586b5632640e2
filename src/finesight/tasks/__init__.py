"""The tasks finesight knows. A new one is a package beside these and a line here and in the table."""

from typing import TYPE_CHECKING, Any

from finesight.data.targets import NoTargets, TargetKind
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks.classification.labels import Labels
from finesight.tasks.classification.predict import ClassPrediction
from finesight.tasks.multilabel.label_sets import LabelSets
from finesight.tasks.multilabel.predict import LabelPrediction
from finesight.tasks.prediction import Prediction
from finesight.tasks.segmentation.mask_prediction import MaskPrediction
from finesight.tasks.segmentation.mask_targets import MaskFiles

if TYPE_CHECKING:
    from finesight.tasks.table import TASKS, find_task, make_page

__all__ = ["PREDICTIONS", "TARGETS", "TASKS", "TRAINABLE", "find_prediction", "find_task", "make_page"]

TARGETS: dict[str, TargetKind] = {
    "classification": Labels(),
    "multilabel": LabelSets(),
    "segmentation": MaskFiles(),
    "none": NoTargets(),
}
PREDICTIONS: dict[str, Prediction] = {
    "classification": ClassPrediction(),
    "multilabel": LabelPrediction(),
    "segmentation": MaskPrediction(),
}
TRAINABLE = tuple(name for name in TARGETS if name != "none")


def find_prediction(run: RunFolder) -> Prediction:
    """Of the task that a run was trained for. Raises RunError."""
    name = run.read_model().task
    if name not in PREDICTIONS:
        raise RunError(f"{run.path / schema.MODEL} is damaged: it does not name a task.")
    return PREDICTIONS[name]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when first used: `inspect` does without."""
    if name in __all__:
        from finesight.tasks import table

        return getattr(table, name)
    raise AttributeError(f"module 'finesight.tasks' has no attribute {name!r}")
