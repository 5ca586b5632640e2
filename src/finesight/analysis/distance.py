"""Nearest neighbours of images: exact for tens of thousands of images, approximate for more."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from finesight.analysis.neighbour_search import SAMPLE, Found, Queries, search_exactly, search_in_cells
from finesight.progress import say

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]

EXACT = 20_000  # queries up to which the search is exact: all pairs of so many take half a minute of a core


class Nearest(NamedTuple):
    """Indices and distances (queries, k), nearest first.

    recall: fraction of the true neighbours found, measured on a sample; None where the search was exact.
    """

    indices: Indices
    distances: Floats
    recall: float | None

    @property
    def how(self) -> str:
        return describe_search(self.recall)


def describe_search(recall: float | None) -> str:
    """`exact`, or how near to that."""
    return "exact" if recall is None else f"approximate (recall {recall:.3f} measured on a sample of {SAMPLE:,})"


def find_nearest(points: Floats, k: int, queries: Indices | None = None, groups: Indices | None = None) -> Indices:
    """Indices of the k nearest other points (Euclidean), nearest first: (queries, k); see `measure_nearest`."""
    return measure_nearest(points, k, queries, groups).indices


def most_neighbours(groups: Indices) -> int:
    """How many neighbours in other groups every point has at least."""
    return len(groups) - int(np.unique(groups, return_counts=True)[1].max(initial=0))


def measure_nearest(points: Floats, k: int, queries: Indices | None = None, groups: Indices | None = None) -> Nearest:
    """The k nearest other points, Euclidean. Of more than EXACT queries the search is approximate, and says so.

    points: (n, d) with n > k. queries: indices of the points to search for; None: all. groups: (n,); points of
    one group are not neighbours of each other, and k is at most `most_neighbours`.
    """
    cloud = _centre(points)
    group = torch.arange(len(cloud)) if groups is None else torch.from_numpy(groups)
    asked = slice(None) if queries is None else torch.from_numpy(queries)
    return _search(Queries(cloud[asked], cloud, k, group[asked], group))


def measure_nearest_of_new(points: Floats, new: Floats, k: int) -> Nearest:
    """The k points (n, d) that lie nearest to each of the new ones (m, d)."""
    both = _centre(np.concatenate([points, new]))
    cloud, rows = both[: len(points)], both[len(points) :]
    return _search(Queries(rows, cloud, k, torch.full((len(rows),), -1), torch.arange(len(cloud))))


def _centre(points: Floats) -> torch.Tensor:
    """Far from the origin, float32 loses small distances."""
    cloud = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    return cloud - cloud.mean(0)


def _search(queries: Queries) -> Nearest:
    found: Found = (search_in_cells if len(queries.rows) > EXACT else search_exactly)(queries)
    nearest = Nearest(found.indices.numpy(), found.distances.numpy(), found.recall)
    if nearest.recall is not None:
        say(f"The {queries.k} nearest neighbours of {len(queries.rows):,} points are {nearest.how}.")
    return nearest


def normalise_rows(features: Floats) -> Floats:
    """Rows scaled to length 1, so that Euclidean distance orders pairs as cosine similarity does."""
    lengths: Floats = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, 1e-12)
