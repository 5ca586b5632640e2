"""Sentences and small tables of the report, from evidence. It computes no metric."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finesight.analysis.evidence import Evidence, find_best_epoch, judged_metric, read_curve
from finesight.analysis.wording import count_of
from finesight.metrics.evaluation import Evaluation
from finesight.metrics.intervals import wilson_interval
from finesight.metrics.metric_labels import label_metric, mention_metric
from finesight.progress import quote
from finesight.reporting.budget_section import count_epochs
from finesight.reporting.charts import Curves, draw_curves
from finesight.run import schema
from finesight.run.journal import LayerState, LedgerEntry


def percent(fraction: float) -> str:
    """`83.4 %`; only nothing is 0.0 %, and only everything 100.0 %."""
    value = 100 * fraction
    return f"{min(max(value, 0.1), 99.9) if 0 < value < 100 else value:.1f}\N{NO-BREAK SPACE}%"


def describe_training(evidence: Evidence) -> str:
    """Which model was trained on which data."""
    settings = evidence.settings
    images = len(evidence.splits.get("train", ()))
    data = f"{count_of(images, 'image')} of " if images else ""
    source = evidence.model.weights.get("source", "")
    origin = f", starting from {source}," if source else ""
    name = evidence.model.name or settings.model.name
    return (
        f"{name}{origin} was trained on {data}{count_of(len(evidence.classes), 'class')} from {settings.data.root!r}."
    )


@dataclass(frozen=True)
class Verdict:
    """baseline: accuracy of always predicting the largest class. interval: 95 %. kept: the epoch of the weights."""

    accuracy: float
    num_samples: int
    interval: tuple[float, float]
    baseline: float
    against_baseline: str
    kept: str


def give_verdict(evidence: Evidence) -> Verdict | None:
    evaluation = evidence.evaluation
    if evaluation is None or "accuracy" not in evaluation.metrics:
        return None
    accuracy, total = evaluation.metrics["accuracy"], evaluation.num_samples
    sizes = [sum(row) for row in evaluation.counts]
    baseline = max(sizes, default=0) / max(sum(sizes), 1)
    text = f"Always predicting the largest class reaches {percent(baseline)}"
    if 0 < baseline < accuracy:
        text += f"; the accuracy of this model is {accuracy / baseline:.1f} times that."
    else:
        text += "; this model is no better."
    interval = wilson_interval(accuracy, total)
    return Verdict(accuracy, total, interval, baseline, text, describe_kept_epoch(evidence))


def describe_kept_epoch(evidence: Evidence) -> str:
    best = find_best_epoch(evidence)
    if best is None:
        return ""
    judged = judged_metric(evidence)
    tie = "; of epochs within one image of the best, the one with the lowest log loss"
    rule = tie if evidence.settings.checkpoint.tie == "log_loss" else ""
    return f"The weights are from epoch {best} of {count_epochs(evidence)}, the best by {mention_metric(judged)}{rule}."


def draw_training(evidence: Evidence) -> list[Curves]:
    """Loss, decisive metric, learning rate and throughput by epoch, as far as they were recorded."""
    judged = judged_metric(evidence)
    charts = {
        ("Loss", "loss"): {"training": "train/loss", "validation": "val/log_loss"},
        (label_metric(judged), judged): {"validation": f"val/{judged}"},
        ("Learning rate", "learning_rate"): {"learning rate": "lr"},
        ("Images per second", "images_per_second"): {"training": "images_per_second"},
    }
    best = find_best_epoch(evidence)
    curves = (
        draw_curves(
            title,
            term,
            {name: read_curve(evidence, field) for name, field in fields.items()},
            best,
            from_zero=term != judged,
        )
        for (title, term), fields in charts.items()
    )
    return [chart for chart in curves if chart]


@dataclass(frozen=True)
class ClassRow:
    """One class. train, count: images. scores: None where undefined. confused_with: (class index, count)."""

    index: int
    name: str
    train: int
    count: int
    scores: tuple[float | None, ...]
    confused_with: tuple[int, int] | None


def list_classes(evidence: Evidence) -> list[ClassRow]:
    """With precision, recall and F1 as scores."""
    splits = ("train", evidence.split)
    train, held = (Counter(label for _, label in evidence.splits.get(split, ())) for split in splits)
    evaluation = evidence.evaluation
    rows = []
    for index, (label, name) in enumerate(zip(evidence.classes.ids, evidence.classes.names, strict=True)):
        scores: tuple[float | None, ...] = (None, None, None)
        confused_with, count = None, held[label]
        if evaluation:
            scores = tuple(evaluation.metrics.get(f"{metric}/{name}") for metric in ("precision", "recall", "f1"))
            count = sum(evaluation.counts[index])
            confused_with = find_confusion(evaluation, index)
        rows.append(ClassRow(index, evidence.classes.labels[index], train[label], count, scores, confused_with))
    return rows


def list_confusions(evaluation: Evaluation, limit: int = 12) -> list[tuple[int, int, int]]:
    """(truth, prediction, count) of the most frequent errors."""
    found = [
        (truth, prediction, count)
        for truth, row in enumerate(evaluation.counts)
        for prediction, count in enumerate(row)
        if count and truth != prediction
    ]
    return sorted(found, key=lambda entry: -entry[2])[:limit]


def order_classes(evidence: Evidence) -> list[int]:
    """Class indices, similar classes side by side; in the order of the class list where similarity is unknown."""
    similarity = evidence.embedding.similarity if evidence.embedding else None
    judged = similarity.order if similarity else ()
    return [*judged, *(index for index in range(len(evidence.classes)) if index not in judged)]


@dataclass(frozen=True)
class FreezePhase:
    """Epochs with the same layers frozen. unchanged: every frozen layer kept its hash."""

    first: int
    last: int
    before: str  # the first trained layer; empty: none was frozen
    frozen: int
    trained: int
    unchanged: bool
    layers: tuple[LayerState, ...]  # as in the last epoch's entry


def list_freeze_phases(evidence: Evidence) -> list[FreezePhase]:
    phases = itertools.groupby(evidence.ledger, key=lambda entry: entry.freeze_before)
    return [_describe_phase(list(entries)) for _, entries in phases]


def _describe_phase(entries: Sequence[LedgerEntry]) -> FreezePhase:
    hashes: dict[str, set[str | None]] = {}
    for layer in (layer for entry in entries for layer in entry.layers if layer.is_frozen):
        hashes.setdefault(layer.name, set()).add(layer.hash)
    last = entries[-1]
    return FreezePhase(
        first=entries[0].epoch,
        last=last.epoch,
        before=last.freeze_before,
        frozen=len(hashes),
        trained=sum(not layer.is_frozen for layer in last.layers),
        unchanged=all(len(seen) == 1 for seen in hashes.values()),
        layers=last.layers,
    )


def list_commands(evidence: Evidence) -> list[tuple[str, str]]:
    """(purpose, command line) to repeat this run and this report."""
    run = quote(evidence.run)
    commands = []
    if command := evidence.environment.command:
        program = Path(command[0]).name
        program = "finesight" if program == "__main__.py" else program
        commands.append(("Original command", quote(program, *command[1:])))
    config = quote(evidence.run / schema.CONFIG)
    commands.append(("Same settings, new run", f"finesight train {config} --out NEW_RUN"))
    commands.append(("Evaluate again", f"finesight evaluate {run} --split {quote(evidence.split)}"))
    commands.append(("Embed again: projection and similar classes", f"finesight embed {run}"))
    commands.append(("Write this report again", f"finesight report {run}"))
    return commands


def find_confusion(evaluation: Evaluation, truth: int) -> tuple[int, int] | None:
    """(prediction, count) of the class that this one is most often predicted as, wrongly."""
    row = evaluation.counts[truth]
    count, prediction = max(((count, -i) for i, count in enumerate(row) if i != truth), default=(0, 0))
    return (-prediction, count) if count else None
