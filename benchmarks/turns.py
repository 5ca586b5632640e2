"""Two sides that take turns: each ratio is of neighbours in time, because a shared machine's speed moves."""

import statistics
import time
from collections.abc import Callable


def rate(work: Callable[[], int]) -> float:
    """Images a second of a function that returns how many it did."""
    started = time.perf_counter()
    return work() / (time.perf_counter() - started)


def compare(plain: Callable[[], int], ours: Callable[[], int], rounds: int) -> dict[str, object]:
    """Rates of both in turn, after a warm-up, and the ratio of each pair: least, median, most."""
    plain(), ours()
    pairs = [(rate(plain), rate(ours)) for _ in range(rounds)]
    ratios = sorted(mine / theirs for theirs, mine in pairs)
    return {
        "plain_images_per_second": round(statistics.median(theirs for theirs, _ in pairs), 2),
        "finesight_images_per_second": round(statistics.median(mine for _, mine in pairs), 2),
        "ratio": [round(ratio, 2) for ratio in (ratios[0], statistics.median(ratios), ratios[-1])],
    }
