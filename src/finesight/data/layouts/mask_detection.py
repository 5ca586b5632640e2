"""Detects masks by their pixels: few values, in flat areas, the same ones from file to file."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finesight.data.images.image_files import open_image
from finesight.data.images.scaling import spread
from finesight.data.masks.codes import unpack
from finesight.data.masks.looks import read_mask
from finesight.errors import DataError

SAMPLE = 5  # files of a side that are opened
MOST_VALUES = 64  # in all files of a side together
MOST_PIXELS = 500_000  # of a file that are counted
# Blurred masks and masks as JPEG: nearly all pixels have one of the few most frequent colours, when these are coarse.
FLAT = 0.85
# By kind of mask the width of a level, and how many levels are frequent.
COARSE = {"colour": (16, 12), "palette": (1, 12), "value": (4, 6), "name": (1, 255)}


def look_like_masks(paths: Sequence[Path], lenient: bool = False) -> bool | None:
    """None where no file can be read. lenient: masks that were blurred or saved as JPEG, too."""
    found = [counted for path in spread(paths, SAMPLE) if (counted := _count_values(path))]
    if not found:
        return None
    values = set().union(*(codes for codes, _, _ in found))
    number = sum(size for _, _, size in found)
    few = len(values) <= min(MOST_VALUES, max(2 * len(found), number // 8))
    return few or (lenient and float(np.median([flat for _, flat, _ in found])) >= FLAT)


def have_equal_sizes(pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Whether the files of most pairs have one size, as far as their headers can be read."""
    sizes = [(_read_size(one), _read_size(other)) for one, other in spread(pairs, SAMPLE)]
    known = [one == other for one, other in sizes if one and other]
    return not known or 2 * sum(known) > len(known)


def _count_values(path: Path) -> tuple[set[int], float, int] | None:
    """(values or colours, how much of it is flat, pixels)."""
    try:
        raw = read_mask(path)
    except DataError:
        return None
    step = max(1, math.isqrt(raw.codes.size // MOST_PIXELS))
    found, counts = np.unique(raw.codes[::step, ::step], return_counts=True)
    width, frequent = COARSE[raw.kind]
    coarse: Counter[tuple[int, ...]] = Counter()
    for code, count in zip(found.tolist(), counts.tolist(), strict=True):
        coarse[tuple(part // width for part in (unpack(code) if raw.kind == "colour" else (code,)))] += count
    flat = sum(count for _, count in coarse.most_common(frequent)) / coarse.total()
    return set(found.tolist()), flat, coarse.total()


def _read_size(path: Path) -> tuple[int, int] | None:
    try:
        with open_image(path) as image:
            return image.size
    except (DataError, OSError, ValueError, SyntaxError):
        return None
