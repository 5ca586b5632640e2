"""Geometry of the tree of close classes: classes in order on the right, joined the further left the less they mix."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from finesight.analysis.wording import percent
from finesight.reporting.charts import Tick, shorten

WIDTH, LABELS, PITCH = 460, 170, 17  # user units: of the joins, of the names, from class to class
TOP, BOTTOM = 12, 24
MOST_CLASSES = 150
TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Join:
    path: str  # SVG path data
    close: bool  # makes a group
    text: str


@dataclass(frozen=True)
class Dendrogram:
    """labels: (class index, shortened name, y). ticks: affinities along the bottom. threshold_x: where close begins."""

    joins: tuple[Join, ...]
    labels: tuple[tuple[int, str, float], ...]
    ticks: tuple[Tick, ...]
    threshold_x: float
    labels_x: int
    width: int
    height: float


def draw_dendrogram(close: dict[str, Any], names: Sequence[str]) -> Dendrogram | None:
    """close: of close_classes.json. None where it holds no tree, or one of too many classes to read.

    Affinities are drawn by their square root, since most are small.
    """
    tree, order = close.get("tree", []), close.get("order", [])
    if not 1 < len(order) <= MOST_CLASSES or len(tree) != len(order) - 1:
        return None
    largest = max(*(affinity for *_, affinity in tree), close["threshold"]) * 1.15

    def across(affinity: float) -> float:
        return round(WIDTH * sqrt(max(affinity, 0.0) / largest), 1)

    places = {index: (float(WIDTH), TOP + PITCH * (row + 0.5)) for row, index in enumerate(order)}
    joins = []
    for number, (left, right, affinity) in enumerate(tree):
        (x1, y1), (x2, y2) = places[left], places[right]
        x = across(affinity)
        path = f"M{x1:g} {y1:g}H{x:g}V{y2:g}H{x2:g}"
        joins.append(Join(path, affinity >= close["threshold"], f"mean affinity {percent(max(affinity, 0.0))}"))
        places[len(names) + number] = x, (y1 + y2) / 2
    return Dendrogram(
        joins=tuple(joins),
        labels=tuple((index, shorten(names[index], 24), places[index][1]) for index in order),
        ticks=tuple(Tick(across(affinity), percent(affinity)) for affinity in TICKS if affinity < largest),
        threshold_x=across(close["threshold"]),
        labels_x=WIDTH + 8,
        width=WIDTH + LABELS,
        height=TOP + PITCH * len(order) + BOTTOM,
    )
