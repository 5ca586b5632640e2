import itertools
import math
from collections.abc import Sequence

import numpy as np

from finesight.analysis.evidence import read_curve
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.history import check_length, guessing_loss
from finesight.metrics.intervals import measure_fraction, subtract
from finesight.run.journal import LedgerEntry

RISE = 0.1  # of the training loss over its lowest before, as a fraction of it; good rates let it fall
RISE_NATS = 0.05  # and at least so much: a loss near 0 doubles easily
NOISE = 3.0  # standard errors of an epoch's mean loss, and at least so much
LAG = 0.1  # accuracy of neighbours in feature space - that of the head, lower end of the interval
LITTLE_FALL = 0.2  # of the training loss over all epochs, where a good rate takes most of it off
FAR = 0.5  # of the loss of guessing: below, the model has some skill
STRAIGHT = 0.65  # of the fall that is done by half of the summed rates; 0.5 is a straight line, 0.8 and more is usual


@check("V015", "The learning rate looks out of range", "warning")
def learning_rate(case: Case) -> Explanation | None:
    """Too high where the training loss jumps up, or falls to no better than guessing; too low where the head lags
    behind the features, or where the loss falls a little, and in a straight line.
    """
    curve = read_curve(case.evidence, "train/loss")
    check_length(len(curve))
    images = len(case.evidence.splits.get("train", ()))
    if not images:
        raise NotApplicable("The run does not list its training images.")
    error = 1 / math.sqrt(images)  # of an epoch's mean loss, as a fraction of it: images vary as much as it is high
    return (
        _find_jump(case, curve, NOISE * error)
        or _find_lag(case)
        or _find_no_progress(case, curve, error)
        or _find_crawl(case, curve, error)
    )


def _find_jump(case: Case, curve: list[tuple[int, float]], noise: float) -> Explanation | None:
    changed = unfreezing_epochs(case.evidence.ledger)
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
        f"epochs was clearly above its lowest: {_name_rate(case)} is probably too high."
    )


def _find_lag(case: Case) -> Explanation | None:
    try:
        near, head = (
            measure_fraction(int(right.sum()), len(right)) for right in (case.is_vote_right, case.is_head_right)
        )
    except NotApplicable:  # the curve may still show something
        return None
    if subtract(near, head).low < LAG:
        return None
    return Explanation(
        f"The head is right on {percent(head.value)} of {case.feature_unit}s, a vote of each {case.feature_unit}'s "
        f"neighbours in feature space on {percent(near.value)}: the head does not use the features fully. "
        f"{_name_rate(case).capitalize()} is too low for it, or the epochs are too few."
    )


def _find_no_progress(case: Case, curve: list[tuple[int, float]], error: float) -> Explanation | None:
    guessing, losses = guessing_loss(case), [loss for _, loss in curve]
    if guessing is None or min(losses) < (1 - error) * guessing:
        return None
    if losses[0] - losses[-1] > LITTLE_FALL * losses[0]:
        verdict = "probably too high: it destroyed the pretrained weights at the start"
    else:
        verdict = "far too low, or so high that training diverged in the first epoch"
    return Explanation(
        f"The training loss, {losses[0]:.2f} in the first epoch and {losses[-1]:.2f} in the last, was never below "
        f"{min(losses):.2f}, where guessing by class frequencies has {guessing:.2f}. {_name_rate(case).capitalize()} "
        f"is {verdict}."
    )


def _find_crawl(case: Case, curve: list[tuple[int, float]], error: float) -> Explanation | None:
    losses = [loss for _, loss in curve]
    first, last, guessing = losses[0], losses[-1], guessing_loss(case)
    if first - last > LITTLE_FALL * first or (guessing is not None and last < FAR * guessing):
        return None
    if first - last < error * first:
        return None  # without a fall there is no shape
    fraction = _fall_by_half(case, losses)
    if fraction is None or fraction > STRAIGHT:
        return None
    return Explanation(
        f"The training loss fell by only {percent((first - last) / first)}, from {first:.3f} to {last:.3f}, and was "
        f"still falling as fast as at the start: {percent(fraction)} of the fall was done by half of the summed "
        f"learning rates. {_name_rate(case).capitalize()} is probably too low."
    )


def _fall_by_half(case: Case, losses: list[float]) -> float | None:
    """Fraction of the fall after the first epoch that was done when half of the later learning rates were summed up."""
    rates = [rate for _, rate in read_curve(case.evidence, "lr")]
    if len(rates) != len(losses):
        return None
    spent = np.cumsum([0.0, *((a + b) / 2 for a, b in itertools.pairwise(rates))])  # a line holds the epoch's last rate
    half = float(np.interp(spent[-1] / 2, spent, losses))
    return (losses[0] - half) / (losses[0] - losses[-1])


def unfreezing_epochs(ledger: Sequence[LedgerEntry]) -> set[int]:
    """First epochs with more layers trained than before, in which the loss may jump for a good reason."""
    pairs = itertools.pairwise(ledger)
    return {after.epoch for before, after in pairs if before.freeze_before != after.freeze_before}


def _name_rate(case: Case) -> str:
    return f"the learning rate, {case.evidence.settings.optim.lr:.1g} at most,"
