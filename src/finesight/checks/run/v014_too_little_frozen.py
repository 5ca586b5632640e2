from finesight.analysis.wording import interval_of, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.history import count_layers
from finesight.checks.run.per_class import SIGNIFICANT
from finesight.checks.run.v001_overfitting import overfitting
from finesight.metrics.intervals import measure_fraction, subtract
from finesight.metrics.significance import mcnemar


@check("V014", "Too little may be frozen", "warning", cost="slow")
def too_little_frozen(case: Case) -> Explanation | None:
    """The model overfits, and the features separate the classes no better than before training."""
    right_now = case.is_vote_right
    _, trained = count_layers(case)
    if trained < 2:
        raise NotApplicable("Only the head was trained.")
    if overfitting.judge(case) is None:
        return None
    if case.start_features is None:
        raise NotApplicable("The initial weights are not on this machine, or training started from random weights.")
    right_before = case.ask_neighbours(case.start_features()) == case.feature_targets
    won, lost = int((right_now & ~right_before).sum()), int((right_before & ~right_now).sum())
    if won > lost and mcnemar(lost, won) < SIGNIFICANT:
        return None
    after, start = (measure_fraction(int(right.sum()), len(right)) for right in (right_now, right_before))
    return Explanation(
        f"{trained} layers were trained, the model overfits (V001), and the features are no better for it: neighbours "
        f"are right on {percent(after.value)} of {case.feature_unit}s ({interval_of(after.low, after.high)}), and on "
        f"{percent(start.value)} in the features before training, {100 * subtract(after, start).value:+.0f} points."
    )
