"""Whether too much or too little of the network stood still, from the curve, the ledger and the features."""

from finesight.analysis.evidence import read_curve
from finesight.analysis.wording import interval_of, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import Case
from finesight.checks.run.learning_rate import guessing_loss
from finesight.checks.run.training import FEWEST_EPOCHS, LAST_PART, find_gap, given_losses, measure_score
from finesight.metrics.intervals import measure_share, subtract
from finesight.metrics.significance import mcnemar

UNFITTED = 0.3  # training loss at the end / that of guessing: the part that may learn cannot learn even these images
FLAT = 0.05  # of the training loss, its fall over the last part of the epochs: more epochs would not change that
NO_GAP = 0.2  # nats that other images' loss may be above the training loss while nothing is learned by heart
GOOD = 0.95  # accuracy, upper end of its interval, from which there is nothing to mend
READY = 0.05  # accuracy by which neighbours in feature space beat the last layer: the features do, it does not use them
SURE = 0.05


def find_too_deep(case: Case) -> Explanation | None:
    """The tuned part no longer learns, has not learned the training images, and the features do not separate."""
    frozen, tuned = _count_layers(case)
    if not frozen:
        raise NotApplicable("No layer was frozen.")
    if case.has_masks:
        raise NotApplicable("The loss of other masks is not kept, so learning by heart cannot be ruled out.")
    near = measure_share(int((case.votes == case.feature_targets).sum()), len(case.votes))
    losses = [loss for _, loss in read_curve(case.evidence, "train/loss")]
    guessing = guessing_loss(case)
    if len(losses) < FEWEST_EPOCHS or guessing is None:
        raise NotApplicable(f"It takes {FEWEST_EPOCHS} epochs of cross-entropy without class weights.")
    last, part = losses[-1], max(1, round(LAST_PART * len(losses)))
    is_stuck = last > UNFITTED * guessing and losses[-1 - part] - last < FLAT * last
    by_head = measure_score(case)
    held = float(given_losses(case).mean())
    if not is_stuck or held - last > NO_GAP or by_head.high > GOOD or near.value > by_head.value + READY:
        return None
    return Explanation(
        f"With everything before {_first_tuned(case)} frozen ({frozen} of {frozen + tuned} layers), the training loss "
        f"came to rest at {last:.2f}, where guessing has {guessing:.2f}; part {case.split} has {held:.2f}, so nothing "
        f"was learned by heart. The features do not separate the classes: neighbours name {percent(near.value)} of "
        f"images right, the last layer {percent(by_head.value)}."
    )


def find_too_shallow(case: Case) -> Explanation | None:
    """Training images are far ahead, and the features separate the classes no better than before training."""
    right_now = case.votes == case.feature_targets
    _, tuned = _count_layers(case)
    if tuned < 2:
        raise NotApplicable("Only the last layer was tuned.")
    if find_gap(case) is None:
        return None
    if case.start_features is None:
        raise NotApplicable("The weights it started from are not at hand, or it started from none.")
    right_before = case.ask_neighbours(case.start_features()) == case.feature_targets
    won, lost = int((right_now & ~right_before).sum()), int((right_before & ~right_now).sum())
    if won > lost and mcnemar(lost, won) < SURE:
        return None
    after, start = (measure_share(int(right.sum()), len(right)) for right in (right_now, right_before))
    return Explanation(
        f"{tuned} layers were tuned, training images are far ahead of others (V001), and the features are no better "
        f"for it: neighbours name {percent(after.value)} of {case.unit}s right "
        f"({interval_of(after.low, after.high)}), and {percent(start.value)} in the features of the network that "
        f"training started from, {100 * subtract(after, start).value:+.0f} points."
    )


def _count_layers(case: Case) -> tuple[int, int]:
    """(frozen, tuned) layers with weights in the last epoch."""
    if not case.evidence.freezing:
        raise NotApplicable("The run has no freeze ledger: no epoch was finished.")
    states = [layer["state"] for layer in case.evidence.freezing[-1]["layers"]]
    return states.count("frozen"), len(states) - states.count("frozen")


def _first_tuned(case: Case) -> str:
    return str(case.evidence.freezing[-1]["freeze_before"])
