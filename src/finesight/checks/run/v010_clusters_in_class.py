import numpy as np

from finesight.analysis.distance import normalise_rows
from finesight.analysis.wording import count_of, join_some
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.checks.run.two_groups import find_two_means, project_between, valley_chance

SEPARATE = 0.5  # of a class's images, for which neighbours vote for it: else its clusters are confusions
FEWEST_IMAGES = 30  # of a class: two halves of 15 show a valley, where there is one
BY_CHANCE = 0.05  # of seeing clusters where there are none, in any of the classes together


@check("V010", "A class splits into clusters", "note")
def clusters_in_class(case: Case) -> Explanation | None:
    features, targets, unit = normalise_rows(case.features.features), case.feature_targets, case.feature_unit
    enough = [c for c in range(len(case.evidence.classes)) if (targets == c).sum() >= FEWEST_IMAGES]
    if not enough:
        raise NotApplicable(f"No class has {FEWEST_IMAGES} {unit}s in this split.")
    judged = [c for c in enough if case.is_vote_right[targets == c].mean() >= SEPARATE]
    if not judged:
        raise NotApplicable("In feature space no class is separate from the others, so its clusters mean nothing.")
    split = [c for c in judged if valley_chance(features[targets == c]) < BY_CHANCE / len(judged)]
    if not split:
        return None
    sentences, keys = [], []
    for c in split:
        own = np.flatnonzero(targets == c)
        centres = find_two_means(features[own], np.random.default_rng(0))
        assert centres is not None
        along = project_between(centres, features[own])
        sizes = sorted((int((along < 0.5).sum()), int((along >= 0.5).sum())), reverse=True)
        sentences.append(f"{case.label(c)} into {sizes[0]} and {sizes[1]} {unit}s")
        ends = np.argsort(along, kind="stable")
        each = max(1, NUM_EXAMPLES // (2 * len(split)))
        keys += [case.features.keys[own[i]] for i in (*ends[:each], *ends[-each:])]
    return Explanation(
        f"In feature space {count_of(len(split), 'class')} of {len(judged)} {'splits' if len(split) == 1 else 'split'} "
        f"into two clusters with a gap between: {join_some(sentences)}. Each may contain two subclasses.",
        tuple(dict.fromkeys(keys))[:NUM_EXAMPLES],
    )
