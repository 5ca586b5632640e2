"""Masks of a data set as people can see them: each class in its colour, whatever the files hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from finesight.classes import IGNORE_INDEX, Colour
from finesight.data.audit import Audit
from finesight.data.images.image import UnreadableImage
from finesight.data.masks.codes import NODATA, unpack
from finesight.data.masks.encoding import mask_colours, pick_hue
from finesight.data.masks.looks import Look, read_mask
from finesight.data.masks.notes import spell_code

NO_CLASS: Colour = (138, 143, 152)  # of pixels that count nowhere


@dataclass(frozen=True)
class MaskPainter:
    """Paints the masks of an audited data set. Where classes are unknown, colours show as they are, and every value
    has a colour of its own."""

    audit: Audit

    def paint(self, key: str) -> np.ndarray | None:
        """uint8 RGB (h, w, 3) of the mask of an image; None without one, and where it cannot be read."""
        path, file = self.audit.mask_of(key), self.audit.files[key].mask
        if path is None or file is None or file.look is None:
            return None
        if self.audit.found.rule is not None:
            item, rule = self.audit.items[key], self.audit.found.rule
            indices = self.audit.targets.read_mask(item, file.size, "stretch", rule)
            return None if indices is None else _paint(indices, self.class_colours)
        try:
            codes = read_mask(path).codes
        except UnreadableImage:
            return None
        found, places = np.unique(codes, return_inverse=True)
        colours = {place: self._colour(file.look, code) for place, code in enumerate(found.tolist())}
        return _paint(places.reshape(codes.shape), colours)

    @cached_property
    def class_colours(self) -> dict[int, Colour]:
        """Of each class index. The ignored class counts nowhere and looks like it."""
        classes = self.audit.classes
        colours = mask_colours(classes) if classes else ()
        return {i: colour for i, colour in enumerate(colours) if classes and i != classes.ignore}

    @cached_property
    def legend(self) -> dict[str, Colour]:
        """Colour by class; where classes are unknown, by the colour or value as an audit spells it."""
        classes = self.audit.classes
        if self.audit.found.rule is None:
            looks = self.audit.looks.values()
            return {spell_code(look, code): self._colour(look, code) for look in looks for code in look.counts}
        names = enumerate(classes.labels if classes else ())
        legend = {name: self.class_colours.get(index, NO_CLASS) for index, name in names}
        has_unknown = any(counts[IGNORE_INDEX] for counts in self.audit.class_counts.values())
        shows_unknown = NO_CLASS in legend.values()
        return legend | ({"no class": NO_CLASS} if has_unknown and not shows_unknown else {})

    def _colour(self, look: Look, code: int) -> Colour:
        if code == NODATA:
            return NO_CLASS
        if look.kind == "colour" or code in look.palette:
            return unpack(look.colour(code))
        return pick_hue(self._values.index(code))

    @cached_property
    def _values(self) -> list[int]:
        """Of all masks without colours, in order."""
        plain = (look for look in self.audit.looks.values() if look.kind == "value")
        return sorted({code for look in plain for code in look.counts if code != NODATA})


def _paint(indices: np.ndarray, colours: Mapping[int, Colour]) -> np.ndarray:
    table = np.full((int(indices.max(initial=0)) + 1, 3), NO_CLASS, np.uint8)
    for index, colour in colours.items():
        if index < len(table):
            table[index] = colour
    painted: np.ndarray = table[indices]
    return painted
