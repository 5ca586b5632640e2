"""Whether the network is as often right as it is sure."""

import math

from finesight.insight.evidence import find_mistakes
from finesight.insight.findings.contract import NUM_EXAMPLES, Case, Explanation, NotApplicable
from finesight.insight.wording import percent

FEWEST_PICTURES = 30  # for the mean of as many to vary as a normal number does
TOO_SURE = 0.05  # mean confidence - accuracy, lower end of its interval; one picture in twenty


def find_over_confidence(case: Case) -> Explanation | None:
    right = case.predictions == case.targets
    if len(right) < FEWEST_PICTURES:
        raise NotApplicable(f"{len(right)} pictures cannot tell; it takes {FEWEST_PICTURES}.")
    confidence = case.probabilities.max(1)
    excess = confidence - right
    gap, reach = excess.mean(), 1.96 * excess.std(ddof=1) / math.sqrt(len(excess))
    if gap - reach < TOO_SURE:
        return None
    return Explanation(
        f"Its mean confidence is {percent(confidence.mean())}, but it is right on {percent(right.mean())} of "
        f"{len(right):,} pictures: {100 * gap:.0f} points too sure (95 % interval {100 * (gap - reach):.0f} to "
        f"{100 * (gap + reach):.0f}).",
        tuple(answer.key for answer in find_mistakes(case.answers)[:NUM_EXAMPLES]),
    )
