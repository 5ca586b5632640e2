"""The static plot of a projection: one image, each class with its colour, marker and name."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.projection import Projection, describe_projection
from finesight.classes import ClassList

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Twelve colours and eleven markers have no common factor: 132 classes look different, neighbours in the legend in both.
COLOURS = (
    "#1f6fb4", "#e8710a", "#2a9134", "#d0202e", "#8e56c2", "#8a5a44",
    "#e05fb0", "#6b6b6b", "#a8a400", "#12aebc", "#17307a", "#f2a900",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">", "p")
FONTS = (  # the first has Latin; the others, if installed, draw what it lacks
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Arial Unicode MS",
)  # fmt: skip
LONGEST_LABEL = 28  # characters
LEGEND_ROWS = 34


def draw_projection(
    projection: Projection, targets: Indices, classes: ClassList, path: Path, title: str, colours: Sequence[str] = ()
) -> None:
    """Writes a PNG of a projection with class indices targets (n,); classes without images are left out.

    Images of target -1 are not drawn. colours: of the classes in masks; by default COLOURS.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, targets = projection.points[targets >= 0], targets[targets >= 0]
    shown = np.unique(targets)
    figure = Figure(figsize=(9.0, 9.2), dpi=150, facecolor="white")  # inches; grows by the legend when saved
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.09, 0.96, 0.855))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a script that no installed font has is drawn as boxes
        _draw_points(axes, points, targets, shown, classes, colours)
        _write_around(figure, title, describe_projection(projection))
        figure.draw_without_rendering()  # gives texts their size
        _draw_names(axes, points, targets, shown, classes.labels, ["#333333"] if colours else COLOURS)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.25, metadata={"Software": None})


def _draw_points(
    axes: "Axes", points: Floats, targets: Indices, shown: Indices, classes: ClassList, colours: Sequence[str]
) -> None:
    size = float(np.clip(60_000 / max(len(points), 1), 6, 46))  # square points: small clouds get big dots
    for c in shown:
        own = points[targets == c]
        label = _drawable(classes.labels[c])
        marker, colour = MARKERS[c % len(MARKERS)], colours[c] if colours else COLOURS[c % len(COLOURS)]
        axes.scatter(
            own[:, 0], own[:, 1], s=size, c=colour, marker=marker, alpha=0.75,
            linewidths=0.6 if colours else 0.25, edgecolors="black" if colours else "white",
            label=f"\u200b{label}",  # matplotlib leaves labels that start with _ out of a legend
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.04)
    axes.spines[:].set_color("#cccccc")
    legend = axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=max(1, -(-len(shown) // LEGEND_ROWS)), frameon=False,
        borderaxespad=0, handletextpad=0.2, columnspacing=0.8, labelspacing=0.42, scatterpoints=1,
        prop={"family": _fonts(), "size": 10},
    )  # fmt: skip
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        handle.set_sizes([34.0])  # type: ignore[union-attr]
        handle.set_alpha(1.0)  # type: ignore[union-attr]
        text.set_parse_math(False)
        text.set_text(text.get_text().removeprefix("\u200b"))


def _draw_names(
    axes: "Axes", points: Floats, targets: Indices, shown: Indices, names: Sequence[str], colours: Sequence[str]
) -> None:
    """Each class's name at its centre, in its colour with a light halo; names that would overlap are moved apart."""
    from matplotlib.patheffects import withStroke

    texts = []
    for c in shown:
        x, y = _centre(points[targets == c])
        texts.append(
            axes.text(
                x, y, _drawable(names[c]), color=colours[c % len(colours)], fontsize=9, fontweight="bold", ha="center",
                va="center", family=_fonts(), parse_math=False, zorder=3,
                path_effects=[withStroke(linewidth=2.8, foreground="white", alpha=0.9)],
            )
        )  # fmt: skip
    boxes = np.array([text.get_window_extent().extents for text in texts])  # (classes, 4) pixels
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = _separate(centres, (boxes[:, 2:] - boxes[:, :2]) / 2)
    for text, position in zip(texts, axes.transData.inverted().transform(moved), strict=True):
        text.set_position(tuple(position))


def _centre(own: Floats) -> Floats:
    """The image next to the median: a class in two clusters is named at one, not between them."""
    median = np.median(own, axis=0)
    nearest: Floats = own[np.square(own - median).sum(1).argmin()]
    return nearest


def _separate(centres: Floats, half_sizes: Floats, rounds: int = 200) -> Floats:
    """Moves boxes up and down, a little at a time, until none overlap; pixels."""
    centres = centres.astype(np.float64)
    ranks = np.arange(len(centres))
    for _ in range(rounds):
        gaps = centres[:, None] - centres[None]  # (n, n, 2)
        overlaps = half_sizes[:, None] + half_sizes[None] - np.abs(gaps)
        touching = (overlaps > 0).all(2) & ~np.eye(len(centres), dtype=bool)
        if not touching.any():
            break
        away = np.sign(
            np.where(gaps[..., 1] != 0, gaps[..., 1], ranks[:, None] - ranks)
        )  # of two at the same place, one moves up
        centres[:, 1] += (touching * away * np.minimum(overlaps[..., 1] / 2 + 0.5, 4)).sum(1)
    return centres


def _write_around(figure: "Figure", title: str, caption: str) -> None:
    style: dict[str, Any] = {"family": _fonts(), "parse_math": False, "ha": "left"}
    figure.text(0.02, 0.972, _drawable(title, 110), fontsize=14, fontweight="bold", va="center", **style)
    lines = textwrap.wrap(_drawable(caption, 1000), width=120)
    figure.text(0.02, 0.077, "\n".join(lines), fontsize=9, color="#444444", va="top", linespacing=1.4, **style)


def _drawable(text: str, longest: int = LONGEST_LABEL) -> str:
    """Without control characters, and cut to length."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _fonts() -> list[str]:
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [font for font in FONTS if font in installed]
