"""The nearest images of each image in embedding space, and their file in a run folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest, normalise_rows
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import read_tensors, write_tensors

NEIGHBOURS = 6  # per image


@dataclass(frozen=True, eq=False)
class NearestImages:
    """The k nearest of each of n images, nearest first.

    indices: (n, k), rows of features.safetensors; of a sample -1 for an image that is not in it.
    similarities: (n, k), cosine similarity of the features, -1 to 1.
    """

    indices: Indices
    similarities: Floats

    def select(self, rows: Indices) -> "NearestImages":
        """Of some images, as places in `rows`."""
        place = np.full(len(self.indices), -1, np.int64)
        place[rows] = np.arange(len(rows))
        return NearestImages(place[self.indices[rows]], self.similarities[rows])


def find_nearest_images(features: Floats) -> NearestImages:
    """features: (n, d). Of fewer than seven images, each has all others."""
    unit = normalise_rows(features)
    indices = find_nearest(unit, max(0, min(NEIGHBOURS, len(unit) - 1)))
    columns = [np.einsum("nd,nd->n", unit, unit[column]) for column in indices.T]  # one column at a time bounds memory
    return NearestImages(indices, np.stack(columns, axis=1) if columns else np.empty(indices.shape, np.float32))


def save_nearest_images(folder: Path, nearest: NearestImages) -> None:
    tensors = {"indices": nearest.indices.astype(np.int32), "similarities": nearest.similarities.astype(np.float32)}
    write_tensors(folder / schema.NEIGHBOURS, tensors)


def load_nearest_images(folder: Path, num_images: int) -> NearestImages | None:
    """What `save_nearest_images` wrote; None without a file. Raises RunError where it is not of `num_images` images."""
    path = folder / schema.NEIGHBOURS
    if not path.exists():
        return None
    indices, similarities = read_tensors(path, "indices", "similarities", again="Run `finesight embed` again.")
    nearest = NearestImages(indices.astype(np.int64), similarities)
    inside = ((nearest.indices >= 0) & (nearest.indices < num_images)).all()
    if len(nearest.indices) != num_images or nearest.indices.shape != nearest.similarities.shape or not inside:
        raise RunError(f"{path} does not match the {num_images} images of its projection. Run `finesight embed` again.")
    return nearest
