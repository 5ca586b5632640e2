"""Which labels an image gets: those whose probability reaches the threshold of their class."""

import numpy as np

from finesight.classes import ClassList
from finesight.errors import RunError, blame_files
from finesight.metrics.confidence import sigmoid
from finesight.run import schema
from finesight.run.folder import RunFolder

THRESHOLD = 0.5  # of a probability, where none was fitted


def decide_labels(logits: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
    """bool (n, C) of logits (n, C): the classes whose probability is at least their threshold. thresholds: (C,)."""
    chosen: np.ndarray = sigmoid(logits).astype(np.float32) >= (THRESHOLD if thresholds is None else thresholds)
    return chosen


def read_thresholds(run: RunFolder | None, classes: ClassList) -> np.ndarray | None:
    """float32 (C,), as saved; None where nothing was fitted yet. Raises RunError where the file is damaged."""
    if run is None or not run.has(schema.THRESHOLDS):
        return None
    with blame_files(run.path):
        saved = run.read_json(schema.THRESHOLDS)["thresholds"]
        values = np.array([float(saved[label]) for label in classes.ids], np.float32)
    if not ((values >= 0) & (values <= 1)).all():
        raise RunError(f"{run.path / schema.THRESHOLDS} is damaged: a threshold is a probability, 0 to 1.")
    return values
