"""Geometry of the dendrogram of classes: similar ones join further left, beside their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from finesight.analysis.class_similarity_result import ClassSimilarity
from finesight.analysis.wording import percent
from finesight.reporting.charts import Tick, shorten

WIDTH, PITCH = 460, 17  # user units: of the joins, from class to class
LETTER, GAP = 6.8, 8  # of a name: width of a letter at most, space to the joins
LONGEST = 24  # letters of a name
TOP, BOTTOM = 42, 8  # above: the axis, which is in view where the classes below are scrolled
MOST_CLASSES = 150
TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Join:
    path: str  # SVG path data
    is_similar: bool  # belongs to a group
    text: str


@dataclass(frozen=True)
class Dendrogram:
    """labels: (class index, shortened name, y). ticks: class similarities along the top."""

    joins: tuple[Join, ...]
    labels: tuple[tuple[int, str, float], ...]
    ticks: tuple[Tick, ...]
    threshold_x: float
    labels_x: float  # where the names end
    width: float
    height: float


def draw_dendrogram(found: ClassSimilarity, names: Sequence[str]) -> Dendrogram | None:
    """None for one class, and for too many to read. The scale is the square root, as most similarities are small."""
    tree, order = found.tree, found.order
    if not 1 < len(order) <= MOST_CLASSES or len(tree) != len(order) - 1:
        return None
    largest = max(*(similarity for *_, similarity in tree), found.threshold) * 1.15

    labels = {index: shorten(names[index], LONGEST) for index in order}
    start = GAP + round(LETTER * max(map(len, labels.values())))

    def across(similarity: float) -> float:
        return round(start + WIDTH * (1 - sqrt(max(similarity, 0.0) / largest)), 1)

    places = {index: (float(start), TOP + PITCH * (row + 0.5)) for row, index in enumerate(order)}
    joins = []
    for number, (left, right, similarity) in enumerate(tree):
        (x1, y1), (x2, y2) = places[left], places[right]
        x = across(similarity)
        path = f"M{x1:g} {y1:g}H{x:g}V{y2:g}H{x2:g}"
        joins.append(Join(path, similarity >= found.threshold, f"class similarity {percent(max(similarity, 0.0))}"))
        places[len(names) + number] = x, (y1 + y2) / 2
    return Dendrogram(
        joins=tuple(joins),
        labels=tuple((index, label, places[index][1]) for index, label in labels.items()),
        ticks=tuple(Tick(across(tick), percent(tick)) for tick in TICKS if tick < largest),
        threshold_x=across(found.threshold),
        labels_x=start - GAP,
        width=start + WIDTH + GAP,
        height=TOP + PITCH * len(order) + BOTTOM,
    )
