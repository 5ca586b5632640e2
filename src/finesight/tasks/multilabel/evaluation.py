"""What an evaluation of several labels per image leaves in the run folder: predictions.csv and logits."""

import numpy as np

from finesight.classes import ClassList
from finesight.errors import blame_files
from finesight.metrics.evaluation import Evaluation, ImageResult
from finesight.metrics.image_statistics import ImageStatistics, Scoring
from finesight.metrics.significance import score_mean
from finesight.run import schema
from finesight.run.files import read_csv
from finesight.run.folder import RunFolder
from finesight.tasks.image_scores import COLUMNS
from finesight.tasks.multilabel.label_sets import SEPARATOR

MACRO_F1 = Scoring(
    "macro_f1", "macro F1", "f1", "F1", lambda hits, support, predicted: (2 * hits, support + predicted), score_mean
)


def read_evaluation(run: RunFolder, split: str, classes: ClassList) -> Evaluation:
    """An image is shown by its rarest class; `fraction_right` is of its yes-or-no decisions."""
    with blame_files(run.path):
        keys, truth, predicted, confidence = _read_rows(run, split, classes)
        right = (truth == predicted).mean(1)
        main, said = find_main(truth), np.where(predicted.any(1), find_main(predicted), -1)
        said = np.where(predicted[np.arange(len(main)), main] & (main >= 0), main, said)
        images = [
            ImageResult(key, None if a < 0 else a, None if b < 0 else b, c, d)
            for key, a, b, c, d in zip(keys, main.tolist(), said.tolist(), confidence, right.tolist(), strict=True)
        ]
        return Evaluation.read(run, split, (), images)


def read_statistics(run: RunFolder, split: str, classes: ClassList) -> ImageStatistics:
    """Labels of each image, in the order of predictions.csv."""
    with blame_files(run.path):
        keys, truth, predicted, _ = _read_rows(run, split, classes)
    return ImageStatistics(
        keys=tuple(keys),
        unit="label",
        scoring=MACRO_F1,
        scored=tuple(range(len(classes))),
        support=truth.astype(np.int64),
        predicted=predicted.astype(np.int64),
        hits=(truth & predicted).astype(np.int64),
    )


def find_main(labels: np.ndarray) -> np.ndarray:
    """The class an image with several labels is shown by: of its own the rarest in the split, -1 without any.

    labels: bool (n, C).
    """
    rarity = np.where(labels, labels.sum(0), len(labels) + 1)
    return np.where(labels.any(1), rarity.argmin(1), -1)


def _read_rows(run: RunFolder, split: str, classes: ClassList) -> tuple[list[str], np.ndarray, np.ndarray, list[float]]:
    """Keys, truth and prediction bool (n, C), and the probability of the most probable class."""
    rows = list(read_csv(run.evaluation(split) / schema.PREDICTIONS, COLUMNS))
    index = {label: place for place, label in enumerate(classes.ids)}
    sides = np.zeros((2, len(rows), len(classes)), bool)
    for number, row in enumerate(rows):
        for side in range(2):
            for label in filter(None, row[1 + side].split(SEPARATOR)):
                sides[side, number, index[label]] = True
    return [row[0] for row in rows], sides[0], sides[1], [float(row[3]) for row in rows]
