"""Masks of polygons and of run lengths equal pycocotools', but for what it rounds to a fifth of a pixel."""

import numpy as np
import pytest

from finesight.data.annotations.shapes import Polygon, Runs, unpack_runs

coco = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools

SIZE = (120, 160)
TOLERANCE = 0.06  # of the pixels along the border, that may differ


def _paint(shape: Polygon | Runs) -> np.ndarray:
    image = np.zeros(SIZE, bool)
    cover = shape.cover(SIZE)
    cover.window(image)[:] = cover.pixels
    return image


def _star(random: np.random.Generator) -> np.ndarray:
    """A polygon of 3 to 40 corners, some of them outside the image."""
    count = int(random.integers(3, 41))
    angles = np.sort(random.uniform(0, 2 * np.pi, count))
    radii = random.uniform(5, 60, count)
    centre = random.uniform((10, 10), (150, 110))
    return centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _border_length(mask: np.ndarray) -> int:
    return int((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())


@pytest.mark.parametrize("corners", ["whole pixels", "fractions"])
def test_polygons(corners: str) -> None:
    random = np.random.default_rng(7)
    differing = border = 0
    for _ in range(60):
        ring = _star(random).clip(0, SIZE[::-1])  # pycocotools wraps around what lies outside
        ring = np.rint(ring) if corners == "whole pixels" else ring
        theirs = coco.decode(coco.merge(coco.frPyObjects([ring.reshape(-1).tolist()], *SIZE))).astype(bool)
        ours = _paint(Polygon((ring,)))
        differing += int((ours != theirs).sum())
        border += _border_length(theirs)
    print(f"{corners}: {differing} of {border} pixels along borders differ ({differing / border:.2%})")
    assert differing <= TOLERANCE * border


def test_run_lengths() -> None:
    random = np.random.default_rng(8)
    for fill in (0.001, 0.1, 0.5, 0.9, 1.0):
        mask = random.random(SIZE) < fill
        packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        assert (_paint(Runs(packed, SIZE)) == mask).all()
        counts = tuple(unpack_runs(packed).tolist())
        assert coco.frPyObjects({"counts": list(counts), "size": list(SIZE)}, *SIZE)["counts"].decode() == packed
        assert (_paint(Runs(counts, SIZE)) == mask).all()
