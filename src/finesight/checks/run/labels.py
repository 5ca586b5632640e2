"""Findings about labels, from what the network sees: labels that may be wrong, and classes that are two."""

import numpy as np

from finesight.analysis.distance import Floats, Indices, normalise_rows
from finesight.analysis.label_errors import ODDS, LabelError, find_doubtful_labels, temper
from finesight.analysis.wording import count_of, join_some, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case

BELIEVED = 0.85  # share of labels that network and neighbours, where they agree, do not contradict: wrong labels are
# some in a hundred, so that whoever contradicts more is more often wrong than right about it
BY_LUCK = 0.01  # of that many honest contradictions
SEPARATE = 0.5  # of a class's images, for which neighbours vote for it: else its groups are the network's confusion
FEWEST_IN_GROUPS = 30  # images of a class: two halves of 15 show a valley, where there is one
BY_CHANCE = 0.05  # of seeing groups where there are none, in any of the classes together
STARTS, STEPS = 5, 50  # of two-means: it converges in a few steps, and one of five starts is good


def find_label_errors(case: Case) -> Explanation | None:
    """Labels that `finesight labels` lists, where there are more of them than an honest network of such probabilities
    would have, and where it may be believed.
    """
    from scipy.stats import poisson

    if case.split == "train":
        raise NotApplicable("The network has learned these labels: `finesight labels RUN --split train` doubts them.")
    if case.has_masks:
        return _find_wrong_regions(case)
    votes = align_votes(case)
    doubtful = list_doubtful(case, votes)
    tempered = temper(case.probabilities, _temperature(case))
    honest = sum(map(_chance_of_contradiction, tempered))
    if poisson.sf(len(doubtful) - 1, honest) > BY_LUCK:
        return None
    unanimous = [answer for answer, vote in zip(case.answers, votes, strict=True) if vote == answer.prediction]
    believed = sum(not answer.is_mistake for answer in unanimous) / len(unanimous)
    if believed < BELIEVED:
        raise NotApplicable(
            f"Where network and neighbours agree, only {percent(believed)} of the labels do: too few to doubt a label "
            "by."
        )
    num_known = int((case.targets >= 0).sum())
    labels = [f"{case.label(error.given)} that looks like {case.label(error.suggested)}" for error in doubtful]
    return Explanation(
        f"{count_of(len(doubtful), 'image')} of {num_known:,} ({percent(len(doubtful) / num_known)}) "
        f"{'has' if len(doubtful) == 1 else 'have'} a label that network and neighbours agree is another: "
        f"{join_some(list(dict.fromkeys(labels)), limit=3)}. Were all labels right, about "
        f"{honest:.1f} would be so contradicted. Each is a wrong label or an honest mistake of both: look.",
        tuple(error.key for error in doubtful[:NUM_EXAMPLES]),
    )


def list_doubtful(case: Case, votes: Indices | None) -> list[LabelError]:
    """Labels of images that the network contradicts, the clearest first. votes: of `align_votes`, None without."""
    known = np.flatnonzero(case.targets >= 0)
    keys = [case.answers[row].key for row in known]
    asked = None if votes is None else votes[known]
    return find_doubtful_labels(case.probabilities[known], case.targets[known], keys, asked, _temperature(case))


def align_votes(case: Case) -> Indices:
    """Class index that the neighbours of each answer vote for, -1 where they were not asked."""
    votes = dict(zip(case.features.keys, case.votes.tolist(), strict=True))
    return np.array([votes.get(answer.key, -1) for answer in case.answers], dtype=np.int64)


def _temperature(case: Case) -> float:
    found = case.evidence.calibration
    return found.usable if found else 1.0


def _chance_of_contradiction(shares: Floats) -> float:
    """That the true class is one so improbable that it would be doubted; shares: (C,) of one image."""
    return float(shares[shares * ODDS <= shares.max()].sum())


def _find_wrong_regions(case: Case) -> Explanation | None:
    found = next((each for each in case.evidence.label_errors if each.split == case.split), None)
    if found is None:
        raise NotApplicable("The masks were not searched: `finesight labels RUN` does it.")
    accuracy = case.evaluation.metrics.get("pixel_accuracy", 0.0)
    if accuracy < BELIEVED:
        raise NotApplicable(f"The network is right on {percent(accuracy)} of pixels: too few to doubt a mask by.")
    if not found.errors:
        return None
    labels = [f"{case.label(error.given)} that looks like {case.label(error.suggested)}" for error in found.errors]
    keys = list(dict.fromkeys(error.key for error in found.errors))
    return Explanation(
        f"{count_of(len(found.errors), 'region')} in {len(keys)} of {found.num_samples:,} masks may be of another "
        f"class: {join_some(list(dict.fromkeys(labels)), limit=3)}. Look: `finesight labels RUN` lists them.",
        tuple(keys[:NUM_EXAMPLES]),
    )


def find_split_classes(case: Case) -> Explanation | None:
    features, targets = normalise_rows(case.features.features), case.feature_targets
    enough = [c for c in case.known if (targets == c).sum() >= FEWEST_IN_GROUPS]
    if not enough:
        raise NotApplicable(f"No class has {FEWEST_IN_GROUPS} {case.unit}s here.")
    right = case.votes == targets
    judged = [c for c in enough if right[targets == c].mean() >= SEPARATE]
    if not judged:
        raise NotApplicable("In feature space no class lies apart from the others, so its groups mean nothing.")
    split = [c for c in judged if valley_chance(features[targets == c]) < BY_CHANCE / len(judged)]
    if not split:
        return None
    sentences, keys = [], []
    for c in split:
        own = np.flatnonzero(targets == c)
        centres = find_two_means(features[own], np.random.default_rng(0))
        assert centres is not None
        along = _project(centres, features[own])
        sizes = sorted((int((along < 0.5).sum()), int((along >= 0.5).sum())), reverse=True)
        sentences.append(f"{case.label(c)} into groups of {sizes[0]} and {sizes[1]} {case.unit}s")
        ends = np.argsort(along, kind="stable")
        each = max(1, NUM_EXAMPLES // (2 * len(split)))
        keys += [case.features.keys[own[i]] for i in (*ends[:each], *ends[-each:])]
    verb = "falls" if len(split) == 1 else "fall"
    return Explanation(
        f"In feature space {count_of(len(split), 'class')} of {len(judged)} {verb} apart, with a valley between: "
        f"{join_some(sentences)}. Each may hold two kinds of thing.",
        tuple(dict.fromkeys(keys))[:NUM_EXAMPLES],
    )


def valley_chance(points: Floats, seed: int = 0) -> float:
    """How probable so clear a valley between two halves of points (n, d) is, were they one group.

    Two-means is run on a random half of the points, and the other half is projected onto the line between its centres,
    so that no group is seen only because it was looked for; then the halves change roles. On the line three windows of
    one width are counted: around the middle of either group, and midway. One hump of any shape has at least as many
    points midway as in the emptier of the other two, so the chance is that of a binomial with one half, the larger one
    of both sides.
    """
    from scipy.stats import binom

    random = np.random.default_rng(seed)
    order = random.permutation(len(points))
    halves = np.split(order, [len(order) // 2])
    counts = np.zeros(3, dtype=int)
    for fitted, asked in (halves, halves[::-1]):
        centres = find_two_means(points[fitted], random)
        if centres is None:
            return 1.0
        along = _project(centres, points[asked])
        sides = along[along < 0.5], along[along >= 0.5]
        if min(map(len, sides)) < 2:
            return 1.0
        first, last = map(np.median, sides)
        windows = np.abs((along - first) / (last - first) - np.array([[0.0], [0.5], [1.0]])) < 1 / 6
        counts += windows.sum(1)
    left, midway, right = counts
    return float(max(binom.cdf(midway, midway + side, 0.5) for side in (left, right)))


def find_two_means(points: Floats, random: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Centres (d,) of the best split of points (n, d) in two. Lloyd 1982; None where all points are the same."""
    best: tuple[float, tuple[Floats, Floats]] | None = None
    for _ in range(STARTS):
        first, second = points[random.choice(len(points), 2, replace=False)]
        for _ in range(STEPS):
            far = ((points - first) ** 2).sum(1) > ((points - second) ** 2).sum(1)
            if far.all() or not far.any():
                break
            before = first, second
            first, second = points[~far].mean(0), points[far].mean(0)
            if np.array_equal(before[0], first) and np.array_equal(before[1], second):
                break
        if far.all() or not far.any():
            continue
        spread = float(((points[~far] - first) ** 2).sum() + ((points[far] - second) ** 2).sum())
        if best is None or spread < best[0]:
            best = spread, (first, second)
    return best[1] if best else None


def _project(centres: tuple[Floats, Floats], points: Floats) -> Floats:
    """Place of points (n, d) on the line between the centres: 0 at the first, 1 at the second."""
    line = centres[1] - centres[0]
    along: Floats = (points - centres[0]) @ line / (line @ line)
    return along
