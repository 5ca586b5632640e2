"""Labels that are probably wrong, by confident learning. Northcutt, Jiang, Chuang 2021, JAIR 70:1373, arXiv:1911.00068.

A class's threshold is the mean probability it gets where it is the label (eq. 2). An image is confidently of a class
whose probability reaches that class's threshold, of several of the most probable (eq. 1). Where that is another class
than the label, the label is suspected. The probabilities must come from a classifier that has not seen the label.

Two things are ours, chosen by planted errors (benchmarks/label_errors.py). A class with more than half of the
probability needs no more: of a confident model half of the images lie below the mean. And a label that is more probable
than by guessing is not suspected, which the paper's rule does where a model is uncertain: that doubles the precision of
a weak one. `find_doubtful_labels` is what `finesight labels` and finding V007 list of these. First come those
whose label is least probable beside the suggested class.

Written from the paper: the package of its authors is under the AGPL and brings pandas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.probabilities import Probabilities, join, split_rows
from finesight.classes import ClassList
from finesight.run import schema
from finesight.run.files import write_csv
from finesight.run.folder import RunFolder
from finesight.run.old_names import find_value
from finesight.run.results import SuspectedLabel

MAJORITY = 0.5
LEAST = 1e-12  # probability that differs from none
NUM_FOLDS = 5
ODDS = 10  # how much more probable the suggested class is than the label, at least
STRENGTH = 40.0  # of the linear classifier's fit against its penalty, shared by all images
BOX = ("top", "left", "bottom", "right")
HELD_OUT = "the model itself, which was not trained on these labels"
CROSS_FITTED = (
    "linear classifiers on the model's features, each for a fifth of the images that it was not fitted to; the "
    "features were trained on all of these labels, so some wrong ones are missed"
)
COLUMNS = ("key", "given", "suggested", "score")
REGION_COLUMNS = (*COLUMNS, "region", "fraction", "confidence", *BOX)


@dataclass(frozen=True)
class Region:
    """An area of a mask. number: its value in the image's outline file. fraction: of the image's pixels, 0-1.

    confidence: mean over its pixels of the suggested class's probability minus the given one's, 0-1.
    box: (top, left, bottom, right) in pixels of the mask.
    """

    number: int
    fraction: float
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class LabelError:
    """given, suggested: class indices; of an image with several labels None for a label that it lacks.

    score: of an image, by how many powers of ten the suggested class is more probable than the given one (3 is a
    thousand times); of a region, its fraction of the image times its confidence, 0-1.
    """

    key: str
    given: int | None
    suggested: int | None
    score: float
    region: Region | None = None


@dataclass(frozen=True)
class LabelErrors:
    """What was suspected in a split, the clearest first. source: in words, whose probabilities contradict labels."""

    split: str
    num_samples: int
    source: str
    errors: tuple[LabelError, ...]


def save_label_errors(run: RunFolder, found: LabelErrors, classes: ClassList) -> Path:
    """Writes label_errors/SPLIT.csv and .json, with class ids. Returns the path of the CSV file."""
    rows = [name_classes(error, classes).to_dict() for error in found.errors]
    path = run.path / schema.label_errors(found.split, "csv")
    header = REGION_COLUMNS if rows and "region" in rows[0] else COLUMNS
    write_csv(path, header, ([row[column] for column in header] for row in rows))
    summary = {"split": found.split, "num_samples": found.num_samples, "source": found.source}
    run.write_json(schema.label_errors(found.split, "json"), {**summary, "errors": rows})
    return path


def load_label_errors(run: RunFolder, split: str, classes: ClassList) -> LabelErrors | None:
    """None where the split was not searched. Raises KeyError, TypeError or ValueError where the file is damaged."""
    name = schema.label_errors(split, "json")
    if not run.has(name):
        return None
    value = run.read_json(name)
    errors = tuple(_from_row(row, classes) for row in value["errors"])
    return LabelErrors(value["split"], value["num_samples"], value["source"], errors)


def name_classes(error: LabelError, classes: ClassList) -> SuspectedLabel:
    """The error with class ids in the place of indices."""
    given, suggested = ("" if index is None else classes.ids[index] for index in (error.given, error.suggested))
    named = (error.key, given, suggested, round(error.score, 6))
    if (region := error.region) is None:
        return SuspectedLabel(*named)
    return SuspectedLabel(*named, region.number, round(region.fraction, 6), round(region.confidence, 6), *region.box)


def _from_row(row: dict[str, Any], classes: ClassList) -> LabelError:
    given, suggested = (classes.ids.index(row[side]) if row[side] else None for side in ("given", "suggested"))
    region = None
    if "region" in row:
        top, left, bottom, right = (int(row[side]) for side in BOX)
        region = Region(row["region"], find_value(row, "fraction"), row["confidence"], (top, left, bottom, right))
    return LabelError(row["key"], given, suggested, row["score"], region)


def find_label_errors(probabilities: Floats | Probabilities, targets: Indices, keys: Sequence[str]) -> list[LabelError]:
    """Suspected labels, the clearest first: see the head of this file.

    probabilities: (n, C), each row from a classifier that has not seen that row's label. targets: class indices (n,).
    """
    blocks = list(split_rows(*probabilities.shape))
    own = join([_pick(probabilities[block], targets[block]) for block in blocks])
    counts = np.bincount(targets, minlength=probabilities.shape[1])
    sums = np.bincount(targets, weights=own, minlength=probabilities.shape[1]).astype(float)
    thresholds = class_thresholds(sums, counts)
    suggested = join([confident_classes(probabilities[block], thresholds) for block in blocks], int)
    others = join([_pick(probabilities[block], suggested[block]) for block in blocks])
    guessing = 1 / probabilities.shape[1]
    rows = np.flatnonzero((suggested >= 0) & (suggested != targets) & (own < guessing))
    scores = np.log10(np.maximum(others[rows], LEAST) / np.maximum(own[rows], LEAST))
    order = np.argsort(-scores, kind="stable")
    return [
        LabelError(keys[row], int(targets[row]), int(suggested[row]), float(score))
        for row, score in zip(rows[order], scores[order], strict=True)
        if score > 0
    ]


def _pick(probabilities: Floats, classes: Indices) -> Floats:
    """Of the rows of a block (m, C), one class each."""
    picked: Floats = probabilities[np.arange(len(classes)), classes]
    return picked


def find_doubtful_labels(
    probabilities: Floats | Probabilities,
    targets: Indices,
    keys: Sequence[str],
    votes: Indices | None = None,
    temperature: float = 1.0,
) -> list[LabelError]:
    """The rule of `finesight labels` and of finding V007: what `find_label_errors` suspects, and the neighbours too.

    Of two classes every error is suspected, as one of them has always more than half of the probability. Kept are
    those whose suggested class is at least ODDS times as probable as the label, once logits are divided by
    `temperature`, and is the class that the nearest images vote for. votes: class indices (n,), None where there are
    too few images for a vote.
    """
    errors = find_label_errors(probabilities, targets, keys)
    row_of = {key: row for row, key in enumerate(keys)}
    rows = np.array([row_of[error.key] for error in errors], np.int64)
    pairs = np.array([(error.given, error.suggested) for error in errors], np.int64).reshape(-1, 2)

    def is_odd(block: slice) -> NDArray[np.bool_]:
        tempered = temper(probabilities[rows[block]], temperature)
        given, suggested = (_pick(tempered, pairs[block, side]) for side in range(2))
        odd: NDArray[np.bool_] = ODDS * given <= suggested
        return odd

    doubtful = join([is_odd(block) for block in split_rows(len(rows), probabilities.shape[1])], bool)
    agreed = np.full(len(rows), True) if votes is None else votes[rows] == pairs[:, 1]
    return [error for error, is_doubtful in zip(errors, doubtful & agreed, strict=True) if is_doubtful]


def temper(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (n, C) after division of their logits by the temperature."""
    raised = probabilities ** (1 / temperature)
    tempered: Floats = raised / np.maximum(raised.sum(1, keepdims=True), LEAST)
    return tempered


def class_thresholds(sums: Floats, counts: Indices) -> Floats:
    """(C,): mean probability of each class where it is the label, at most a half; infinite where it never is.

    sums, counts: (C,), of those probabilities.
    """
    return np.where(counts > 0, np.minimum(sums / np.maximum(counts, 1), MAJORITY), np.inf)


def confident_classes(probabilities: Floats, thresholds: Floats) -> Indices:
    """(n,): the class each row is confidently of, -1 where it is of none."""
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(reached.max(1) >= 0, reached.argmax(1), -1)


def cross_fit_probabilities(features: Floats, targets: Indices, num_classes: int, seed: int = 0) -> Floats:
    """(n, num_classes): probabilities of a linear classifier that was not fitted to the row.

    features: (n, d). The rows of every class are dealt into NUM_FOLDS folds, and each fold is held out in turn. A class
    with a single image gets no probability for that image. Rows are 0 where fewer than two classes are left to fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities: NDArray[np.float64] = np.zeros((len(targets), num_classes))
    folds = deal_folds(targets, seed)
    for fold in range(NUM_FOLDS):
        held_out = folds == fold
        if not held_out.any() or len(np.unique(targets[~held_out])) < 2:
            continue
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH / (~held_out).sum(), max_iter=200))
        classifier.fit(features[~held_out], targets[~held_out])
        probabilities[np.ix_(held_out, classifier.classes_)] = classifier.predict_proba(features[held_out])
    return probabilities


def deal_folds(targets: Indices, seed: int) -> Indices:
    """(n,): which fold each row is in; the rows of a class are dealt out evenly."""
    folds = np.empty(len(targets), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    folds[order] = np.arange(len(targets)) % NUM_FOLDS
    return folds
