import math

from finesight.analysis.evidence import judged_metric, read_curve
from finesight.checks.contract import Explanation, check
from finesight.checks.run.case import Case
from finesight.checks.run.history import check_length, last_part
from finesight.metrics.confusion import LOWER_IS_BETTER
from finesight.metrics.metric_labels import label_metric

LEAST_GAIN = 0.01  # of the metric in the last part; less is not worth an epoch


@check("V012", "Still improving when training ended", "note")
def unfinished(case: Case) -> Explanation | None:
    name = judged_metric(case.evidence)
    is_loss = name in LOWER_IS_BETTER
    curve = [value for _, value in read_curve(case.evidence, f"val/{name}")]
    check_length(len(curve))
    values = [math.exp(-value) if is_loss else value for value in curve]  # a loss as the probability it stands for
    part = last_part(len(values))
    before, last = max(values[:-part]), values[-1]
    images = len(case.evidence.splits.get("val", ())) or len(case.keys)
    # no number between 0 and 1 varies more than a fraction does: variance at most v (1 - v)
    error = math.sqrt(last * (1 - last) / images) if 0 <= last <= 1 else 0.0
    if last < max(values) or last - before < max(LEAST_GAIN, error):
        return None
    best_before = (min if is_loss else max)(curve[:-part])
    text = (
        f"{label_metric(name)} of the validation split was best in the last of {len(curve)} epochs, {curve[-1]:.3f}: "
        f"{'a fall' if is_loss else 'a gain'} of {abs(curve[-1] - best_before):.3f} over the best before the last "
        f"{part}."
    )
    rates = [rate for _, rate in read_curve(case.evidence, "lr")]
    if rates and rates[-1] < 0.1 * max(rates):
        text += (
            f" The learning rate had fallen to {rates[-1]:.1g}, so continuing changes nothing: more epochs take a new "
            "run."
        )
    return Explanation(text)
