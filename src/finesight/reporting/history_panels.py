"""The maps through training as three small drawings of one scale: a path of dots a class and epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from finesight.analysis.evidence import Evidence
from finesight.analysis.wording import percent
from finesight.reporting.interactive_map import class_style

SIDE, MARGIN = 320, 8  # user units


@dataclass(frozen=True)
class Cloud:
    """The images of one class: colour, and dots as SVG path data."""

    name: str
    colour: str
    dots: str


@dataclass(frozen=True)
class FilmPanel:
    epoch: int
    own_share: float
    accuracy: float
    clouds: tuple[Cloud, ...]

    @property
    def caption(self) -> str:
        return f"neighbours of the own class {percent(self.own_share)}, accuracy {percent(self.accuracy)}"


def draw_panels(evidence: Evidence) -> list[FilmPanel]:
    """A panel an epoch, all at the same place and scale; none where training kept nothing."""
    maps = evidence.film_maps
    if maps is None:
        return []
    everything = np.concatenate(maps.points)
    low, high = everything.min(0), everything.max(0)
    scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    panels = []
    for told, points in zip(maps.epochs, maps.points, strict=True):
        places = (points - middle) * (scale, -scale) + SIDE / 2
        clouds = tuple(
            Cloud(evidence.classes.names[c], class_style(c).colour, _dots(places[maps.targets == c]))
            for c in np.unique(maps.targets).tolist()
        )
        panels.append(FilmPanel(told["epoch"], told["own_share"], told["accuracy"], clouds))
    return panels


def _dots(places: np.ndarray[Any, Any]) -> str:
    """Lines of no length, which a round cap makes a dot."""
    return "".join(f"M{x:.0f} {y:.0f}h0" for x, y in places)
