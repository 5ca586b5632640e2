import numpy as np

from finesight.analysis.wording import spell_size
from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example

OVERSIZED = 16  # times the median number of pixels
OVERSIZED_FROM = 4_000_000  # pixels; a smaller image costs nothing
HUGE = 50_000_000  # pixels; 150 MB as RGB, once for each decoding thread


@check("D105", "Oversized images", "note")
def oversized_images(audit: Audit) -> Explanation | None:
    pixels = {key: each.size[0] * each.size[1] for key, each in audit.files.items() if not each.fault}
    if not pixels:
        return None
    limit = min(max(OVERSIZED * float(np.median(list(pixels.values()))), OVERSIZED_FROM), HUGE)
    large = sorted((key for key, count in pixels.items() if count > limit), key=lambda key: -pixels[key])
    examples = [Example((key,), f"{key} is {spell_size(audit.files[key].size)}") for key in large]
    message = f"larger than {limit / 1e6:.0f} million pixels, far more than most. They slow reading down; shrink them."
    return explain_if_any(examples, "image", message)
