"""Labels that are probably missing or wrong, searched class by class."""

import numpy as np

from finesight.analysis.distance import Floats, find_nearest, normalise_rows
from finesight.analysis.features import load_features
from finesight.analysis.label_errors import (
    CROSS_FITTED,
    HELD_OUT,
    ODDS,
    LabelError,
    LabelErrors,
    cross_fit_probabilities,
    find_doubtful_labels,
)
from finesight.analysis.wording import count_of
from finesight.checks.run.case import NEIGHBOURS
from finesight.classes import ClassList
from finesight.errors import DataError, blame_files
from finesight.progress import say
from finesight.run import schema
from finesight.run.files import read_tensors
from finesight.tasks.contract import LabelSearch
from finesight.tasks.multilabel.evaluation import read_statistics

AGREED = ", and by most of the ten nearest images"


def find_wrong_labels(search: LabelSearch) -> LabelErrors:
    """By the model's probabilities for images it was not trained on; of the others by cross-fitted classifiers."""
    classes = search.run.read_classes()
    if search.split == "train":
        dataset, features = search.open_split(), search.compute_features()
        keys, truth = dataset.keys, np.asarray(dataset.targets).astype(bool)
        say(f"Fitting linear classifiers of {count_of(len(classes), 'class')} on four fifths of the features.")
        pairs = [cross_fit_probabilities(features, truth[:, c].astype(np.int64), 2) for c in range(len(classes))]
        probabilities = np.stack([pair[:, 1] for pair in pairs], axis=1)
        votes, source = ask_neighbours(features, truth), CROSS_FITTED
    else:
        keys, truth, probabilities = _read_predictions(search, classes)
        votes, source = _read_votes(search, keys, truth), HELD_OUT
    errors = judge_classes(probabilities, truth, keys, votes)
    say(f"{count_of(len(errors), 'label')} probably wrong: the opposite is at least {ODDS} times as probable.")
    return LabelErrors(search.split, len(keys), source + AGREED * (votes is not None), tuple(errors))


def judge_classes(
    probabilities: Floats, truth: np.ndarray, keys: tuple[str, ...], votes: np.ndarray | None
) -> list[LabelError]:
    """The clearest first. probabilities: (n, C); truth, votes: bool (n, C).

    Both probabilities are divided by class frequency: else every label of a rare class would be suspected.
    """
    found: list[LabelError] = []
    for c in range(truth.shape[1]):
        fraction = truth[:, c].mean()
        if fraction in (0, 1):
            continue  # one outcome only
        both = np.stack([(1 - probabilities[:, c]) / (1 - fraction), probabilities[:, c] / fraction], axis=1)
        both /= both.sum(1, keepdims=True)
        voted = None if votes is None else votes[:, c].astype(np.int64)
        for error in find_doubtful_labels(both, truth[:, c].astype(np.int64), keys, voted):
            given, suggested = (c, None) if error.given else (None, c)
            found.append(LabelError(error.key, given, suggested, error.score))
    return sorted(found, key=lambda error: -error.score)


def ask_neighbours(features: Floats, truth: np.ndarray) -> np.ndarray | None:
    """Classes that most of the nearest images have, bool (n, C); None where there are too few images."""
    if len(features) <= NEIGHBOURS:
        return None
    votes: np.ndarray = truth[find_nearest(normalise_rows(features), NEIGHBOURS)].mean(1) > 0.5
    return votes


def _read_predictions(search: LabelSearch, classes: ClassList) -> tuple[tuple[str, ...], np.ndarray, Floats]:
    if not search.run.is_evaluated(search.split):
        search.evaluate()
    found = read_statistics(search.run, search.split, classes)
    with blame_files(search.run.path):
        (logits,) = read_tensors(search.run.evaluation(search.split) / schema.LOGITS, "logits")
        probabilities: Floats = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return found.keys, found.support.astype(bool), probabilities


def _read_votes(search: LabelSearch, keys: tuple[str, ...], truth: np.ndarray) -> np.ndarray | None:
    folder = search.run.embedding(search.split)
    try:
        if not (folder / schema.FEATURES).exists():
            search.embed()
    except DataError as error:
        say(f"Note: nearest images are not used: {error}")
        return None
    features = load_features(folder)
    place = {key: row for row, key in enumerate(features.keys)}
    return ask_neighbours(features.features[[place[key] for key in keys]], truth)
