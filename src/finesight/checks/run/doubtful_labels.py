"""Labels of images that the model and the nearest images contradict."""

import numpy as np

from finesight.analysis.distance import Indices
from finesight.analysis.label_errors import LabelError, find_doubtful_labels
from finesight.checks.run.case import Case


def list_doubtful(case: Case, votes: Indices | None) -> list[LabelError]:
    """The clearest first. votes: of `align_votes`, None without."""
    known = np.flatnonzero(case.targets >= 0)
    keys = [case.predictions[row].key for row in known]
    votes = None if votes is None else votes[known]
    return find_doubtful_labels(case.probabilities.select(known), case.targets[known], keys, votes, temperature(case))


def align_votes(case: Case) -> Indices:
    """Class index that the neighbours of each image vote for, -1 where there was no vote."""
    votes = dict(zip(case.features.keys, case.votes.tolist(), strict=True))
    return np.array([votes.get(image.key, -1) for image in case.predictions], dtype=np.int64)


def temperature(case: Case) -> float:
    found = case.evidence.calibration
    return found.usable if found else 1.0
