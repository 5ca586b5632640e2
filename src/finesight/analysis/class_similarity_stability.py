"""How far close classes depend on the map: other perplexities and random starts, the same question each time.

A group is still a group on a map when the mean affinity of its pairs, asked of places instead of features, is at least
what made it a group.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np

from finesight.analysis.class_similarity import CloseClasses, mean_affinity, neighbour_shares, to_affinity
from finesight.analysis.class_similarity_text import describe_stability
from finesight.analysis.distance import Floats, Indices
from finesight.analysis.projection import project
from finesight.progress import progress_bar

MOST_IMAGES = 1500  # of each class an even share; the maps take a second each
PLAN = tuple((perplexity, seed) for seed in (1, 2) for perplexity in (30.0, 10.0, 90.0))
LONGEST_S = 120.0  # no further map is begun after that


@dataclass(frozen=True)
class Stability:
    """plan: (perplexity, seed) of each map that was drawn. groups, pairs: on how many of them the group, or the pair,
    of the close classes, in their order, is still close."""

    plan: tuple[tuple[float, int], ...]
    num_images: int
    groups: tuple[int, ...]
    pairs: tuple[int, ...]

    def to_dict(self, close: CloseClasses) -> dict[str, object]:
        return {**asdict(self), "paragraph": describe_stability(self, close)}


def check_stability(
    features: Floats, targets: Indices, close: CloseClasses, owners: Indices | None = None, longest_s: float = LONGEST_S
) -> Stability:
    """Draws the maps of PLAN, as many as begin within `longest_s` seconds, and looks for the groups on each.

    owners: see `find_close_classes`.
    """
    chosen = choose_images(targets, MOST_IMAGES)
    features, targets = features[chosen], targets[chosen]
    owners = None if owners is None else owners[chosen]
    groups = [group.classes for group in close.groups]
    pairs = [(pair.first, pair.second) for pair in close.pairs]
    held: list[list[bool]] = []
    began = time.monotonic()
    with progress_bar("Other maps", len(PLAN), "maps") as bar:
        for perplexity, seed in PLAN:
            if held and time.monotonic() - began > longest_s:
                break
            start = np.random.default_rng(seed).normal(size=(len(features), 2))
            points = project(features, perplexity=perplexity, seed=seed, start=start).points
            affinity = to_affinity(neighbour_shares(points, targets, len(close.labels), owners)[0])
            held.append([mean_affinity(affinity, classes) >= close.threshold for classes in (*groups, *pairs)])
            bar.advance()
    counts = tuple(np.sum(held, axis=0, dtype=int).tolist())
    return Stability(PLAN[: len(held)], len(features), counts[: len(groups)], counts[len(groups) :])


def choose_images(targets: Indices, most: int) -> Indices:
    """Indices of at most so many images, evenly spaced through the classes."""
    by_class = np.argsort(targets, kind="stable")
    chosen: Indices = np.sort(by_class[np.linspace(0, len(targets) - 1, min(len(targets), most)).round().astype(int)])
    return chosen
