"""The class of each enlarged pixel, against torch's interpolation and argmax."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from finesight.metrics.mask_decision import decide_mask

LENGTHS = st.integers(1, 40)
ENLARGED = st.integers(1, 130)


def decide_by_torch(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    enlarged = F.interpolate(torch.from_numpy(logits)[None], size, mode="bilinear", align_corners=False)[0]
    return enlarged.argmax(0).byte().numpy()


def interpolate_exactly(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    wide = torch.from_numpy(logits.astype(np.float64))[None]
    return F.interpolate(wide, size, mode="bilinear", align_corners=False)[0].numpy()


def draw_smooth(seed: int, num_classes: int, size: tuple[int, int], rounding: int = 0) -> np.ndarray:
    """Logits of areas with borders, as of a network. rounding: bits that are cut off, as in bf16: then many are equal.

    Some pixels are noise, and in some all classes are equal.
    """
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.normal(0, 3, (1, num_classes, 3, 3)).astype(np.float32))
    logits = F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0].numpy().copy()
    noisy = random.random(size) < random.choice([0, 0.1, 1])
    logits[:, noisy] += random.normal(size=(num_classes, noisy.sum()))
    logits[:, random.random(size) < 0.05] = 1.5
    return (logits.view(np.int32) >> rounding << rounding).view(np.float32)


@given(st.integers(0, 2**32), st.integers(2, 9), LENGTHS, LENGTHS, ENLARGED, ENLARGED, st.sampled_from([0, 16]))
def test_it_is_the_most_likely_class_of_enlarged_logits(
    seed: int, num_classes: int, height: int, width: int, rows: int, columns: int, rounding: int
) -> None:
    logits = draw_smooth(seed, num_classes, (height, width), rounding)
    mask = decide_mask(logits, (rows, columns))
    assert (mask.dtype, mask.shape) == (np.uint8, (rows, columns))
    exact = interpolate_exactly(logits, (rows, columns))
    chosen = np.take_along_axis(exact, mask[None].astype(int), 0)[0]
    # float32 coordinates of up to 130 pixels, then three roundings; torch's own result does not come closer
    assert (exact.max(0) - chosen <= 1e-5 * np.abs(logits).max()).all()


@given(st.integers(0, 2**32), st.integers(4, 9), st.sampled_from([0, 16]), st.sampled_from([1, 2, 3, 2.5, 0.7]))
def test_it_is_torchs_to_the_bit(seed: int, num_classes: int, rounding: int, factor: float) -> None:
    """Of sizes as of networks: small ones, and those of three channels, torch computes in another order."""
    logits = draw_smooth(seed, num_classes, (64, 80), rounding)
    size = round(64 * factor), round(80 * factor)
    np.testing.assert_array_equal(decide_mask(logits, size), decide_by_torch(logits, size))


@given(st.integers(0, 2**32), st.integers(1, 9), LENGTHS, LENGTHS)
def test_without_enlargement_it_is_the_first_of_the_largest(
    seed: int, num_classes: int, rows: int, columns: int
) -> None:
    logits = np.random.default_rng(seed).integers(-2, 3, (num_classes, rows, columns)).astype(np.float32)
    np.testing.assert_array_equal(decide_mask(logits, (rows, columns)), logits.argmax(0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(value: float) -> None:
    """As torch decides it, and without a warning."""
    logits = draw_smooth(3, 5, (64, 64))
    logits[2, 10:20, 10:40] = value
    for size in ((64, 64), (128, 128)):
        np.testing.assert_array_equal(decide_mask(logits, size), decide_by_torch(logits, size))
