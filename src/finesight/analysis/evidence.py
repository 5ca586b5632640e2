"""What a run folder says about one split, as far as it is there. Reads files; measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finesight.analysis.history_maps import FilmMaps, read_film_maps
from finesight.analysis.label_errors import LabelErrors, load_label_errors
from finesight.analysis.nearest_images import Similar, load_similar
from finesight.analysis.projection import Map, load_map
from finesight.classes import ClassList
from finesight.config import PixelScale, Settings, parse_preprocessing
from finesight.errors import RunError, blame_files
from finesight.metrics.calibration import Calibration
from finesight.metrics.confusion import LOWER_IS_BETTER
from finesight.run import schema
from finesight.run.folder import RunFolder, read_csv
from finesight.run.old_names import find_file, find_value
from finesight.task import Task


@dataclass(frozen=True)
class Answer:
    """What the network said about one image. truth, prediction: class indices, None where unknown."""

    key: str
    truth: int | None
    prediction: int | None
    confidence: float | None = None  # softmax probability of the prediction, 0-1

    @property
    def is_mistake(self) -> bool:
        return None not in (self.truth, self.prediction) and self.truth != self.prediction


@dataclass(frozen=True)
class Scene:
    """How well one image was segmented; None where nothing in it is known."""

    key: str
    pixel_accuracy: float | None
    miou: float | None


@dataclass(frozen=True)
class Evaluation:
    """metrics.json, confusion.csv (rows are truth), and what was said of each image.

    answers: predictions.csv, of images of one class. scenes: images.csv, of images with masks.
    """

    num_samples: int
    metrics: dict[str, float]
    definitions: dict[str, str]
    counts: tuple[tuple[int, ...], ...]
    answers: tuple[Answer, ...] = ()
    scenes: tuple[Scene, ...] = ()

    @property
    def keys(self) -> list[str]:
        return [*(answer.key for answer in self.answers), *(scene.key for scene in self.scenes)]


@dataclass(frozen=True)
class Film:
    """Masks that were kept during training. frames: key → file name in the folder of each epoch and of the truth.

    scores: epoch → key → mIoU of the frame, None where nothing in the image is known; empty if never scored.
    """

    folder: Path
    truth: str
    epochs: tuple[int, ...]
    frames: dict[str, str]
    scores: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Embedding:
    """samples.csv with its map, a point each. image: the map as PNG, empty where there is none.

    similar: the nearest images of each, as places in `answers`; None where they were never looked for.
    """

    answers: tuple[Answer, ...]
    map: Map
    close_classes: dict[str, Any]
    image: bytes
    similar: Similar | None = None


@dataclass(frozen=True)
class Evidence:
    run: Path
    split: str
    task: Task
    settings: Settings
    settings_text: str
    environment: dict[str, Any]
    model: dict[str, Any]
    classes: ClassList
    splits: dict[str, list[tuple[str, str]]]
    journal: list[dict[str, Any]]
    timings: list[dict[str, Any]]
    freezing: list[dict[str, Any]]
    architecture: dict[str, Any]
    architecture_text: str
    evaluation: Evaluation | None
    calibration: Calibration | None
    embedding: Embedding | None
    label_errors: tuple[LabelErrors, ...]  # of the split and of training, as far as they were searched
    film: Film | None
    ceilings: dict[str, float]  # stride → the best miou within its reach on the training masks; empty if not found
    class_counts: dict[str, list[int]]  # split → images or pixels of each class, as far as they were counted
    findings: dict[str, Any]  # findings/SPLIT.json: `findings`, `silent`, `not_applicable`; empty if never checked
    film_maps: FilmMaps | None = None

    @property
    def scale(self) -> PixelScale | None:
        """As in Preprocessing."""
        return parse_preprocessing(self.model["preprocessing"]).scale

    @property
    def images(self) -> tuple[Answer, ...]:
        """Every image of the split that any file names, with what is known of it; embedded ones first."""
        evaluated = self.evaluation.answers if self.evaluation else ()
        embedded = self.embedding.answers if self.embedding else ()
        return tuple({answer.key: answer for answer in (*embedded, *evaluated)}.values())


def read_evidence(run: RunFolder, split: str, task: Task) -> Evidence:
    """Everything a report tells. Raises RunError for a file that is damaged; what was never made is None or empty."""
    classes, model = run.read_classes(), run.read_json(schema.MODEL)
    with blame_files(run.path):
        parse_preprocessing(model.get("preprocessing"))
        evaluation = read_evaluation(run, split, classes)
        embedding = _read_embedding(run, split, classes)
        if evaluation and embedding:
            embedding = _with_confidence(embedding, evaluation)
        return Evidence(
            run=run.path,
            split=split,
            task=task,
            settings=run.read_settings(),
            settings_text=_read_text(run.path / schema.CONFIG),
            environment=run.read_json(schema.ENVIRONMENT),
            model=model,
            classes=classes,
            splits=run.read_splits() if run.has(schema.SPLITS) else {},
            journal=run.read_lines(schema.JOURNAL),
            timings=run.read_lines(schema.TIMINGS),
            freezing=run.read_lines(schema.FREEZING),
            architecture=_read_optional(run, schema.ARCHITECTURE),
            architecture_text=_read_text(run.path / schema.ARCHITECTURE_TEXT),
            evaluation=evaluation,
            calibration=Calibration.load(run),
            embedding=embedding,
            label_errors=tuple(
                found
                for name in dict.fromkeys((split, "train"))
                if (found := load_label_errors(run, name, classes)) is not None
            ),
            film=_read_film(run),
            ceilings=_read_optional(run, schema.STRIDE_BOUNDS).get("miou", {}),
            class_counts=_read_optional(run, schema.CLASS_COUNTS),
            findings=_read_optional(run, schema.findings(split)),
            film_maps=read_film_maps(run, classes) if split == "val" else None,
        )


def read_evaluation(run: RunFolder, split: str, classes: ClassList) -> Evaluation | None:
    """What `finesight evaluate` saved of a split; None where it was never evaluated."""
    folder = run.evaluation(split)
    if not run.is_evaluated(split):
        return None
    summary = run.read_json(f"{schema.evaluation(split)}/{schema.METRICS}")
    rows = read_csv(folder / schema.CONFUSION, ("truth", *classes.names))
    counts = tuple(tuple(int(count) for count in row[1:]) for row in rows)
    if len(counts) != len(classes) or min(map(min, counts)) < 0:
        raise RunError(f"{folder / schema.CONFUSION} does not count {len(classes)} classes. Evaluate again.")
    found = Evaluation(summary["num_samples"], summary["metrics"], summary["definitions"], counts)
    if (images := find_file(folder, schema.IMAGES)).exists():
        return replace(found, scenes=_read_scenes(images))
    return replace(found, answers=_read_answers(folder / schema.PREDICTIONS, classes))


def _read_answers(path: Path, classes: ClassList) -> tuple[Answer, ...]:
    index = {label: i for i, label in enumerate(classes.ids)}
    return tuple(
        Answer(key, index.get(truth), index.get(prediction), float(confidence))
        for key, truth, prediction, confidence in read_csv(path, ("key", "target", "prediction", "confidence"))
    )


def _read_scenes(path: Path) -> tuple[Scene, ...]:
    rows = read_csv(path, ("key", "pixel_accuracy", "miou"))
    return tuple(Scene(key, *(float(score) if score else None for score in scores)) for key, *scores in rows)


def _read_film(run: RunFolder) -> Film | None:
    index = _read_optional(run, schema.SNAPSHOTS)
    if not index:
        return None
    return Film(
        folder=run.path / schema.HISTORY,
        truth=Path(index["truth"]).name,
        epochs=tuple(int(epoch) for epoch in index["epochs"]),
        frames={image["key"]: Path(image["frame"]).name for image in find_value(index, "images")},
        scores=_read_optional(run, schema.SNAPSHOT_SCORES).get("miou", {}),
    )


def _read_embedding(run: RunFolder, split: str, classes: ClassList) -> Embedding | None:
    folder = run.embedding(split)
    if not run.is_embedded(split):
        return None
    index = {label: i for i, label in enumerate(classes.ids)}
    rows = read_csv(folder / schema.SAMPLES, ("key", "target", "prediction"))
    answers = tuple(Answer(key, index.get(truth), index.get(prediction)) for key, truth, prediction in rows)
    drawn = load_map(folder)
    if drawn.points.shape != (len(answers), 2):
        raise RunError(f"{folder} has {len(answers)} samples but a map of {len(drawn.points)} points. Embed again.")
    image = folder / schema.PROJECTION_PLOT
    return Embedding(
        answers=answers,
        map=drawn,
        close_classes=_read_optional(run, f"{schema.embedding(split)}/{schema.CLOSE_CLASSES}"),
        image=image.read_bytes() if image.exists() else b"",
        similar=load_similar(folder, len(answers)),
    )


def _with_confidence(embedding: Embedding, evaluation: Evaluation) -> Embedding:
    confidence = {answer.key: answer.confidence for answer in evaluation.answers}
    answers = (replace(answer, confidence=confidence.get(answer.key)) for answer in embedding.answers)
    return replace(embedding, answers=tuple(answers))


def _read_optional(run: RunFolder, name: str) -> dict[str, Any]:
    return run.read_json(name) if run.has(name) else {}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def find_mistakes(answers: Sequence[Answer]) -> list[Answer]:
    """Wrong answers, the most confident first."""
    return sorted((a for a in answers if a.is_mistake), key=lambda a: (-(a.confidence or 0.0), a.key))


def find_best_epoch(evidence: Evidence) -> int | None:
    """The epoch whose weights were kept: as the journal says, of older runs the first highest by checkpoint.best."""
    if evidence.journal and isinstance(kept := evidence.journal[-1].get("best_epoch"), int):
        return kept
    sign = -1 if judged_metric(evidence) in LOWER_IS_BETTER else 1
    judged = [(sign * value, -epoch) for epoch, value in read_curve(evidence, f"val/{judged_metric(evidence)}")]
    return -max(judged)[1] if judged else None


def judged_metric(evidence: Evidence) -> str:
    """The metric that chose the kept epoch, such as `accuracy`."""
    return evidence.settings.checkpoint.best or evidence.task.best_metric


def read_curve(evidence: Evidence, name: str) -> list[tuple[int, float]]:
    """(epoch, value) of a number the journal tells; epochs without it are left out."""
    return [(line["epoch"], line[name]) for line in evidence.journal if is_number(line.get(name))]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
