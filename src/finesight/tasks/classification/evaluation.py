"""What an evaluation of a classifier leaves in the run folder: predictions.csv."""

import numpy as np

from finesight.classes import ClassList
from finesight.errors import blame_files
from finesight.metrics.evaluation import Evaluation, ImageResult, read_confusion
from finesight.metrics.image_statistics import ImageStatistics
from finesight.run import schema
from finesight.run.files import read_csv
from finesight.run.folder import RunFolder
from finesight.tasks.image_scores import COLUMNS


def read_evaluation(run: RunFolder, split: str, classes: ClassList) -> Evaluation:
    folder = run.evaluation(split)
    with blame_files(run.path):
        counts = read_confusion(folder, classes)
        index = {label: place for place, label in enumerate(classes.ids)}
        rows = read_csv(folder / schema.PREDICTIONS, COLUMNS)
        images = [_judge(row[0], index.get(row[1]), index.get(row[2]), float(row[3])) for row in rows]
        return Evaluation.read(run, split, counts, images)


def read_statistics(run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
    """Of each image, in the order of predictions.csv."""
    images = read_evaluation(run, split, classes).images
    pairs = [(image.truth, image.prediction) for image in images]
    indices = np.array([[-1 if value is None else value for value in pair] for pair in pairs], np.int64).reshape(-1, 2)
    return ImageStatistics.of_labels([image.key for image in images], indices[:, 0], indices[:, 1], len(classes))


def _judge(key: str, truth: int | None, prediction: int | None, confidence: float) -> ImageResult:
    right = None if None in (truth, prediction) else float(truth == prediction)
    return ImageResult(key, truth, prediction, confidence, right)
