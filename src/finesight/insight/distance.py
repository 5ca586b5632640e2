"""Exact nearest neighbours. Quick enough for tens of thousands of pictures, and the same on every run."""

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]

BLOCK = 1024  # queries at a time: bounds memory at BLOCK x n distances


def find_nearest(points: Floats, k: int, queries: Indices | None = None) -> Indices:
    """Indices of the k nearest other points (Euclidean), nearest first: (queries, k).

    points: (n, d) with n > k. queries: indices of the points asked about; None: all.
    """
    cloud = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    cloud = cloud - cloud.mean(0)  # far from the origin, float32 would lose the small distances
    asked = torch.arange(len(cloud)) if queries is None else torch.from_numpy(queries)
    few_dimensions = cloud.shape[1] <= 8  # there the direct formula costs little and is exact
    mode = "donot_use_mm_for_euclid_dist" if few_dimensions else "use_mm_for_euclid_dist"
    found = []
    for block in torch.split(asked, BLOCK):
        distances = torch.cdist(cloud[block], cloud, compute_mode=mode)  # (block, n)
        distances[range(len(block)), block] = float("inf")  # a point is no neighbour of itself
        found.append(distances.topk(k, largest=False).indices)
    return torch.cat(found).numpy() if found else np.empty((0, k), dtype=np.int64)


def normalise_rows(features: Floats) -> Floats:
    """Rows scaled to length 1, so that Euclidean distance orders pairs as cosine similarity does."""
    lengths: Floats = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, 1e-12)
