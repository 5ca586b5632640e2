"""What the sections on the projection, on its history and on similar classes show, for any task."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finesight.analysis.evidence import Embedding, Evidence
from finesight.analysis.projection import Projection
from finesight.analysis.projection import describe_projection as describe_settings
from finesight.analysis.wording import percent
from finesight.reporting.dendrogram import draw_dendrogram
from finesight.reporting.interactive_plot import UNKNOWN_STYLE, Style, class_style, make_plot
from finesight.reporting.thumbnails import data_uri

KNN_LOSS_TOLERATED = 0.05  # of kNN accuracy, from the embeddings to the projection
SIDE, MARGIN = 320, 22  # of a history panel, in user units; the titles of the axes lie in the margin


def describe_projection(evidence: Evidence, styles: Sequence[Style], key: str) -> dict[str, Any]:
    """Context of projection.html.j2. styles: of each class. key: a sentence on the colours and edges of dots."""
    embedding = evidence.embedding
    similarity = embedding.similarity if embedding else None
    return {
        "similarity": similarity,
        "dendrogram": draw_dendrogram(similarity, evidence.classes.labels) if similarity else None,
        "plot_key": key,
        "plot_image": data_uri("image/png", embedding.image) if embedding and embedding.image else "",
        "projection_quality": judge_projection(embedding.projection) if embedding else None,
        "embedding_run": "",
        "styles": styles,
    }


def plot_projection(embedding: Embedding, styles: Sequence[Style]) -> dict[str, Any]:
    """What projection.js draws; its dots are the first of the page's images."""
    images = embedding.images
    dots = [UNKNOWN_STYLE if image.truth is None else styles[image.truth] for image in images]
    plot = make_plot(embedding.projection.points, dots, [image.is_error for image in images])
    return {"plot": plot, "image": list(range(len(images)))}


@dataclass(frozen=True)
class Fact:
    """name: of glossary.TERMS."""

    name: str
    label: str
    value: float


@dataclass(frozen=True)
class ProjectionQuality:
    """How well neighbours are preserved, and what that allows to conclude."""

    facts: tuple[Fact, ...]
    sentence: str


def judge_projection(projection: Projection) -> ProjectionQuality:
    quality = projection.quality
    labels = {
        "neighbourhood_preservation": f"Neighbours preserved (k = {quality.get('k', 0):.0f})",
        "neighbourhood_chance": "Preserved by chance",
        "knn_accuracy_features": "kNN accuracy, embeddings",
        "knn_accuracy_projection": "kNN accuracy, projection",
    }
    facts = tuple(Fact(name, label, quality[name]) for name, label in labels.items() if name in quality)
    if "knn_accuracy_projection" not in quality:
        verdict = "Its quality was not measured: read it with care."
    elif quality["knn_accuracy_features"] - quality["knn_accuracy_projection"] < KNN_LOSS_TOLERATED:
        verdict = "The projection separates classes as well as the embeddings do: nearby dots are similar images."
    else:
        verdict = "The projection separates classes worse than the embeddings do: take nearby dots as a hint only."
    far = "" if projection.method == "pca" else " Distances between groups, and the sizes of groups, mean little."
    settings = describe_settings(replace(projection, quality={}))  # its numbers are facts already
    return ProjectionQuality(facts, f"{settings} {verdict}{far}")


@dataclass(frozen=True)
class Cloud:
    """The images of one class: colour, and dots as SVG path data."""

    name: str
    colour: str
    dots: str


@dataclass(frozen=True)
class HistoryPanel:
    epoch: int
    caption: str
    clouds: tuple[Cloud, ...]


def draw_history(evidence: Evidence) -> list[HistoryPanel]:
    """One panel per saved epoch, all at the same position and scale."""
    history = evidence.projection_history
    if history is None:
        return []
    everything = np.concatenate(history.points)
    low, high = everything.min(0), everything.max(0)
    scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    panels = []
    for epoch, points in zip(history.epochs, history.points, strict=True):
        places = (points - (low + high) / 2) * (scale, -scale) + SIDE / 2
        clouds = tuple(
            Cloud(evidence.classes.labels[c], class_style(c).colour, _draw_dots(places[history.targets == c]))
            for c in np.unique(history.targets).tolist()
        )
        caption = f"neighbours of the same class {percent(epoch.own_fraction)}, accuracy {percent(epoch.accuracy)}"
        panels.append(HistoryPanel(epoch.epoch, caption, clouds))
    return panels


def _draw_dots(places: np.ndarray) -> str:
    """Lines of no length, which a round cap makes a dot."""
    return "".join(f"M{x:.0f} {y:.0f}h0" for x, y in places)
