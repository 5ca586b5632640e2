"""Sentences and small tables of the report, from evidence. Every number in them was measured elsewhere."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finesight.analysis.evidence import Evidence, find_best_epoch, is_number
from finesight.analysis.projection import Map
from finesight.analysis.projection_quality import describe_map
from finesight.analysis.wording import count_of
from finesight.metrics.evaluation import Evaluation
from finesight.metrics.intervals import wilson_interval
from finesight.reporting.charts import Curves, draw_curves
from finesight.run import schema

KNN_LOSS_TOLERATED = 0.05  # accuracy by neighbours that a map may lose and still be called as good as its features


def percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def describe_training(evidence: Evidence) -> str:
    """What was trained on what."""
    settings = evidence.settings
    images = len(evidence.splits.get("train", ()))
    data = f"{count_of(images, 'image')} of " if images else ""
    source = evidence.model.get("weights", {}).get("source", "")
    origin = f", starting from {source}," if source else ""
    name = evidence.model.get("name") or settings.model.name
    return (
        f"{name}{origin} was trained on {data}{count_of(len(evidence.classes), 'class')} from {settings.data.root!r}."
    )


@dataclass(frozen=True)
class Verdict:
    """accuracy: as measured. guessing: what answering with the largest class would reach, and a sentence on that.

    kept: which epoch's weights these are.
    """

    accuracy: float
    num_samples: int
    interval: tuple[float, float]
    guessing: float
    against_guessing: str
    kept: str


def give_verdict(evidence: Evidence) -> Verdict | None:
    evaluation = evidence.evaluation
    if evaluation is None or "accuracy" not in evaluation.metrics:
        return None
    accuracy, total = evaluation.metrics["accuracy"], evaluation.num_samples
    sizes = [sum(row) for row in evaluation.counts]
    guessing = max(sizes, default=0) / max(sum(sizes), 1)
    text = f"Always guessing the largest class would be right on {percent(guessing)}"
    if guessing > 0 and accuracy > guessing:
        text += f": this network is right {accuracy / guessing:.1f} times as often."
    else:
        text += ": this network is no better than that."
    interval = wilson_interval(accuracy, total)
    return Verdict(accuracy, total, interval, guessing, text, describe_kept_epoch(evidence))


def describe_kept_epoch(evidence: Evidence) -> str:
    best = find_best_epoch(evidence)
    if best is None:
        return ""
    judged = evidence.settings.checkpoint.best or "accuracy"
    tie = " (the lower log loss decides between scores within one image of the highest)"
    rule = tie if evidence.settings.checkpoint.tie == "log_loss" else ""
    return f"Its weights are those of epoch {best} of {evidence.settings.epochs}, the best by {judged}{rule}."


def draw_training(evidence: Evidence) -> list[Curves]:
    """Loss, judged metric, learning rate and speed over the epochs; those of them that were recorded."""
    judged = evidence.settings.checkpoint.best or "accuracy"
    charts = {
        ("Loss", "loss"): {"training": "train/loss", "validation": "val/log_loss"},
        (judged, judged): {"validation": f"val/{judged}"},
        ("Learning rate", "learning_rate"): {"learning rate": "lr"},
        ("Images a second", "images_per_second"): {"training": "images_per_second"},
    }
    lines = [*evidence.journal, *evidence.timings]
    best = find_best_epoch(evidence)
    drawn = (
        draw_curves(
            title,
            term,
            {
                name: points
                for name, field in fields.items()
                if (points := [(line["epoch"], line[field]) for line in lines if is_number(line.get(field))])
            },
            best,
            from_zero=title != judged,
        )
        for (title, term), fields in charts.items()
    )
    return [chart for chart in drawn if chart]


@dataclass(frozen=True)
class Fact:
    """name: of glossary.TERMS."""

    name: str
    label: str
    value: float
    text: str


@dataclass(frozen=True)
class MapTrust:
    """How well the map keeps neighbours, and what that allows to read from it."""

    facts: tuple[Fact, ...]
    sentence: str


def judge_map(drawn: Map) -> MapTrust:
    quality = drawn.quality
    labels = {
        "neighbourhood_preservation": f"Nearest {quality.get('k', 0):.0f} that stay neighbours",
        "neighbourhood_chance": "The same by chance",
        "knn_accuracy_features": "kNN accuracy, full features",
        "knn_accuracy_map": "kNN accuracy, on the map",
    }
    facts = tuple(
        Fact(name, label, quality[name], percent(quality[name])) for name, label in labels.items() if name in quality
    )
    loss = quality.get("knn_accuracy_features", 0.0) - quality.get("knn_accuracy_map", 0.0)
    if "knn_accuracy_map" not in quality:
        trust = "How well it keeps neighbours was not measured, so read it with care."
    elif loss < KNN_LOSS_TOLERATED:
        trust = "Classes are told apart on the map as well as in the full features, so trust near dots to be alike."
    else:
        trust = (
            "Classes are told apart worse on the map than in the full features, so near dots are a hint, not a proof."
        )
    far = " How far apart distant groups are, and how large a group is, means little." if drawn.method != "pca" else ""
    made = describe_map(replace(drawn, quality={}))  # its numbers are facts already
    return MapTrust(facts, f"{made} {trust}{far}")


@dataclass(frozen=True)
class ClassRow:
    """One class. Scores are None where the class gives them no meaning; taken_for: (class index, count)."""

    index: int
    name: str
    train: int
    count: int
    scores: tuple[float | None, ...]  # precision, recall, F1
    taken_for: tuple[int, int] | None


def list_classes(evidence: Evidence) -> list[ClassRow]:
    train = _count_labels(evidence, "train")
    held = _count_labels(evidence, evidence.split)
    evaluation = evidence.evaluation
    rows = []
    for index, (label, name) in enumerate(zip(evidence.classes.ids, evidence.classes.names, strict=True)):
        scores: tuple[float | None, ...] = (None, None, None)
        taken_for, count = None, held.get(label, 0)
        if evaluation:
            scores = tuple(evaluation.metrics.get(f"{metric}/{name}") for metric in ("precision", "recall", "f1"))
            count = sum(evaluation.counts[index])
            taken_for = find_confusion(evaluation, index)
        rows.append(ClassRow(index, name, train.get(label, 0), count, scores, taken_for))
    return rows


def list_confusions(evaluation: Evaluation, limit: int = 12) -> list[tuple[int, int, int]]:
    """(truth, prediction, count) of the most frequent mistakes."""
    found = [
        (truth, prediction, count)
        for truth, row in enumerate(evaluation.counts)
        for prediction, count in enumerate(row)
        if count and truth != prediction
    ]
    return sorted(found, key=lambda entry: -entry[2])[:limit]


def order_classes(evidence: Evidence) -> list[int]:
    """Class indices with close classes side by side; in the order of the class list where closeness is not known."""
    judged = evidence.embedding.close_classes.get("order", []) if evidence.embedding else []
    return [*judged, *(index for index in range(len(evidence.classes)) if index not in judged)]


@dataclass(frozen=True)
class FreezePhase:
    """Epochs with the same layers frozen. unchanged: every frozen layer had one and the same hash all the while."""

    first: int
    last: int
    before: str  # the first layer that was tuned; empty: none was frozen
    frozen: int
    tuned: int
    unchanged: bool
    layers: list[dict[str, Any]]  # as in the last epoch's entry


def list_freeze_phases(evidence: Evidence) -> list[FreezePhase]:
    phases: list[list[dict[str, Any]]] = []
    for entry in evidence.freezing:
        if phases and phases[-1][-1]["freeze_before"] == entry["freeze_before"]:
            phases[-1].append(entry)
        else:
            phases.append([entry])
    return [_describe_phase(entries) for entries in phases]


def _describe_phase(entries: list[dict[str, Any]]) -> FreezePhase:
    hashes: dict[str, set[str]] = {}
    for entry in entries:
        for layer in entry["layers"]:
            if layer["state"] == "frozen":
                hashes.setdefault(layer["name"], set()).add(layer.get("hash", ""))
    last = entries[-1]
    return FreezePhase(
        first=entries[0]["epoch"],
        last=last["epoch"],
        before=last["freeze_before"],
        frozen=len(hashes),
        tuned=sum(layer["state"] != "frozen" for layer in last["layers"]),
        unchanged=all(len(seen) == 1 for seen in hashes.values()),
        layers=last["layers"],
    )


def list_commands(evidence: Evidence) -> list[tuple[str, str]]:
    """(what it does, command line) to make this run and this report again."""
    run = shlex.quote(str(evidence.run))
    commands = []
    command = evidence.environment.get("command")
    if command:
        program = Path(command[0]).name
        program = "finesight" if program == "__main__.py" else program
        commands.append(("as it was started", shlex.join([program, *command[1:]])))
    config = shlex.quote(str(evidence.run / schema.CONFIG))
    commands.append(("the same settings into a new run", f"finesight train {config} --out NEW_RUN"))
    commands.append(("answers and numbers again", f"finesight evaluate {run} --split {shlex.quote(evidence.split)}"))
    commands.append(("map and close classes again", f"finesight embed {run}"))
    commands.append(("this page again", f"finesight report {run}"))
    return commands


def find_confusion(evaluation: Evaluation, truth: int) -> tuple[int, int] | None:
    """(prediction, count) of the class that this one is most often taken for."""
    row = evaluation.counts[truth]
    count, prediction = max(((count, -i) for i, count in enumerate(row) if i != truth), default=(0, 0))
    return (-prediction, count) if count else None


def _count_labels(evidence: Evidence, split: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, label in evidence.splits.get(split, ()):
        counts[label] = counts.get(label, 0) + 1
    return counts
