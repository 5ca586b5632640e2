"""Features: what the head sees of every image, computed in one pass, and kept in a run's folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.region_features import Regions
from finesight.data.loader import Batch, ImageDataset
from finesight.data.transfer import HostRows
from finesight.errors import RunError
from finesight.inference.predictor import Predictor
from finesight.models.contract import pool
from finesight.run import schema
from finesight.run.files import read_csv, read_tensors, write_csv, write_rows
from finesight.task import Score

AverageRegions = Callable[[Tensor, Any, Indices, tuple[int, int]], Regions | None]  # of a task

COLUMNS = ("key", "target", "prediction")


@dataclass(frozen=True, eq=False)
class Features:
    """features: float32 (n, d). keys, targets, predictions: n each; targets and predictions are class ids."""

    features: Floats
    keys: tuple[str, ...]
    targets: tuple[str, ...]
    predictions: tuple[str, ...]


def save_features(
    folder: Path, features: Floats, keys: Sequence[str], targets: Sequence[str], predictions: Sequence[str]
) -> None:
    """Writes both files; targets and predictions are class ids."""
    write_rows(folder / schema.FEATURES, "features", features)
    write_csv(folder / schema.SAMPLES, COLUMNS, zip(keys, targets, predictions, strict=True))


def load_features(folder: Path) -> Features:
    """What `save_features` wrote. Raises RunError."""
    (features,) = read_tensors(folder / schema.FEATURES, "features", again="Run `finesight embed`.")
    rows = list(read_csv(folder / schema.SAMPLES, COLUMNS))
    if features.ndim != 2 or len(rows) != len(features):
        raise RunError(
            f"{folder} has features of shape {features.shape} but {len(rows)} samples; run `finesight embed` again."
        )
    keys, targets, predictions = (tuple(row[column] for row in rows) for column in range(3))
    return Features(features, keys, targets, predictions)


@dataclass(frozen=True, eq=False)
class ComputedFeatures:
    """images: float32 (n, d), in the order of the data set. regions: of images with masks."""

    images: Floats
    regions: Regions | None


@torch.inference_mode()
def compute_features(
    predictor: Predictor, dataset: ImageDataset, average_regions: AverageRegions, score: Score | None = None
) -> ComputedFeatures:
    """What the head sees of each image, in one pass, in which `score` collects the predictions.

    Of images that are predicted in tiles the features are those of a tile at the centre. average_regions: the task's.
    """

    def see(batch: Batch) -> tuple[Tensor, Tensor]:
        return predictor.features(predictor.centre(batch.images, batch.images))

    features, regions, order = HostRows(), [], []
    for batch, (logits, seen) in predictor.over(dataset, "Embedding", see):
        if score:
            whole = predictor.logits(batch.images) if predictor.tile(batch.images) else logits
            score.update(whole.float(), batch.targets)
        features.add(pool(seen).float())
        targets, size = predictor.centre(batch.targets, batch.images), predictor.input_size(batch.images)
        if found := average_regions(seen, targets, batch.indices, size):
            regions.append(found)
        order.extend(batch.indices.tolist())
    if score:
        score.arrange(order)
    features.arrange(torch.tensor(order).argsort())
    return ComputedFeatures(features.join().numpy(), Regions.join(regions).arrange() if regions else None)
