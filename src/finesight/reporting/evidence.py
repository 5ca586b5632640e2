"""What a run folder says about one split, as far as it is there. Reads files; measures nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finesight.classes import ClassList
from finesight.config import Settings
from finesight.errors import RunError
from finesight.insight.projection import Map, load_map
from finesight.run import RunFolder, read_csv


@dataclass(frozen=True)
class Answer:
    """What the network said about one picture. truth, prediction: class indices, None where unknown."""

    key: str
    truth: int | None
    prediction: int | None
    confidence: float | None = None  # softmax probability of the prediction, 0-1

    @property
    def is_mistake(self) -> bool:
        return None not in (self.truth, self.prediction) and self.truth != self.prediction


@dataclass(frozen=True)
class Evaluation:
    """metrics.json, confusion.csv (rows are truth) and predictions.csv."""

    num_samples: int
    metrics: dict[str, float]
    definitions: dict[str, str]
    counts: tuple[tuple[int, ...], ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Embedding:
    """samples.csv with its map, a point each. picture: the map as PNG, empty where there is none."""

    answers: tuple[Answer, ...]
    map: Map
    close_classes: dict[str, Any]
    picture: bytes


@dataclass(frozen=True)
class Evidence:
    run: Path
    split: str
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
    embedding: Embedding | None

    @property
    def pictures(self) -> tuple[Answer, ...]:
        """Every picture of the split that any file names, with what is known of it; evaluated ones first."""
        evaluated = self.evaluation.answers if self.evaluation else ()
        embedded = self.embedding.answers if self.embedding else ()
        return tuple({answer.key: answer for answer in (*embedded, *evaluated)}.values())


def read_evidence(run: RunFolder, split: str) -> Evidence:
    """Everything a report tells. Raises RunError for a file that is damaged; what was never made is None or empty."""
    classes = run.read_classes()
    try:
        evaluation = _read_evaluation(run, split, classes)
        embedding = _read_embedding(run, split, classes)
        if evaluation and embedding:
            embedding = _with_confidence(embedding, evaluation)
        return Evidence(
            run=run.path,
            split=split,
            settings=run.read_settings(),
            settings_text=_read_text(run.path / "config.toml"),
            environment=run.read_json("environment.json"),
            model=run.read_json("model.json"),
            classes=classes,
            splits=run.read_splits() if (run.path / "splits.csv").exists() else {},
            journal=run.read_lines("journal.jsonl"),
            timings=run.read_lines("timings.jsonl"),
            freezing=run.read_lines("freezing.jsonl"),
            architecture=_read_optional(run, "architecture.json"),
            architecture_text=_read_text(run.path / "architecture.txt"),
            evaluation=evaluation,
            embedding=embedding,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RunError(
            f"{run.path} cannot be reported: a file is damaged ({error!r}). Evaluate or embed again."
        ) from None


def _read_evaluation(run: RunFolder, split: str, classes: ClassList) -> Evaluation | None:
    folder = run.evaluation(split)
    if not (folder / "metrics.json").exists():
        return None
    summary = run.read_json(f"evaluation/{split}/metrics.json")
    rows = read_csv(folder / "confusion.csv", ("truth", *classes.names))
    counts = tuple(tuple(int(count) for count in row[1:]) for row in rows)
    index = {label: i for i, label in enumerate(classes.ids)}
    answers = tuple(
        Answer(key, index.get(truth), index.get(prediction), float(confidence))
        for key, truth, prediction, confidence in read_csv(
            folder / "predictions.csv", ("key", "target", "prediction", "confidence")
        )
    )
    return Evaluation(summary["num_samples"], summary["metrics"], summary["definitions"], counts, answers)


def _read_embedding(run: RunFolder, split: str, classes: ClassList) -> Embedding | None:
    folder = run.embedding(split)
    if not (folder / "map.json").exists():
        return None
    index = {label: i for i, label in enumerate(classes.ids)}
    rows = read_csv(folder / "samples.csv", ("key", "target", "prediction"))
    answers = tuple(Answer(key, index.get(truth), index.get(prediction)) for key, truth, prediction in rows)
    drawn = load_map(folder)
    if drawn.points.shape != (len(answers), 2):
        raise RunError(f"{folder} has {len(answers)} samples but a map of {len(drawn.points)} points. Embed again.")
    picture = folder / "map.png"
    return Embedding(
        answers=answers,
        map=drawn,
        close_classes=_read_optional(run, f"embedding/{split}/close_classes.json"),
        picture=picture.read_bytes() if picture.exists() else b"",
    )


def _with_confidence(embedding: Embedding, evaluation: Evaluation) -> Embedding:
    confidence = {answer.key: answer.confidence for answer in evaluation.answers}
    answers = (replace(answer, confidence=confidence.get(answer.key)) for answer in embedding.answers)
    return replace(embedding, answers=tuple(answers))


def _read_optional(run: RunFolder, name: str) -> dict[str, Any]:
    return run.read_json(name) if (run.path / name).exists() else {}


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def find_mistakes(answers: Sequence[Answer]) -> list[Answer]:
    """Wrong answers, the most confident first."""
    return sorted((a for a in answers if a.is_mistake), key=lambda a: (-(a.confidence or 0.0), a.key))
