"""The probability threshold of each class: thresholds.json, fitted on the validation split."""

from dataclasses import dataclass

from torch import Tensor

from finesight.classes import ClassList
from finesight.run import schema
from finesight.run.calibration import Calibration
from finesight.run.folder import RunFolder


@dataclass(frozen=True, eq=False)
class FittedDecisions:
    """thresholds: float32 (C,), those of the highest F1 on a split. calibration: how right its probabilities are."""

    split: str
    classes: ClassList
    thresholds: Tensor
    calibration: Calibration

    def save(self, run: RunFolder, tta: bool = False) -> None:
        """The thresholds of test-time augmentation are those without it."""
        self.calibration.save(run, tta)
        if not tta:
            values = [round(value, 6) for value in self.thresholds.tolist()]
            chosen = dict(zip(self.classes.ids, values, strict=True))
            run.write_json(schema.THRESHOLDS, {"split": self.split, "thresholds": chosen})

    def describe(self) -> str:
        low, high = self.thresholds.min().item(), self.thresholds.max().item()
        return (
            f"Thresholds with the highest F1 of each class: {low:.2f} to {high:.2f}, fitted on this split, so F1 on it "
            f"is optimistic. {self.calibration.describe()}"
        )


def read_fitted_split(run: RunFolder) -> str:
    """The split that the thresholds were fitted on; empty where there are none."""
    return str(run.read_json(schema.THRESHOLDS)["split"]) if run.has(schema.THRESHOLDS) else ""
