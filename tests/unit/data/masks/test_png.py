"""PNG files of masks, read by Pillow."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finesight.data.masks.png import encode_png

COLOURS = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 90), st.sampled_from([1, 4, 40]))
def test_it_holds_the_colour_of_every_pixel(seed: int, height: int, width: int, area: int) -> None:
    """Of areas of any size; rows are compressed some at a time."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-height // area), -(-width // area))).astype(np.uint8)
    indices = blocks.repeat(area, axis=0).repeat(area, axis=1)[:height, :width]
    for colours, mode in ((COLOURS, "RGB"), (COLOURS[:, 0], "L")):
        content = encode_png(indices, colours)
        Image.open(io.BytesIO(content)).verify()
        with Image.open(io.BytesIO(content)) as image:
            assert image.mode == mode
            np.testing.assert_array_equal(np.asarray(image), colours[indices])


def test_even_areas_are_small() -> None:
    mask = np.zeros((512, 512), np.uint8)
    mask[100:300, 50:400] = 3
    assert len(encode_png(mask, COLOURS)) < 4000
