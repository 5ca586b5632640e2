"""What an evaluation of a classifier leaves in the run folder: predictions.csv."""

import numpy as np

from finesight.classes import ClassList
from finesight.errors import blame_files
from finesight.metrics.image_statistics import ImageStatistics
from finesight.run import schema
from finesight.run.folder import RunFolder, read_csv

COLUMNS = ("key", "target", "prediction", "confidence")


def read_statistics(run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
    """What was predicted for each image, in the order of predictions.csv."""
    index = {label: place for place, label in enumerate(classes.ids)}
    with blame_files(run.path):
        rows = list(read_csv(run.evaluation(split) / schema.PREDICTIONS, COLUMNS))
        indices = np.array([[index.get(row[1], -1), index.get(row[2], -1)] for row in rows], np.int64).reshape(-1, 2)
    return ImageStatistics.of_labels([row[0] for row in rows], indices[:, 0], indices[:, 1], len(classes))
