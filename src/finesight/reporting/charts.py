"""Geometry of the charts: positions of lines, ticks and cells. Templates turn it into SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 224  # user units of a curve chart
LEFT, RIGHT, TOP, BOTTOM = 68, 14, 14, 44  # its margins

Points = Sequence[tuple[float, float]]  # (epoch, value)


@dataclass(frozen=True)
class Tick:
    at: float  # user units along its axis
    label: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Line:
    name: str
    path: str  # SVG path data
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Curves:
    """Lines over epochs, or what x_title says. y_title: of the vertical axis. term: of the glossary.

    best_x: position of the kept epoch, None without one.
    """

    title: str
    y_title: str
    term: str
    summary: str  # for screen readers
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    best_x: float | None
    x_title: str = "Epoch"


def draw_curves(
    title: str, term: str, series: Mapping[str, Points], best_epoch: int | None, from_zero: bool = True
) -> Curves | None:
    """A chart of named series; None where no series has a finite value."""
    finite = {name: kept for name, points in series.items() if (kept := [p for p in points if math.isfinite(p[1])])}
    if not finite:
        return None
    epochs = [x for points in finite.values() for x, _ in points]
    values = [y for points in finite.values() for _, y in points]
    first, last = min(epochs), max(epochs)
    y_ticks = choose_ticks(min(0.0, *values) if from_zero else min(values), max(values))
    low, high = min(y_ticks[0], *values), max(y_ticks[-1], *values)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low)
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1
        )

    lines = []
    for name, points in finite.items():
        dots = tuple(Dot(*place(x, y), f"epoch {x:g}: {name} {y:.4g}") for x, y in points)
        lines.append(Line(name, "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots), dots))
    ends = "; ".join(f"{name} {points[0][1]:.4g} to {points[-1][1]:.4g}" for name, points in finite.items())
    return Curves(
        title=title,
        y_title=title.partition(",")[0],
        term=term,
        summary=f"{title}, epochs {first:g} to {last:g}: {ends}.",
        lines=tuple(lines),
        x_ticks=tuple(Tick(place(x, low)[0], f"{x:g}") for x in choose_epochs(int(first), int(last))),
        y_ticks=tuple(Tick(place(first, y)[1], f"{y:g}") for y in y_ticks),
        best_x=place(best_epoch, low)[0] if best_epoch is not None and first <= best_epoch <= last else None,
    )


def choose_ticks(low: float, high: float, count: int = 4) -> tuple[float, ...]:
    """About `count` round numbers that cover low to high: steps of 1, 2 or 5 times a power of ten."""
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-30):
        span = abs(low) * 0.1 or 1.0
        low, high = low - span, high + span
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(float(f"{i * step:.10g}") for i in range(first, last + 1))


def choose_epochs(first: int, last: int, count: int = 6) -> tuple[int, ...]:
    step = max(1, math.ceil((last - first) / count))
    return tuple(range(first, last + 1, step))


@dataclass(frozen=True)
class Cell:
    """truth, prediction: class indices; row, column: position; strength: opacity 0-1."""

    truth: int
    prediction: int
    row: int
    column: int
    count: int
    fraction: float  # of the row, 0-1
    strength: float
    text: str


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix as drawn: the cells that are not 0. order: class index at each position."""

    cells: tuple[Cell, ...]
    order: tuple[int, ...]
    pitch: int  # user units per cell
    margin: int  # for the names of rows and columns
    labels: tuple[str, ...]  # shortened names in class order
    shows_text: bool
    in_percent: bool

    @property
    def size(self) -> int:
        return self.margin + self.pitch * len(self.order) + 2


def draw_matrix(
    counts: Sequence[Sequence[int]], names: Sequence[str], order: Sequence[int], in_percent: bool = False
) -> Matrix:
    """counts[truth][prediction], rows and columns in `order` of classes.

    in_percent: cells show percent of their row, as counts of pixels are too long.
    """
    place = {index: at for at, index in enumerate(order)}
    cells = []
    for truth, row in enumerate(counts):
        total = sum(row)
        for prediction, count in enumerate(row):
            if count:
                fraction = count / total
                strength = round(0.35 + 0.65 * fraction**0.7, 3)  # one error in a hundred is still visible
                text = f"{100 * fraction:.0f}" if in_percent else str(count)
                cells.append(Cell(truth, prediction, place[truth], place[prediction], count, fraction, strength, text))
    pitch = max(12, min(46, 720 // max(len(names), 1)))
    labels = tuple(shorten(name, 16) for name in names)
    letter = min(12, pitch - 2) * 0.58
    margin = 12 + round(letter * max(len(label) for label in labels))
    return Matrix(tuple(cells), tuple(order), pitch, margin, labels, pitch >= 22, in_percent)


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
