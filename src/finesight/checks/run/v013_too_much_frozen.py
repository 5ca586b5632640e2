from finesight.analysis.evidence import read_curve
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.history import FEWEST_EPOCHS, count_layers, guessing_loss, last_part
from finesight.metrics.intervals import measure_fraction

UNDERFITTED = 0.3  # training loss at the end / that of guessing: the trained layers cannot fit even these images
FLAT = 0.05  # of the training loss, its fall over the last part of the epochs: more epochs would not change it
NO_GAP = 0.2  # nats that the loss of other images may be above the training loss without overfitting
GOOD = 0.95  # accuracy, upper end of its interval, from which there is nothing to improve
READY = 0.05  # accuracy by which neighbours in feature space beat the head: the features separate, the head lags


@check("V013", "Too much may be frozen", "warning")
def too_much_frozen(case: Case) -> Explanation | None:
    """The trained layers no longer improve, do not fit the training images, and the features do not separate."""
    frozen, trained = count_layers(case)
    if not frozen:
        raise NotApplicable("No layer was frozen.")
    if not case.statistics.is_one_unit:
        raise NotApplicable("The loss of this split is not kept, so overfitting cannot be ruled out.")
    near = measure_fraction(int(case.is_vote_right.sum()), len(case.votes))
    losses = [loss for _, loss in read_curve(case.evidence, "train/loss")]
    guessing = guessing_loss(case)
    if len(losses) < FEWEST_EPOCHS or guessing is None:
        raise NotApplicable(f"This check needs {FEWEST_EPOCHS} epochs of cross-entropy without class weights.")
    last = losses[-1]
    is_stuck = last > UNDERFITTED * guessing and losses[-1 - last_part(len(losses))] - last < FLAT * last
    head = case.measure_score()
    held = float(case.image_losses().mean())
    if not is_stuck or held - last > NO_GAP or head.high > GOOD or near.value > head.value + READY:
        return None
    return Explanation(
        f"With everything before {case.evidence.ledger[-1].freeze_before} frozen ({frozen} of {frozen + trained} "
        f"layers), the training loss stopped falling at {last:.2f}, where guessing has {guessing:.2f}; split "
        f"{case.split} has {held:.2f}, so the model does not overfit. The features do not separate the classes: "
        f"neighbours are right on {percent(near.value)} of images, the head on {percent(head.value)}."
    )
