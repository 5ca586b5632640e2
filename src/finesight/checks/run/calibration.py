"""Whether the network is as often right as it is sure."""

import math

from finesight.analysis.evidence import find_mistakes
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case

FEWEST_IMAGES = 30  # for the mean of as many to vary as a normal number does
TOO_SURE = 0.05  # mean confidence - accuracy, lower end of its interval; one image in twenty


def find_over_confidence(case: Case) -> Explanation | None:
    if len(case.keys) < FEWEST_IMAGES:
        raise NotApplicable(f"{len(case.keys)} images cannot tell; it takes {FEWEST_IMAGES}.")
    confidence, right, reach = _measure_pixels(case) if case.has_masks else _measure_images(case)
    gap = confidence - right
    if gap - reach < TOO_SURE:
        return None
    unit = "pixels" if case.has_masks else "images"
    return Explanation(
        f"Its mean confidence is {percent(confidence)}, but it is right on {percent(right)} of the {unit}: "
        f"{100 * gap:.0f} points too sure (95 % interval {100 * (gap - reach):.0f} to {100 * (gap + reach):.0f}, "
        f"{len(case.keys):,} images).",
        () if case.has_masks else tuple(answer.key for answer in find_mistakes(case.answers)[:NUM_EXAMPLES]),
    )


def _measure_images(case: Case) -> tuple[float, float, float]:
    """(mean confidence, accuracy, half the width of their difference's interval)."""
    confidence, right = case.probabilities.max(1), case.predictions == case.targets
    excess = confidence - right
    return float(confidence.mean()), float(right.mean()), float(1.96 * excess.std(ddof=1) / math.sqrt(len(excess)))


def _measure_pixels(case: Case) -> tuple[float, float, float]:
    """The same of a sample of pixels, whose images are what is independent."""
    found = case.evidence.calibration
    if found is None or found.split != case.split:
        raise NotApplicable("Confidences of masks are kept of the validation part only: `finesight evaluate RUN`.")
    before = found.before
    # no share of an image's pixels varies more than a single draw does
    return (
        before.confidence,
        before.accuracy,
        1.96 * math.sqrt(before.accuracy * (1 - before.accuracy) / len(case.keys)),
    )
