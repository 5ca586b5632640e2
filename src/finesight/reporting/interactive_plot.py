"""The projection of a split as a Bokeh plot. It holds numbers and colours; templates/projection.js adds the rest.

No user text goes through Bokeh, so none can become HTML there. No callback is a code string, so the page works without
`unsafe-eval`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# The hues of the static plot (analysis/projection_plot.py), each readable on white and on near-black. Twelve colours
# and seven shapes have no common factor: 84 classes look different.
COLOURS = (
    "#3b82d6", "#e8710a", "#2f9e3a", "#d9363e", "#9a66d0", "#a06a50",
    "#e05fb0", "#858585", "#a8a400", "#12aebc", "#4b5fc4", "#f2a900",
)  # fmt: skip
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "plus", "star")
UNKNOWN = "#8a8f98"  # colour of dots without a class, and of muted ones
HEIGHT = 560  # CSS pixels
ERROR_EDGE = "#d1242f"


@dataclass(frozen=True)
class Style:
    """CSS colours of a dot, and a name of MARKERS."""

    colour: str
    marker: str
    edge: str


UNKNOWN_STYLE = Style(UNKNOWN, "circle", UNKNOWN)


def class_style(index: int) -> Style:
    colour = COLOURS[index % len(COLOURS)]
    return Style(colour, MARKERS[index % len(MARKERS)], colour)


def mask_style(index: int, colour: str) -> Style:
    """colour: of the class in masks. The edge makes white and black dots visible."""
    return Style(colour, MARKERS[index % len(MARKERS)], UNKNOWN)


def make_plot(points: np.ndarray, styles: Sequence[Style], errors: Sequence[bool]) -> dict[str, Any]:
    """The plot as JSON for `Bokeh.embed.embed_item`. points: (n, 2). errors: whether each dot is misclassified."""
    from bokeh.embed import json_item  # here, as it takes more than a second, which only a report needs
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

    source = ColumnDataSource(_list_columns(points, styles, errors), name="samples")
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
    shown = CDSView(filter=BooleanFilter(booleans=[True] * len(points), name="shown"))
    muted = CDSView(filter=BooleanFilter(booleans=[False] * len(points), name="muted"))
    plot.scatter(
        "x", "y", source=source, view=muted, marker="marker", size=size * 0.6, line_color=None,
        fill_color=UNKNOWN, fill_alpha=0.2, nonselection_fill_alpha=0.2,
    )  # fmt: skip
    dots = plot.scatter(
        "x", "y", source=source, view=shown, marker="marker", size=size, line_color="edge", line_width="width",
        fill_color="colour", fill_alpha=0.82, nonselection_fill_alpha=0.12, nonselection_line_alpha=0.12,
    )  # fmt: skip
    # Hover has no tooltip: projection.js shows the image under the pointer.
    plot.add_tools(
        PanTool(name="pan"),
        WheelZoomTool(modifiers={"ctrl": True}, name="wheel"),  # the wheel alone scrolls the page
        HoverTool(tooltips=None, renderers=[dots]),
        LassoSelectTool(renderers=[dots], name="lasso"),
        BoxSelectTool(renderers=[dots], name="box"),
        TapTool(renderers=[dots]),
    )
    return dict(json_item(plot))


def _list_columns(points: np.ndarray, styles: Sequence[Style], errors: Sequence[bool]) -> dict[str, Any]:
    """What Bokeh knows of each dot."""
    return {
        "x": points[:, 0].astype(np.float32),
        "y": points[:, 1].astype(np.float32),
        "colour": [style.colour for style in styles],
        "marker": [style.marker for style in styles],
        "edge": [ERROR_EDGE if error else style.edge for style, error in zip(styles, errors, strict=True)],
        "width": [
            1.6 if error else 0.4 if style.edge == style.colour else 0.9
            for style, error in zip(styles, errors, strict=True)
        ],
    }


@cache
def bokeh_script() -> str:
    """Bokeh's script without widgets, tables, WebGL and MathJax (1.3 MB)."""
    import bokeh

    path = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
