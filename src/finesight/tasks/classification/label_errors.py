"""Labels of images that are probably wrong."""

import numpy as np

from finesight.analysis.distance import Indices, find_nearest, normalise_rows
from finesight.analysis.evidence import read_evidence
from finesight.analysis.label_errors import (
    CROSS_FITTED,
    HELD_OUT,
    ODDS,
    LabelErrors,
    cross_fit_probabilities,
    find_doubtful_labels,
)
from finesight.analysis.projection import elect
from finesight.analysis.wording import count_of
from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import NEIGHBOURS, Case
from finesight.checks.run.doubtful_labels import align_votes, list_doubtful
from finesight.errors import DataError, blame_files
from finesight.progress import say
from finesight.task import Task
from finesight.tasks.contract import LabelSearch

RULE = f"at least {ODDS} to 1, and where nearest images are known, in agreement with them"
AGREED = ", and by the classes of the ten nearest images"


def find_wrong_images(search: LabelSearch, task: Task) -> LabelErrors:
    """By the model's predictions for images it was not trained on; of the others by cross-fitted classifiers."""
    if search.split == "train":
        return _find_trained_images(search)
    if not search.run.is_evaluated(search.split):
        search.evaluate()
    case = Case(search.run, read_evidence(search.run, search.split, task))
    votes = _ask_neighbours(search, case)
    with blame_files(search.run.path):
        errors = list_doubtful(case, votes)
    contradicted = sum(image.is_error for image in case.evaluation.images)
    say(f"Of {count_of(contradicted, 'label')} that the model contradicts, {len(errors):,} probably wrong: {RULE}.")
    return LabelErrors(search.split, len(case.keys), HELD_OUT + AGREED * (votes is not None), tuple(errors))


def _ask_neighbours(search: LabelSearch, case: Case) -> Indices | None:
    """Votes on each label; None, and said so, where the images are missing or too few."""
    try:
        if case.evidence.embedding is None:
            search.embed()
            case = Case(search.run, read_evidence(search.run, search.split, case.evidence.task))
        return align_votes(case)
    except (DataError, NotApplicable) as error:
        say(f"Note: nearest images are not used: {error}")
        return None


def _find_trained_images(search: LabelSearch) -> LabelErrors:
    dataset, features = search.open_split(), search.compute_features()
    targets = np.asarray(dataset.targets)
    say("Fitting linear classifiers on four fifths of the features, five times.")
    probabilities = cross_fit_probabilities(features, targets, len(search.run.read_classes()))
    votes = None
    if len(features) > NEIGHBOURS:
        votes = elect(targets[find_nearest(normalise_rows(features), NEIGHBOURS)])
    errors = find_doubtful_labels(probabilities, targets, dataset.keys, votes)
    return LabelErrors("train", len(dataset), CROSS_FITTED + AGREED * (votes is not None), tuple(errors))
