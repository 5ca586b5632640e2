import math

import numpy as np

from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case

FEWEST_IMAGES = 30  # for the mean of as many to be normally distributed
OVERCONFIDENT = 0.05  # mean confidence - accuracy, lower end of its interval; one image in twenty


@check("V006", "Overconfident predictions", "warning")
def overconfident(case: Case) -> Explanation | None:
    if len(case.keys) < FEWEST_IMAGES:
        raise NotApplicable(f"{len(case.keys)} images are too few; this check needs {FEWEST_IMAGES}.")
    measure = _measure_images if case.statistics.is_one_unit else _measure_sample
    confidence, accuracy, reach = measure(case)
    gap = confidence - accuracy
    if gap - reach < OVERCONFIDENT:
        return None
    return Explanation(
        f"The mean confidence is {percent(confidence)}, but {percent(accuracy)} of the {case.statistics.unit}s are "
        f"right: {100 * gap:.0f} points overconfident (95 % interval {100 * (gap - reach):.0f} to "
        f"{100 * (gap + reach):.0f}, {len(case.keys):,} images).",
        case.list_images() if case.statistics.is_one_unit else (),
    )


def _measure_images(case: Case) -> tuple[float, float, float]:
    """(mean confidence, accuracy, half the width of their difference's interval)."""
    confidence = np.concatenate([block.max(1) for block in case.probabilities.blocks()])
    right = case.statistics.hits.any(1)
    excess = confidence - right
    return float(confidence.mean()), float(right.mean()), float(1.96 * excess.std(ddof=1) / math.sqrt(len(excess)))


def _measure_sample(case: Case) -> tuple[float, float, float]:
    """The same of a sample of units, of which only the images are independent."""
    found = case.evidence.calibration
    if found is None or found.split != case.split:
        raise NotApplicable(
            f"Confidences of {case.statistics.unit}s are saved for the validation split only: `finesight evaluate RUN`."
        )
    confidence, accuracy = found.before.confidence, found.before.accuracy
    # no fraction of an image's pixels varies more than a single draw does
    return confidence, accuracy, 1.96 * math.sqrt(accuracy * (1 - accuracy) / len(case.keys))
