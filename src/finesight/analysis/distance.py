"""Exact nearest neighbours: deterministic, and fast enough for tens of thousands of images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]

BLOCK = 1024  # queries at a time: bounds memory at BLOCK x n distances


def find_nearest(points: Floats, k: int, queries: Indices | None = None, groups: Indices | None = None) -> Indices:
    """Indices of the k nearest other points (Euclidean), nearest first: (queries, k).

    points: (n, d) with n > k. queries: indices of the points to search for; None: all. groups: (n,); points of
    one group are not neighbours of each other, and k is at most `most_neighbours`.
    """
    if groups is None:
        return measure_nearest(points, k, queries)[0]
    cloud, group = _centre(points), torch.from_numpy(groups)
    asked = torch.arange(len(cloud)) if queries is None else torch.from_numpy(queries)
    return _search(cloud[asked], cloud, k, lambda block: group[asked[block]][:, None] == group)[0]


def most_neighbours(groups: Indices) -> int:
    """How many neighbours in other groups every point has at least."""
    return len(groups) - int(np.unique(groups, return_counts=True)[1].max(initial=0))


def measure_nearest(points: Floats, k: int, queries: Indices | None = None) -> tuple[Indices, Floats]:
    """As `find_nearest`, with the distances: both (queries, k)."""
    cloud = _centre(points)
    asked = torch.arange(len(cloud)) if queries is None else torch.from_numpy(queries)
    return _search(cloud[asked], cloud, k, lambda block: (torch.arange(len(asked[block])), asked[block]))


def measure_nearest_of_new(points: Floats, new: Floats, k: int) -> tuple[Indices, Floats]:
    """Indices and distances of the k points (n, d) that lie nearest to each of the new ones (m, d): both (m, k)."""
    both = _centre(np.concatenate([points, new]))
    return _search(both[len(points) :], both[: len(points)], k)


def _centre(points: Floats) -> torch.Tensor:
    """Far from the origin, float32 loses small distances."""
    cloud = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    return cloud - cloud.mean(0)


def _search(
    asked: torch.Tensor, cloud: torch.Tensor, k: int, exclude: Callable[[slice], Any] | None = None
) -> tuple[Indices, Floats]:
    """exclude: of a block of queries, the index of the distances (block, n) that do not count."""
    few_dimensions = cloud.shape[1] <= 8  # where the direct formula is cheap, and exact
    mode = "donot_use_mm_for_euclid_dist" if few_dimensions else "use_mm_for_euclid_dist"
    indices, lengths = np.empty((len(asked), k), np.int64), np.empty((len(asked), k), np.float32)
    for start in range(0, len(asked), BLOCK):
        block = slice(start, start + BLOCK)
        distances = torch.cdist(asked[block], cloud, compute_mode=mode)  # (block, n)
        if exclude is not None:
            distances[exclude(block)] = float("inf")
        nearest = distances.topk(k, largest=False)
        indices[block], lengths[block] = nearest.indices, nearest.values
    return indices, lengths


def normalise_rows(features: Floats) -> Floats:
    """Rows scaled to length 1, so that Euclidean distance orders pairs as cosine similarity does."""
    lengths: Floats = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, 1e-12)
