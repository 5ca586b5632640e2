"""The tasks finesight knows. A new one is a package beside these and a line here and in the table."""

from typing import TYPE_CHECKING, Any

from finesight.data.targets import NoTargets, TargetKind
from finesight.tasks.classification.labels import Labels
from finesight.tasks.multilabel.label_sets import LabelSets
from finesight.tasks.segmentation.mask_targets import MaskFiles

if TYPE_CHECKING:
    from finesight.tasks.table import TASKS, find_task, make_page

__all__ = ["TARGETS", "TASKS", "TRAINABLE", "find_task", "make_page"]

TARGETS: dict[str, TargetKind] = {
    "classification": Labels(),
    "multilabel": LabelSets(),
    "segmentation": MaskFiles(),
    "none": NoTargets(),
}
TRAINABLE = tuple(name for name in TARGETS if name != "none")


def __getattr__(name: str) -> Any:
    """What needs torch is imported when first used: `inspect` does without."""
    if name in __all__:
        from finesight.tasks import table

        return getattr(table, name)
    raise AttributeError(f"module 'finesight.tasks' has no attribute {name!r}")
