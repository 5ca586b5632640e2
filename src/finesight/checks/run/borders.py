"""Whether a segmentation errs along the borders of segments or inside them."""

import numpy as np
import torch
import torch.nn.functional as F

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.classes import IGNORE_INDEX
from finesight.metrics.boundary import border_width, near_border
from finesight.metrics.intervals import bootstrap
from finesight.metrics.significance import divide

MOST_IMAGES = 200  # looked at; an interval from so many is narrow enough
FEWEST_IMAGES = 10  # a bootstrap over fewer makes intervals that are too narrow
TIMES = 2.0  # the error rate near borders is that of the rest, lower end of its interval; some excess is in every mask
MOST_ERRORS = 0.5  # of all errors: the larger part sits there
NARROW = 0.6  # share of pixels near borders from which on there is hardly any inside to compare with


def find_border_errors(case: Case) -> Explanation | None:
    if not len(case.pixels):
        raise NotApplicable("There is no image.")
    step = -(-len(case.keys) // MOST_IMAGES)
    rows = {key: row for key in case.keys[::step] if (row := _count(case, key)) is not None}
    if len(rows) < FEWEST_IMAGES:
        raise NotApplicable(f"True and predicted masks are at hand of {len(rows)} images; it takes {FEWEST_IMAGES}.")
    table = np.array(list(rows.values()), dtype=float)
    near_wrong, near, far_wrong, far = table.sum(0)
    if near > NARROW * (near + far) or not far:
        raise NotApplicable(f"{percent(near / (near + far))} of the pixels lie near a border; there is no inside.")
    if not near_wrong + far_wrong:
        return None
    ratio = bootstrap(table, _compare_rates)[0]
    share = near_wrong / (near_wrong + far_wrong)
    if share < MOST_ERRORS or (ratio is not None and ratio.low < TIMES):
        return None
    times = f", {ratio.value:.1f} times (95 % interval {ratio.low:.1f} to {ratio.high:.1f})" if ratio else ""
    worst = sorted(rows, key=lambda key: -rows[key][0])
    return Explanation(
        f"{percent(share)} of the wrong pixels lie near a border between true classes, where "
        f"{percent(near / (near + far))} of all pixels are: {percent(near_wrong / near)} are wrong there and "
        f"{percent(far_wrong / far)} elsewhere{times}, on {len(rows)} images.",
        tuple(worst[:NUM_EXAMPLES]),
    )


def _compare_rates(sums: Floats) -> Floats:
    return divide(divide(sums[:, :1], sums[:, 1:2]), divide(sums[:, 2:3], sums[:, 3:]))


def _count(case: Case, key: str) -> tuple[int, int, int, int] | None:
    """Pixels near a border of the true mask: wrong, all; and those elsewhere: wrong, all. None without masks.

    Near: within 2 % of the image's diagonal, as boundary IoU has it, but of a border between classes only.
    """
    masks = case.read_masks(key)
    if masks is None:
        return None
    truth, predicted = masks
    near = find_class_borders(truth)
    known = truth != IGNORE_INDEX
    if case.evidence.classes.ignore is not None:
        known &= truth != case.evidence.classes.ignore
    wrong = known & (truth != predicted)
    near &= known
    return int((wrong & near).sum()), int(near.sum()), int((wrong & ~near).sum()), int((known & ~near).sum())


def find_class_borders(truth: Indices) -> np.ndarray:
    """Whether a pixel of mask (h, w) is near one of another class, bool; the image's edge is no border."""
    height, width = truth.shape
    reach = border_width(height, width)
    mask = torch.from_numpy(np.ascontiguousarray(truth)).to(torch.float32)
    framed = F.pad(mask[None, None], (reach + 1,) * 4, mode="replicate")[0, 0]
    inside = slice(reach + 1, -(reach + 1))
    borders: np.ndarray = near_border(framed, reach)[inside, inside].numpy()
    return borders
