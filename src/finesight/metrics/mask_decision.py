"""The most likely class of each pixel of enlarged logits, computed only where classes meet. Needs no torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finesight.classes import IGNORE_INDEX

UNDECIDED = IGNORE_INDEX  # no class has this index
ROUNDING = 2.0**-19  # of the largest logit: more than rounding moves an interpolated one by
NUMBERS_AT_ONCE = 2**17  # interpolated logits that stay in the processor's cache


def decide_mask(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """argmax over the classes of logits float32 (C, h, w) after bilinear enlargement to `size`, uint8 (*size).

    An enlarged logit is a weighted mean of four. Where one class leads in all four, it leads between them; all other
    pixels are interpolated. Where rounding decides, it is that of torch's `interpolate`, so that the mask is the same.
    """
    mask = _find_leaders(logits)
    rows, columns = (_Axis.of(*lengths) for lengths in zip(mask.shape, size, strict=True))
    if mask.shape != tuple(size):
        mask = _join_corners(mask).take(columns.first, axis=1).take(rows.first, axis=0)
    flat, step = mask.reshape(-1), max(1, NUMBERS_AT_ONCE // len(logits))
    with np.errstate(invalid="ignore"):  # of a network that diverged
        for decide, mix in ((_find_leaders, _mix), (_find_largest, _mix_as_torch)):
            undecided = np.flatnonzero(flat == UNDECIDED)
            for start in range(0, len(undecided), step):
                places = undecided[start : start + step]
                y, x = np.divmod(places, size[1])
                flat[places] = decide(_interpolate(logits, rows.at(y), columns.at(x), mix))
    return mask


@dataclass(frozen=True)
class _Axis:
    """Between which two pixels of a side each pixel of the enlarged side lies, and their weights, float32."""

    first: np.ndarray
    second: np.ndarray
    first_weight: np.ndarray
    second_weight: np.ndarray

    @classmethod
    def of(cls, length: int, enlarged: int) -> "_Axis":
        """As torch's align_corners=False."""
        scale = np.float64(np.float32(length) / np.float32(enlarged))
        places = np.maximum((scale * (np.arange(enlarged) + 0.5) - 0.5).astype(np.float32), 0)
        first = np.minimum(places.astype(np.intp), length - 1)
        second = np.minimum(first + 1, length - 1) if length != enlarged else first
        weight = places - first.astype(np.float32)
        return cls(first, second, np.float32(1) - weight, weight)

    def at(self, places: np.ndarray) -> "_Axis":
        return _Axis(*(each[places] for each in vars(self).values()))


Mix = Callable[[np.ndarray, np.ndarray, _Axis], np.ndarray]  # the weighted mean of two, float32 (C, n)


def _interpolate(logits: np.ndarray, rows: _Axis, columns: _Axis, mix: Mix) -> np.ndarray:
    """float32 (C, n) at n pixels."""
    flat, width = logits.reshape(len(logits), -1), logits.shape[2]
    upper, lower = (
        mix(flat.take(row * width + columns.first, axis=1), flat.take(row * width + columns.second, axis=1), columns)
        for row in (rows.first, rows.second)
    )
    return mix(upper, lower, rows)


def _mix(first: np.ndarray, second: np.ndarray, axis: _Axis) -> np.ndarray:
    first *= axis.first_weight
    second *= axis.second_weight
    first += second
    return first


def _mix_as_torch(first: np.ndarray, second: np.ndarray, axis: _Axis) -> np.ndarray:
    """By a fused multiply-add, which does not round the first product."""
    exact = np.multiply(first, axis.first_weight, dtype=np.float64)
    mixed: np.ndarray = (exact + second * axis.second_weight).astype(np.float32)
    return mixed


def _find_leaders(logits: np.ndarray) -> np.ndarray:
    """Of logits (C, …) the class whose logit exceeds all others by more than rounding, uint8; UNDECIDED without one."""
    least = np.maximum.reduce(logits)
    with np.errstate(invalid="ignore"):
        least -= np.float32(ROUNDING) * max(logits.max(), -logits.min())
    leaders: np.ndarray = np.zeros(least.shape, np.uint8)
    count = np.zeros_like(leaders)
    is_close = np.empty(least.shape, bool)
    as_number = is_close.view(np.uint8)
    for index, of_class in enumerate(logits):
        np.greater_equal(of_class, least, out=is_close)
        count += as_number
        as_number *= np.uint8(index)
        leaders += as_number
    leaders[count != 1] = UNDECIDED
    return leaders


def _find_largest(logits: np.ndarray) -> np.ndarray:
    largest: np.ndarray = logits.argmax(0)
    return largest


def _join_corners(leaders: np.ndarray) -> np.ndarray:
    """At each pixel the class that leads there, to the right, below and between these two; else UNDECIDED."""
    joined = leaders.copy()
    joined[:, :-1][leaders[:, :-1] != leaders[:, 1:]] = UNDECIDED
    joined[:-1][joined[:-1] != joined[1:]] = UNDECIDED
    return joined
