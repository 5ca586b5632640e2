"""What a run folder says about one split, as far as it is there. Reads files; measures nothing."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finesight.analysis.class_similarity_result import ClassSimilarity
from finesight.analysis.distance import Indices
from finesight.analysis.label_errors import LabelErrors, load_label_errors
from finesight.analysis.nearest_images import NearestImages, load_nearest_images
from finesight.analysis.projection import Projection, load_projection
from finesight.analysis.projection_history import ProjectionHistory, read_projection_history
from finesight.classes import ClassList
from finesight.config import PixelScale, Settings
from finesight.errors import RunError, blame_files
from finesight.metrics.confusion import LOWER_IS_BETTER
from finesight.metrics.evaluation import Evaluation, ImageResult
from finesight.run import schema
from finesight.run.architecture import NetworkSummary
from finesight.run.calibration import Calibration
from finesight.run.environment import Environment
from finesight.run.files import read_csv
from finesight.run.folder import RunFolder
from finesight.run.journal import EpochNumbers, LedgerEntry
from finesight.run.model_card import ModelCard
from finesight.run.results import Findings
from finesight.task import Task


@dataclass(frozen=True)
class Embedding:
    """samples.csv with its projection, one point each. image: the plot as PNG, empty without one.

    nearest: of each image, as indices of `images`; None where they were never computed.
    left_out: the number of images of which these are a sample, without these.
    """

    images: tuple[ImageResult, ...]
    projection: Projection
    similarity: ClassSimilarity | None
    image: bytes
    nearest: NearestImages | None = None
    left_out: int = 0

    def select(self, rows: Indices) -> "Embedding":
        """Some of the images."""
        return replace(
            self,
            images=tuple(self.images[row] for row in rows),
            projection=replace(self.projection, points=self.projection.points[rows]),
            nearest=self.nearest.select(rows) if self.nearest else None,
            left_out=len(self.images) - len(rows),
        )


@dataclass(frozen=True)
class Evidence:
    run: Path
    split: str
    task: Task
    settings: Settings
    settings_text: str
    environment: Environment
    model: ModelCard
    classes: ClassList
    splits: dict[str, list[tuple[str, str]]]
    journal: tuple[EpochNumbers, ...]
    timings: tuple[EpochNumbers, ...]
    ledger: tuple[LedgerEntry, ...]
    architecture: NetworkSummary | None
    architecture_text: str
    evaluation: Evaluation | None
    calibration: Calibration | None
    embedding: Embedding | None
    label_errors: tuple[LabelErrors, ...]  # of the split and of training, as far as they were searched
    stride_bounds: dict[str, float]  # stride → mIoU upper bound on the training masks; empty if not measured
    class_counts: dict[str, list[int]]  # split → images or pixels of each class, as far as they were counted
    findings: Findings | None  # None if never checked
    projection_history: ProjectionHistory | None = None
    note: str = ""  # notes.md

    @property
    def scale(self) -> PixelScale | None:
        """As in Preprocessing."""
        return self.model.preprocessing.scale

    @property
    def fit(self) -> str:
        """As in Preprocessing."""
        return self.model.preprocessing.fit

    @property
    def images(self) -> tuple[ImageResult, ...]:
        """Every image of the split that any file names, with what is known of it; embedded ones first."""
        known = {image.key: image for image in (self.embedding.images if self.embedding else ())}
        for image in self.evaluation.images if self.evaluation else ():
            known[image.key] = image.add_to(known.get(image.key))
        return tuple(known.values())


def read_evidence(run: RunFolder, split: str, task: Task) -> Evidence:
    """Everything a report shows. Raises RunError for a file that is damaged; what was never made is None or empty."""
    classes, model = run.read_classes(), run.read_model()
    with blame_files(run.path):
        evaluation = task.read_evaluation(run, split, classes) if run.is_evaluated(split) else None
        embedding = _read_embedding(run, split, classes)
        if evaluation and embedding:
            embedding = _with_results(embedding, evaluation)
        return Evidence(
            run=run.path,
            split=split,
            task=task,
            settings=run.read_settings(),
            settings_text=_read_text(run.path / schema.CONFIG),
            environment=run.read_environment(),
            model=model,
            classes=classes,
            splits=run.read_splits() if run.has(schema.SPLITS) else {},
            journal=run.read_journal(),
            timings=run.read_timings(),
            ledger=run.read_ledger(),
            architecture=run.read_architecture(),
            architecture_text=_read_text(run.path / schema.ARCHITECTURE_TEXT),
            evaluation=evaluation,
            calibration=Calibration.load(run),
            embedding=embedding,
            label_errors=tuple(
                found
                for name in dict.fromkeys((split, "train"))
                if (found := load_label_errors(run, name, classes)) is not None
            ),
            stride_bounds=_read_optional(run, schema.STRIDE_BOUNDS).get("miou", {}),
            class_counts=_read_optional(run, schema.CLASS_COUNTS),
            findings=run.read_findings(split),
            projection_history=read_projection_history(run, classes) if split == "val" else None,
            note=run.read_note(),
        )


def _read_embedding(run: RunFolder, split: str, classes: ClassList) -> Embedding | None:
    folder = run.embedding(split)
    if not run.is_embedded(split):
        return None
    index = {label: i for i, label in enumerate(classes.ids)}
    rows = read_csv(folder / schema.SAMPLES, ("key", "target", "prediction"))
    images = tuple(ImageResult(key, index.get(truth), index.get(prediction)) for key, truth, prediction in rows)
    projection = load_projection(folder)
    if projection.points.shape != (len(images), 2):
        raise RunError(
            f"{folder} has {len(images)} samples but {len(projection.points)} projected points. "
            "Run `finesight embed` again."
        )
    similarity = _read_optional(run, f"{schema.embedding(split)}/{schema.CLOSE_CLASSES}")
    image = folder / schema.PROJECTION_PLOT
    return Embedding(
        images=images,
        projection=projection,
        similarity=replace(ClassSimilarity.from_dict(similarity), labels=classes.labels) if similarity else None,
        image=image.read_bytes() if image.exists() else b"",
        nearest=load_nearest_images(folder, len(images)),
    )


def _with_results(embedding: Embedding, evaluation: Evaluation) -> Embedding:
    """The embedding's images with the confidence and the score that the evaluation gives them."""
    results = {image.key: image for image in evaluation.images}
    found = [results.get(image.key, ImageResult("")) for image in embedding.images]
    images = (
        replace(image, confidence=result.confidence, fraction_right=result.fraction_right)
        for image, result in zip(embedding.images, found, strict=True)
    )
    return replace(embedding, images=tuple(images))


def _read_optional(run: RunFolder, name: str) -> dict[str, Any]:
    return run.read_json(name) if run.has(name) else {}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def find_best_epoch(evidence: Evidence) -> int | None:
    """The epoch whose weights were kept: as the journal says, of older runs the first highest by checkpoint.best."""
    if evidence.journal and (kept := evidence.journal[-1].best_epoch) is not None:
        return kept
    sign = -1 if judged_metric(evidence) in LOWER_IS_BETTER else 1
    judged = [(sign * value, -epoch) for epoch, value in read_curve(evidence, f"val/{judged_metric(evidence)}")]
    return -max(judged)[1] if judged else None


def judged_metric(evidence: Evidence) -> str:
    """The metric that chose the kept epoch, such as `accuracy`."""
    return evidence.settings.checkpoint.best or evidence.task.best_metric


def read_curve(evidence: Evidence, name: str) -> list[tuple[int, float]]:
    """(epoch, value) of a number in the journal or the timings; epochs where it is missing, NaN or infinite are not."""
    lines = (*evidence.journal, *evidence.timings)
    return [(line.epoch, line.numbers[name]) for line in lines if math.isfinite(line.numbers.get(name, math.nan))]
