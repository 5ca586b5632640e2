"""How sure a measured share is."""

import math


def wilson_interval(share: float, total: int) -> tuple[float, float]:
    """95 % interval of a share of `total` independent trials. Wilson 1927, JASA 22:209."""
    z = 1.959964
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - reach), min(1.0, centre + reach)
