"""Saliency lies over the part of the image that the network took."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.analysis.saliency_overlay import find_visible, fit_to_image, overlay_saliency
from finesight.config import Preprocessing
from finesight.data.images.image import Fit, fit_image

sides = st.integers(4, 60)


@pytest.mark.parametrize(
    ("fit", "size", "stored", "seen"),
    [
        ("stretch", (40, 20), None, (0, 0, 40, 20)),
        ("crop", (40, 20), None, (10, 0, 20, 20)),
        ("crop", (20, 50), None, (0, 15, 20, 20)),
        ("native", (30, 30), (32, 32), (0, 0, 30, 30)),
        ("native", (40, 36), (32, 32), (4, 2, 32, 32)),
    ],
)
def test_what_was_seen(fit: Fit, size: tuple[int, int], stored: tuple[int, int], seen: tuple[int, ...]) -> None:
    assert find_visible(size, Preprocessing(size=(32, 32), fit=fit, stored=stored)) == seen


@given(sides, sides, st.sampled_from(["crop", "stretch", "native"]))
def test_saliency_fits_any_image(height: int, width: int, fit: Fit) -> None:
    preprocessing = Preprocessing(size=(32, 32), fit=fit, stored=(32, 32))
    saliency = fit_to_image(np.ones((2, 2), np.float32), (height, width), preprocessing)
    assert saliency.shape == (height, width)
    assert set(np.unique(saliency).tolist()) <= {0.0, 1.0}
    assert overlay_saliency(np.zeros((height, width, 3), np.uint8), saliency).shape == (height, width, 3)


@pytest.mark.parametrize("fit", ["crop", "stretch", "native"])
def test_saliency_comes_back_to_where_the_bright_spot_is(fit: Fit) -> None:
    image = np.zeros((48, 36, 3), np.uint8)
    image[30:36, 6:12] = 255
    preprocessing = Preprocessing(size=(32, 32), fit=fit, stored=(48, 36) if fit == "native" else None)
    seen = fit_image(image, preprocessing.stored or preprocessing.size, fit, "bilinear")
    saliency = fit_to_image(seen[..., 0].astype(np.float32) / 255, (48, 36), preprocessing)
    rows, columns = np.nonzero(saliency > 0.5)
    assert (rows.mean(), columns.mean()) == pytest.approx((32.5, 8.5), abs=1)
