"""The sizes of a data set's images as a scatter plot: height over width, larger dots for more images."""

from collections import Counter
from dataclasses import dataclass
from math import sqrt

from finesight.data.audit import Audit
from finesight.reporting.charts import Dot, Tick, choose_ticks

FEWEST = 5  # sizes to draw; fewer are read faster in words
MOST = 1000  # dots
WIDTH, HEIGHT = 360, 260  # user units
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 14, 44
RADII = 2.5, 9.0  # of one image, of the most common size


@dataclass(frozen=True)
class Spot(Dot):
    radius: float


@dataclass(frozen=True)
class SizePlot:
    """left_out: sizes that are too rare to be drawn."""

    spots: tuple[Spot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT


def draw_sizes(audit: Audit) -> SizePlot | None:
    """None for few sizes."""
    counts = Counter(file.size for file in audit.files.values() if not file.fault)
    if len(counts) < FEWEST:
        return None
    shown = counts.most_common(MOST)
    most = shown[0][1]
    heights, widths = zip(*(size for size, _ in shown), strict=True)
    x_ticks, y_ticks = choose_ticks(0, max(widths)), choose_ticks(0, max(heights))

    def across(width: float) -> float:
        return round(LEFT + width / x_ticks[-1] * (WIDTH - LEFT - RIGHT), 1)

    def down(height: float) -> float:
        return round(HEIGHT - BOTTOM - height / y_ticks[-1] * (HEIGHT - TOP - BOTTOM), 1)

    small, large = RADII
    spots = (
        Spot(
            across(width),
            down(height),
            f"{height} × {width} px: {count:,} {'image' if count == 1 else 'images'}",
            round(small + (large - small) * sqrt((count - 1) / max(most - 1, 1)), 1),
        )
        for (height, width), count in shown
    )
    return SizePlot(
        spots=tuple(spots),
        x_ticks=tuple(Tick(across(tick), f"{tick:,g}") for tick in x_ticks),
        y_ticks=tuple(Tick(down(tick), f"{tick:,g}") for tick in y_ticks),
        summary=f"{len(counts):,} sizes: heights from {min(heights):,} to {max(heights):,} px, widths from "
        f"{min(widths):,} to {max(widths):,} px.",
        left_out=len(counts) - len(shown),
    )
