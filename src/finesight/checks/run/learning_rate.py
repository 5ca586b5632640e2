"""Whether the learning rate was too high or too low, from the curve of the training loss and from the features."""

import itertools
import math
from typing import Any

import numpy as np

from finesight.analysis.evidence import read_curve
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import Case
from finesight.checks.run.training import check_length, measure_score
from finesight.metrics.intervals import measure_share, subtract

RISE = 0.1  # of the training loss over its lowest before, as a share of it; good rates let it fall
RISE_NATS = 0.05  # and at least so much: a loss near 0 doubles for nothing
NOISE = 3.0  # standard errors of an epoch's mean loss, and at least so much
LAG = 0.1  # accuracy of neighbours in feature space - that of the last layer, lower end of the interval
LITTLE_FALL = 0.2  # of the training loss over all epochs, where a good rate takes most of it off
FAR = 0.5  # of the loss of guessing: what is below has been learned
STRAIGHT = 0.65  # of the fall that is done by half of the summed rates; 0.5 is a straight line, 0.8 and more is usual


def find_bad_rate(case: Case) -> Explanation | None:
    """Too high where the training loss jumps up, or falls to no better than guessing; too low where the last layer is
    behind the features, or where the loss falls a little, and straight on.
    """
    curve = read_curve(case.evidence, "train/loss")
    check_length(len(curve))
    images = len(case.evidence.splits.get("train", ()))
    if not images:
        raise NotApplicable("The run does not list its training images.")
    error = 1 / math.sqrt(images)  # of an epoch's mean loss, as a share of it: images vary as much as it is high
    return (
        _find_jump(case, curve, NOISE * error)
        or _find_lag(case)
        or _find_nothing_learned(case, curve, error)
        or _find_crawl(case, curve, error)
    )


def _find_jump(case: Case, curve: list[tuple[int, float]], noise: float) -> Explanation | None:
    changed = epochs_of_thaw(case.evidence.freezing)
    jumps = []
    for place in range(1, len(curve)):
        epoch, loss = curve[place]
        lowest = min(before for _, before in curve[:place])
        if epoch not in changed and loss - lowest > max(max(RISE, noise) * lowest, RISE_NATS):
            jumps.append((loss - lowest, epoch, loss, lowest))
    if not jumps:
        return None
    _, epoch, loss, lowest = max(jumps)
    return Explanation(
        f"The training loss rose from {lowest:.3f} to {loss:.3f} in epoch {epoch}, and in {len(jumps)} of {len(curve)} "
        f"epochs stood clearly above its lowest: the learning rate, {_highest_rate(case):.1g} at most, is probably too "
        "high."
    )


def _find_lag(case: Case) -> Explanation | None:
    try:
        near = measure_share(int((case.votes == case.feature_targets).sum()), len(case.votes))
    except NotApplicable:  # the curve has still something to say
        return None
    head = measure_score(case)
    if subtract(near, head).low < LAG:
        return None
    return Explanation(
        f"The last layer names {percent(head.value)} of images right, a vote of each image's neighbours in feature "
        f"space {percent(near.value)}: it has not learned what the features hold. The learning rate, "
        f"{_highest_rate(case):.1g} at most, is too low for it, or the epochs are too few."
    )


def _find_nothing_learned(case: Case, curve: list[tuple[int, float]], error: float) -> Explanation | None:
    guessing, losses = guessing_loss(case), [loss for _, loss in curve]
    if guessing is None or min(losses) < (1 - error) * guessing:
        return None
    if losses[0] - losses[-1] > LITTLE_FALL * losses[0]:
        verdict = "probably too high: the network was thrown off"
    else:
        verdict = "far too low, or so high that the network broke in the first epoch"
    return Explanation(
        f"The training loss, {losses[0]:.2f} in the first epoch and {losses[-1]:.2f} in the last, was never below "
        f"{min(losses):.2f}, where guessing by how frequent classes are has {guessing:.2f}. The learning rate, "
        f"{_highest_rate(case):.1g} at most, is {verdict}."
    )


def _find_crawl(case: Case, curve: list[tuple[int, float]], error: float) -> Explanation | None:
    losses = [loss for _, loss in curve]
    first, last, guessing = losses[0], losses[-1], guessing_loss(case)
    if first - last > LITTLE_FALL * first or (guessing is not None and last < FAR * guessing):
        return None
    if first - last < error * first:
        return None  # no fall at all has no shape
    share = _share_by_half(case, losses)
    if share is None or share > STRAIGHT:
        return None
    return Explanation(
        f"The training loss fell by only {percent((first - last) / first)}, from {first:.3f} to {last:.3f}, and was "
        f"still falling as fast as at the start: {percent(share)} of the way was done by half of the summed learning "
        f"rates. The learning rate, {_highest_rate(case):.1g} at most, is probably too low."
    )


def _share_by_half(case: Case, losses: list[float]) -> float | None:
    """Share of the fall after the first epoch that was done when half of the learning rates after it was summed up."""
    rates = [rate for _, rate in read_curve(case.evidence, "lr")]
    if len(rates) != len(losses):
        return None
    spent = np.cumsum([0.0, *((a + b) / 2 for a, b in itertools.pairwise(rates))])  # each line tells a last
    half = float(np.interp(spent[-1] / 2, spent, losses))
    return (losses[0] - half) / (losses[0] - losses[-1])


def guessing_loss(case: Case) -> float | None:
    """Cross-entropy of always answering with the classes' frequencies in the training part; None where unknown.

    Also where another loss was trained, or classes were weighted.
    """
    loss, counts = case.evidence.settings.loss, case.evidence.class_counts.get("train")
    if loss.name != "cross_entropy" or loss.class_weights != "none" or not counts or not sum(counts):
        return None
    shares = np.array(counts)[np.array(counts) > 0] / sum(counts)
    return float(-(shares * np.log(shares)).sum())


def epochs_of_thaw(freezing: list[dict[str, Any]]) -> set[int]:
    """First epochs with more layers tuned than before, in which the loss may jump for a good reason."""
    pairs = itertools.pairwise(freezing)
    return {after["epoch"] for before, after in pairs if before["freeze_before"] != after["freeze_before"]}


def _highest_rate(case: Case) -> float:
    return case.evidence.settings.optim.lr
