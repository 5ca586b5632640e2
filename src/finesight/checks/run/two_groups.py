"""Whether points fall into two groups."""

import numpy as np

from finesight.analysis.distance import Floats

STARTS, STEPS = 5, 50  # of two-means: it converges in a few steps, and one of five starts is good


def valley_chance(points: Floats, seed: int = 0) -> float:
    """How probable so clear a valley between two halves of points (n, d) is, were they one group.

    Two-means is run on a random half of the points, and the other half is projected onto the line between its centres,
    so that no group is seen only because it was looked for; then the halves change roles. On the line three windows of
    one width are counted: around the middle of either group, and midway. One hump of any shape has at least as many
    points midway as in the emptier of the other two, so the chance is that of a binomial with one half, the larger one
    of both sides.
    """
    from scipy.stats import binom

    random = np.random.default_rng(seed)
    order = random.permutation(len(points))
    halves = np.split(order, [len(order) // 2])
    counts = np.zeros(3, dtype=int)
    for fitted, held_out in (halves, halves[::-1]):
        centres = find_two_means(points[fitted], random)
        if centres is None:
            return 1.0
        along = project_between(centres, points[held_out])
        sides = along[along < 0.5], along[along >= 0.5]
        if min(map(len, sides)) < 2:
            return 1.0
        first, last = map(np.median, sides)
        windows = np.abs((along - first) / (last - first) - np.array([[0.0], [0.5], [1.0]])) < 1 / 6
        counts += windows.sum(1)
    left, midway, right = counts
    return float(max(binom.cdf(midway, midway + side, 0.5) for side in (left, right)))


def find_two_means(points: Floats, random: np.random.Generator) -> tuple[Floats, Floats] | None:
    """Centres (d,) of the best split of points (n, d) in two. Lloyd 1982; None where all points are the same."""
    best: tuple[float, tuple[Floats, Floats]] | None = None
    for _ in range(STARTS):
        first, second = points[random.choice(len(points), 2, replace=False)]
        for _ in range(STEPS):
            far = ((points - first) ** 2).sum(1) > ((points - second) ** 2).sum(1)
            if far.all() or not far.any():
                break
            before = first, second
            first, second = points[~far].mean(0), points[far].mean(0)
            if np.array_equal(before[0], first) and np.array_equal(before[1], second):
                break
        if far.all() or not far.any():
            continue
        spread = float(((points[~far] - first) ** 2).sum() + ((points[far] - second) ** 2).sum())
        if best is None or spread < best[0]:
            best = spread, (first, second)
    return best[1] if best else None


def project_between(centres: tuple[Floats, Floats], points: Floats) -> Floats:
    """Place of points (n, d) on the line between the centres: 0 at the first, 1 at the second."""
    line = centres[1] - centres[0]
    along: Floats = (points - centres[0]) @ line / (line @ line)
    return along
