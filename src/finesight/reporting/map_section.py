"""The sections on the map and on close classes: what their templates and scripts need, whatever the task."""

from collections.abc import Sequence
from typing import Any

from finesight.analysis.evidence import Embedding, Evidence
from finesight.reporting.dendrogram import draw_dendrogram
from finesight.reporting.interactive_map import UNKNOWN_STYLE, Style, make_map
from finesight.reporting.sections import judge_map
from finesight.reporting.thumbnails import data_uri


def tell_map(evidence: Evidence, styles: Sequence[Style], key: str) -> dict[str, Any]:
    """Context of map.html.j2. styles: of each class. key: what colours and edges of its dots mean, a sentence."""
    embedding = evidence.embedding
    return {
        "close": embedding.close_classes if embedding else {},
        "dendrogram": draw_dendrogram(embedding.close_classes, evidence.classes.names) if embedding else None,
        "map_key": key,
        "map_image": data_uri("image/png", embedding.image) if embedding and embedding.image else "",
        "map_trust": judge_map(embedding.map) if embedding else None,
        "seer": "the network",
        "styles": styles,
    }


def plot_map(embedding: Embedding, styles: Sequence[Style]) -> dict[str, Any]:
    """What map.js draws; its dots are the first of the page's images."""
    answers = embedding.answers
    dots = [UNKNOWN_STYLE if answer.truth is None else styles[answer.truth] for answer in answers]
    plot = make_map(embedding.map.points, dots, [answer.is_mistake for answer in answers])
    return {"plot": plot, "image": list(range(len(answers)))}
