"""The map of a split as a Bokeh plot. It holds numbers and colours only; templates/map.js adds names and pictures.

No text of the user's goes through Bokeh, so none of it can become HTML there. No plot callback is a code string, so
the page needs no `unsafe-eval`.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import bokeh
import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    BooleanFilter,
    BoxSelectTool,
    CDSView,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    LassoSelectTool,
    PanTool,
    TapTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

# Ten hues readable on white and on near-black; together with five shapes they tell fifty classes apart.
COLOURS = (
    "#3b7ddd", "#e8743b", "#19a979", "#d64f6d", "#8e6bd1", "#b58900", "#13a4b4", "#c45ab3", "#6c8f2f", "#8a8f98",
)  # fmt: skip
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle")
HEIGHT = 560  # CSS pixels
MISTAKE_EDGE = "#d1242f"


def class_style(index: int) -> tuple[str, str]:
    """(colour, marker) of a class."""
    return COLOURS[index % len(COLOURS)], MARKERS[index // len(COLOURS) % len(MARKERS)]


def make_map(points: np.ndarray, truths: Sequence[int | None], mistakes: Sequence[bool]) -> dict[str, Any]:
    """The plot as JSON that `Bokeh.embed.embed_item` draws. points: (n, 2), a dot each, in the order of samples."""
    styles = [class_style(truth) if truth is not None else ("#8a8f98", "x") for truth in truths]
    source = ColumnDataSource(
        {
            "x": points[:, 0].astype(np.float32),
            "y": points[:, 1].astype(np.float32),
            "colour": [colour for colour, _ in styles],
            "marker": [marker for _, marker in styles],
            "edge": [MISTAKE_EDGE if mistake else colour for (colour, _), mistake in zip(styles, mistakes, strict=True)],
            "width": [1.6 if mistake else 0.4 for mistake in mistakes],
        },
        name="samples",
    )
    size = max(5.0, 11.0 - len(points) / 500)
    plot = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools=[],
        match_aspect=True,
        min_border=0,
        x_range=DataRange1d(range_padding=0.04),
        y_range=DataRange1d(range_padding=0.04),
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
    )
    plot.axis.visible = False
    plot.grid.visible = False
    drawn = {"marker": "marker", "fill_color": "colour", "line_color": "edge", "line_width": "width", "size": size}
    faint = {"marker": "marker", "fill_color": "#8a8f98", "line_color": None, "size": size * 0.6, "fill_alpha": 0.18}
    shown = CDSView(filter=BooleanFilter(booleans=[True] * len(points), name="shown"))
    muted = CDSView(filter=BooleanFilter(booleans=[False] * len(points), name="muted"))
    plot.scatter("x", "y", source=source, view=muted, nonselection_fill_alpha=0.18, **faint)
    dots = plot.scatter(
        "x", "y", source=source, view=shown, fill_alpha=0.82, nonselection_fill_alpha=0.12,
        nonselection_line_alpha=0.12, **drawn,
    )  # fmt: skip
    # Hover has no tooltip of its own: map.js listens to what is under the pointer.
    plot.add_tools(
        PanTool(name="pan"),
        WheelZoomTool(modifiers={"ctrl": True}, name="wheel"),  # so that scrolling the page is never caught
        HoverTool(tooltips=None, renderers=[dots]),
        LassoSelectTool(renderers=[dots], name="lasso"),
        BoxSelectTool(renderers=[dots], name="box"),
        TapTool(renderers=[dots]),
    )
    item: dict[str, Any] = json_item(plot)  # type: ignore[no-untyped-call, unused-ignore]
    return item


@cache
def bokeh_script() -> str:
    """Bokeh's own script without widgets, tables, WebGL and MathJax (1.3 MB)."""
    path = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
