"""The images most like each image to the network: its nearest neighbours in feature space, on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest, normalise_rows
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import write_atomically

NEIGHBOURS = 6  # an image; as many as a reader takes in at a glance


@dataclass(frozen=True, eq=False)
class Similar:
    """The k images most like each of n, the most alike first.

    indices: (n, k), rows of features.safetensors. similarities: (n, k), cosine of the angle between features, -1 to 1.
    """

    indices: Indices
    similarities: Floats


def find_similar(features: Floats) -> Similar:
    """features: (n, d), a row an image. Of fewer than seven images, each has all others."""
    unit = normalise_rows(features)
    indices = find_nearest(unit, max(0, min(NEIGHBOURS, len(unit) - 1)))
    columns = [np.einsum("nd,nd->n", unit, unit[column]) for column in indices.T]  # one at a time: bounds memory
    return Similar(indices, np.stack(columns, axis=1) if columns else np.empty(indices.shape, np.float32))


def save_similar(folder: Path, similar: Similar) -> None:
    from safetensors.numpy import save

    tensors = {"indices": similar.indices.astype(np.int32), "similarities": similar.similarities.astype(np.float32)}
    write_atomically(folder / schema.NEIGHBOURS, save(tensors))


def load_similar(folder: Path, num_images: int) -> Similar | None:
    """What `save_similar` wrote of so many images; None where it never did. Raises RunError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / schema.NEIGHBOURS).exists():
        return None
    try:
        tensors = load_file(folder / schema.NEIGHBOURS)
        similar = Similar(tensors["indices"].astype(np.int64), tensors["similarities"])
    except (OSError, KeyError, SafetensorError) as error:
        raise RunError(f"{folder / schema.NEIGHBOURS} is damaged: {error}. `finesight embed` makes it anew.") from None
    inside = ((similar.indices >= 0) & (similar.indices < num_images)).all()
    if len(similar.indices) != num_images or similar.indices.shape != similar.similarities.shape or not inside:
        raise RunError(
            f"{folder / schema.NEIGHBOURS} is not of the {num_images} images of its map; run `finesight embed` again."
        )
    return similar
