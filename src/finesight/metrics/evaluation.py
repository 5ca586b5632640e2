"""What an evaluation says of a split, whatever the task: metrics, confusion counts, and a result for each image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finesight.classes import ClassList
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import read_csv, write_atomically, write_csv
from finesight.run.folder import RunFolder

Confusion = tuple[tuple[int, ...], ...]  # C rows of C


@dataclass(frozen=True)
class Metrics:
    """What was measured, and what each number means. values: metric path → number; definitions: likewise, prose."""

    num_samples: int
    values: dict[str, float]
    definitions: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        return {"num_samples": self.num_samples, "metrics": self.values, "definitions": self.definitions}


@dataclass(frozen=True)
class ImageResult:
    """What was predicted for one image.

    truth, prediction: class indices, of an image with several classes that of most of it; None where unknown.
    confidence: probability of the prediction, 0-1. fraction_right: of its units (the image itself, pixels, labels),
    0-1; None where nothing in it is known.
    """

    key: str
    truth: int | None = None
    prediction: int | None = None
    confidence: float | None = None
    fraction_right: float | None = None

    @property
    def is_error(self) -> bool:
        return None not in (self.truth, self.prediction) and self.truth != self.prediction

    def add_to(self, other: "ImageResult | None") -> "ImageResult":
        """Both together; what this one knows counts."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return replace(other or self, **known)


@dataclass(frozen=True)
class Evaluation:
    """metrics.json, confusion.csv (rows are truth; empty where a task has none), and the result of each image."""

    num_samples: int
    metrics: dict[str, float]
    definitions: dict[str, str]
    counts: Confusion
    images: tuple[ImageResult, ...]

    @property
    def keys(self) -> list[str]:
        return [image.key for image in self.images]

    @classmethod
    def read(cls, run: RunFolder, split: str, counts: Confusion, images: Sequence[ImageResult]) -> "Evaluation":
        """metrics.json, with what a task read of the rest."""
        summary = run.read_json(f"{schema.evaluation(split)}/{schema.METRICS}")
        return cls(summary["num_samples"], summary["metrics"], summary["definitions"], counts, tuple(images))


def find_errors(images: Sequence[ImageResult]) -> list[ImageResult]:
    """Errors, the most confident first."""
    return sorted((each for each in images if each.is_error), key=lambda each: (-(each.confidence or 0.0), each.key))


def write_metrics(folder: Path, metrics: Metrics) -> None:
    text = json.dumps(metrics.to_dict(), indent=1, ensure_ascii=False)
    write_atomically(folder / schema.METRICS, text.encode())


def write_confusion(folder: Path, counts: Sequence[Sequence[int]], classes: ClassList) -> None:
    rows = ((name, *row) for name, row in zip(classes.names, counts, strict=True))
    write_csv(folder / schema.CONFUSION, ("truth", *classes.names), rows)


def read_confusion(folder: Path, classes: ClassList) -> Confusion:
    """Raises RunError where it does not count these classes."""
    path = folder / schema.CONFUSION
    counts = tuple(tuple(int(count) for count in row[1:]) for row in read_csv(path, ("truth", *classes.names)))
    if len(counts) != len(classes) or min(map(min, counts)) < 0:
        raise RunError(f"{path} does not count {len(classes)} classes. Evaluate again.")
    return counts
