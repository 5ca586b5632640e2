"""Regions of masks that are confidently contradicted."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from finesight.analysis.label_regions import RegionFinder, bounding_box, find_regions
from finesight.classes import IGNORE_INDEX

SIDE = 100


def sure(classes: np.ndarray, margin: float = 6.0) -> Tensor:
    """Logits (1, 4, h, w) that are for these classes."""
    return margin * torch.nn.functional.one_hot(torch.from_numpy(classes).long(), 4).permute(2, 0, 1)[None].float()


def look(finder: RegionFinder, mask: np.ndarray, logits: Tensor, key: str) -> None:
    finder.add(logits, torch.from_numpy(mask)[None], [key])


@pytest.fixture
def scene() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 50:] = 1
    return mask


def test_a_wrong_region_is_found_where_it_is(scene: np.ndarray) -> None:
    wrong = scene.copy()
    wrong[20:40, 60:90] = 0
    finder = RegionFinder(4, unknown=3)
    look(finder, scene, sure(scene), "right.png")
    look(finder, wrong, sure(scene), "wrong.png")
    (error,), outlines = finder.finish()
    assert (error.key, error.given, error.suggested) == ("wrong.png", 0, 1)
    assert error.region is not None
    assert error.region.box == (20, 60, 40, 90)
    assert error.region.fraction == pytest.approx(0.06)
    assert error.score == pytest.approx(0.06 * error.region.confidence)
    assert list(outlines) == ["wrong.png"]
    numbers = np.array(Image.open(io.BytesIO(outlines["wrong.png"])))
    assert np.array_equal(numbers == error.region.number, wrong != scene)


def test_a_border_that_is_a_little_off_is_no_error(scene: np.ndarray) -> None:
    off = scene.copy()
    off[:, 49:50] = 1
    finder = RegionFinder(4, unknown=3)
    look(finder, off, sure(scene), "off.png")
    assert finder.finish() == ([], {})


def test_an_unsure_network_contradicts_nothing(scene: np.ndarray) -> None:
    """It is less sure of the region than it is of that class elsewhere."""
    wrong = scene.copy()
    wrong[20:40, 60:90] = 0
    logits = sure(scene)
    logits[..., 20:40, 60:90] /= 8
    finder = RegionFinder(4, unknown=3)
    look(finder, scene, sure(scene), "right.png")
    look(finder, wrong, logits, "wrong.png")
    assert finder.finish() == ([], {})


def test_unknown_pixels_are_not_judged_and_no_answer(scene: np.ndarray) -> None:
    mask = scene.copy()
    mask[:50] = IGNORE_INDEX
    mask[50:, :20] = 3
    logits = sure(1 - scene)
    logits[:, 3] = 50.0  # a class that is not learned has any logit
    finder = RegionFinder(4, unknown=3)
    look(finder, scene, sure(scene), "right.png")
    look(finder, mask, logits, "half.png")
    errors, _ = finder.finish()
    assert {(error.given, error.suggested) for error in errors} == {(0, 1), (1, 0)}
    assert all(error.region and error.region.box[0] == 50 for error in errors)
    assert min(error.region.box[1] for error in errors if error.region) == 20


def test_two_pieces_are_two_regions() -> None:
    pairs = np.full((SIDE, SIDE), -1)
    pairs[0:10, 0:10] = 5
    pairs[50:80, 50:80] = 5
    pairs[0:10, 10:60] = 2
    found = {(pair, bounding_box(region)) for pair, region in find_regions(pairs)}
    assert found == {(5, (0, 0, 10, 10)), (5, (50, 50, 80, 80)), (2, (0, 10, 10, 60))}
