"""What the last layer saw of every image, on disk: features.safetensors and samples.csv, in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finesight.analysis.distance import Floats
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import read_csv, write_atomically, write_csv

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
    from safetensors.numpy import save

    rows = zip(keys, targets, predictions, strict=True)
    write_atomically(folder / schema.FEATURES, save({"features": np.ascontiguousarray(features, dtype=np.float32)}))
    write_csv(folder / schema.SAMPLES, COLUMNS, rows)


def load_features(folder: Path) -> Features:
    """What `save_features` wrote. Raises RunError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        features = load_file(folder / schema.FEATURES)["features"]
        num_features, _ = features.shape
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise RunError(f"There are no readable features in {folder}: {error}. `finesight embed` makes them.") from None
    rows = list(read_csv(folder / schema.SAMPLES, COLUMNS))
    if len(rows) != num_features:
        raise RunError(f"{folder} has {num_features} features but {len(rows)} samples; run `finesight embed` again.")
    keys, targets, predictions = (tuple(row[column] for row in rows) for column in range(3))
    return Features(features, keys, targets, predictions)
