import numpy as np
import torch
import torch.nn.functional as F

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.wording import percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.data.images.image import UnreadableImage
from finesight.data.masks.looks import read_mask
from finesight.metrics.boundary import border_width, near_border
from finesight.metrics.intervals import bootstrap
from finesight.metrics.significance import divide
from finesight.run import schema

MOST_IMAGES = 200  # looked at; their interval is narrow enough
FEWEST_IMAGES = 10  # a bootstrap over fewer makes intervals that are too narrow
TIMES = 2.0  # the error rate near borders is that of the rest, lower end of its interval; some excess is in every mask
MOST_ERRORS = 0.5  # fraction of all errors near borders
NARROW = 0.6  # fraction of pixels near borders from which on there is hardly any inside to compare with


@check("V011", "Errors concentrate at class borders", "note", cost="slow")
def border_errors(case: Case) -> Explanation | None:
    if not len(case.keys):
        raise NotApplicable("The split has no images.")
    if not (case.run.evaluation(case.split) / schema.PREDICTED_MASKS).is_dir():
        raise NotApplicable("This check needs predicted masks; this run has none.")
    step = -(-len(case.keys) // MOST_IMAGES)
    rows = {key: row for key in case.keys[::step] if (row := _count_errors(case, key)) is not None}
    if len(rows) < FEWEST_IMAGES:
        raise NotApplicable(
            f"True and predicted masks of {len(rows)} images are available; this check needs {FEWEST_IMAGES}."
        )
    table = np.array(list(rows.values()), dtype=float)
    near_wrong, near, far_wrong, far = table.sum(0)
    if near > NARROW * (near + far) or not far:
        raise NotApplicable(
            f"{percent(near / (near + far))} of the pixels are near a border; too few are left to compare with."
        )
    if not near_wrong + far_wrong:
        return None
    ratio = bootstrap(table, _compare_rates)[0]
    fraction = near_wrong / (near_wrong + far_wrong)
    if fraction < MOST_ERRORS or (ratio is not None and ratio.low < TIMES):
        return None
    times = f", {ratio.value:.1f} times (95 % interval {ratio.low:.1f} to {ratio.high:.1f})" if ratio else ""
    worst = sorted(rows, key=lambda key: -rows[key][0])
    return Explanation(
        f"{percent(fraction)} of the wrong pixels are near a border between true classes, where "
        f"{percent(near / (near + far))} of all pixels are: {percent(near_wrong / near)} are wrong there and "
        f"{percent(far_wrong / far)} elsewhere{times}, on {len(rows)} images.",
        tuple(worst[:NUM_EXAMPLES]),
    )


def _compare_rates(sums: Floats) -> Floats:
    return divide(divide(sums[:, :1], sums[:, 1:2]), divide(sums[:, 2:3], sums[:, 3:]))


def _count_errors(case: Case, key: str) -> tuple[int, int, int, int] | None:
    """Pixels near a border of the true mask: wrong, all; and those elsewhere: wrong, all. None without masks.

    Near: within 2 % of the image's diagonal, as boundary IoU has it, but of a border between classes only.
    """
    masks = read_masks(case, key)
    if masks is None:
        return None
    truth, predicted = masks
    known = np.isin(truth, case.statistics.scored)
    wrong = known & (truth != predicted)
    near = find_class_borders(truth) & known
    return int((wrong & near).sum()), int(near.sum()), int((wrong & ~near).sum()), int((known & ~near).sum())


def read_masks(case: Case, key: str) -> tuple[Indices, Indices] | None:
    """(true, predicted) mask of an image, class indices uint8 (h, w); None where one of them is missing."""
    if key not in case.items:
        return None
    try:
        raw = read_mask(case.run.evaluation(case.split) / schema.PREDICTED_MASKS / schema.mask_file(key))
    except UnreadableImage:
        return None
    height, width = raw.codes.shape
    truth = case.evidence.task.targets.read_mask(case.items[key], (height, width), case.fit, case.rule)
    return None if truth is None or raw.kind == "colour" else (truth, raw.codes.astype(np.uint8))


def find_class_borders(truth: Indices) -> np.ndarray:
    """Whether a pixel of mask (h, w) is near one of another class, bool; the image's edge does not count."""
    height, width = truth.shape
    reach = border_width(height, width)
    mask = torch.from_numpy(np.ascontiguousarray(truth)).to(torch.float32)
    framed = F.pad(mask[None, None], (reach + 1,) * 4, mode="replicate")[0, 0]
    inside = slice(reach + 1, -(reach + 1))
    borders: np.ndarray = near_border(framed, reach)[inside, inside].numpy()
    return borders
