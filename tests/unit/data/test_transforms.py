"""What training and validation do to pixels."""

import numpy as np
import pytest
import torch

from finesight.classes import IGNORE_INDEX
from finesight.config import AugmentSettings, Preprocessing
from finesight.data.transforms import augment, augment_pairs, draw_uniform, prepare

PLAIN = AugmentSettings(flip=0.0, scale=(1.0, 1.0), ratio=1.0)
UNIT = Preprocessing(size=(16, 16), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def photo(n=2, size=16):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 3, size, size), dtype=np.uint8))


def test_normalisation_is_torchvisions():
    from torchvision.transforms import v2

    preprocessing = Preprocessing(size=(16, 16))
    expected = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(preprocessing.mean), list(preprocessing.std))]
    )(photo())
    torch.testing.assert_close(prepare(photo(), preprocessing), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (8, 12)])
def test_resizing_is_pillows_up_to_rounding(size):
    from PIL import Image

    images = photo(1)
    image = Image.fromarray(images[0].permute(1, 2, 0).numpy())
    expected = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float32)
    got = prepare(images, Preprocessing(size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))[0] * 255
    assert np.abs(got.permute(1, 2, 0).numpy() - expected).max() <= 1.01


def test_no_augmentation_is_validation():
    draws = draw_uniform(0, 1, range(2))
    assert torch.equal(augment(photo(), PLAIN, UNIT, draws, (16, 16)), prepare(photo(), UNIT))


def test_a_certain_flip_is_a_mirror_image():
    settings = AugmentSettings(flip=1.0, scale=(1.0, 1.0), ratio=1.0)
    flipped = augment(photo(), settings, UNIT, draw_uniform(0, 1, range(2)), (16, 16))
    torch.testing.assert_close(flipped, prepare(photo().flip(3), UNIT), rtol=0, atol=1e-5)


def test_quarter_turns_are_exact_and_all_four_occur():
    settings = AugmentSettings(flip=0.0, scale=(1.0, 1.0), ratio=1.0, quarter_turns=True)
    image = photo(1)
    turned = augment(image.repeat(40, 1, 1, 1), settings, UNIT, draw_uniform(0, 1, range(40)), (16, 16))
    wanted = [prepare(torch.rot90(image, k, (2, 3)), UNIT)[0] for k in range(4)]
    seen = {next(k for k in range(4) if torch.allclose(one, wanted[k], atol=1e-4)) for one in turned}
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "changes", [{"colour": 0.4}, {"randaugment": 9}, {"erase": 1.0}, {"rotate_degrees": 30.0}, {"scale": (0.3, 0.6)}]
)
def test_each_image_is_changed_by_its_own_draws_whatever_its_batch(changes):
    settings = AugmentSettings(**changes)
    images = photo(4, 20)
    preprocessing = Preprocessing(size=(20, 20))
    together = augment(images, settings, preprocessing, draw_uniform(7, 3, [5, 6, 7, 8]), (20, 20))
    alone = augment(images[2:3], settings, preprocessing, draw_uniform(7, 3, [7]), (20, 20))
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together, prepare(images, preprocessing))


def test_draws_are_uniform_and_independent_of_order():
    draws = draw_uniform(3, 2, range(5000)).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.abs(draws.mean(0) - 0.5).max() < 0.02
    correlation = np.corrcoef(draws.T) - np.eye(draws.shape[1])
    assert np.abs(correlation).max() < 0.06
    assert np.array_equal(draw_uniform(3, 2, [17, 4]).numpy(), draws[[17, 4]])
    assert not np.array_equal(draw_uniform(3, 3, range(10)), draws[:10])
    assert not np.array_equal(draw_uniform(4, 2, range(10)), draws[:10])


COUNTS = torch.tensor([1000, 500, 10])


def scene(n=3, size=32):
    """Images whose red is ten times the class of their mask, which is a few blocks of three classes."""
    masks = torch.zeros(n, size, size, dtype=torch.uint8)
    masks[:, 8:20, 12:28] = 1
    masks[:, 24:, :8] = 2
    images = torch.zeros(n, 3, size, size, dtype=torch.uint8)
    images[:, 0] = masks * 10
    return images, masks


def pairs(settings, preprocessing, size, epoch=1, n=3):
    images, masks = scene(n)
    return augment_pairs(images, masks, settings, preprocessing, draw_uniform(0, epoch, range(n)), size, COUNTS)


GEOMETRY = [
    {"flip": 1.0},
    {"quarter_turns": True, "vertical_flip": 0.5},
    {"rotate_degrees": 40.0},
    {"scale": (0.3, 0.6), "ratio": 1.3},
    {"rare_fraction": 1.0, "scale": (0.2, 0.4)},
]


@pytest.mark.parametrize("changes", GEOMETRY)
@pytest.mark.parametrize("fit", ["native", "stretch"])
def test_a_mask_moves_with_its_image(changes, fit):
    preprocessing = Preprocessing(size=(24, 24), mean=(0.0,) * 3, std=(1.0,) * 3, fit=fit)
    settings = AugmentSettings(**({"flip": 0.0, "scale": (1.0, 1.0), "ratio": 1.0} | changes))
    images, masks = pairs(settings, preprocessing, (24, 24))
    assert masks.shape == (3, 24, 24)
    assert masks.dtype == torch.int64
    known = masks != IGNORE_INDEX
    shown = images[:, 0] * 25.5  # back to classes; interpolated along edges
    assert ((shown - masks).abs()[known] < 0.2).float().mean() > 0.85
    assert known.float().mean() > 0.6


def ramps(n, height, width):
    """Images whose first channel is the column and whose second the row of a pixel."""
    images = torch.zeros(n, 3, height, width, dtype=torch.uint8)
    images[:, 0] = torch.arange(width)
    images[:, 1] = torch.arange(height)[:, None]
    return images


def input_steps(images, reach=6):
    """(n, 2, 2): input columns and rows passed by one output column, and by one output row, around each centre."""
    pixels = images[:, :2].double() * 255
    top, left = images.shape[2] // 2 - reach // 2, images.shape[3] // 2 - reach // 2
    start = pixels[:, :, top, left]
    ends = [pixels[:, :, top, left + reach], pixels[:, :, top + reach, left]]
    return torch.stack([(end - start) / reach for end in ends], 2)


MOVES = [
    {},
    {"flip": 0.5, "vertical_flip": 0.5},
    {"quarter_turns": True},
    {"rotate_degrees": 30.0},
    {"rotate_degrees": 180.0, "quarter_turns": True, "vertical_flip": 0.5, "flip": 0.5},
    {"scale": (0.5, 0.8), "quarter_turns": True},
    {"scale": (1.0, 1.5), "rotate_degrees": 90.0},
]
SHAPES = [
    ((64, 128), (32, 32)),
    ((128, 64), (32, 32)),
    ((96, 200), (24, 48)),
    ((96, 96), (48, 24)),
    ((96, 96), (32, 32)),
]


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize("fit", ["native", "stretch", "crop"])
def test_moving_pixels_stretches_nothing(moves, shape, size, fit):
    """Along the two axes of the crop, steps are those of an image that is only cropped, times one zoom for both."""
    if fit == "crop":  # the store holds the centre in the shape of size
        shape = (size[0] * 3, size[1] * 3)
    settings = AugmentSettings(**({"flip": 0.0, "scale": (1.0, 1.0), "ratio": 1.0} | moves))
    preprocessing = Preprocessing(size=size, mean=(0.0,) * 3, std=(1.0,) * 3, fit=fit)
    draws, images = draw_uniform(0, 1, range(40)), ramps(40, *shape)
    masks = torch.zeros(40, *shape, dtype=torch.uint8)
    alone = augment(images, settings, preprocessing, draws, size)
    paired, _ = augment_pairs(images, masks, settings, preprocessing, draws, size, COUNTS)
    assert torch.equal(alone, paired)
    plain = torch.ones(2) if fit == "native" else torch.tensor([shape[1] / size[1], shape[0] / size[0]])
    zooms = torch.linalg.svdvals(input_steps(alone) / plain.double()[:, None])
    torch.testing.assert_close(zooms[:, 0], zooms[:, 1], rtol=0.03, atol=0)  # antialiasing ripples
    lowest, highest = settings.scale
    lying = min(size) / max(size) if settings.quarter_turns and fit != "native" else 1  # zoomed in to stay inside
    assert zooms.min() >= lowest**0.5 * lying * 0.97
    assert zooms.max() <= highest**0.5 * 1.03


@pytest.mark.parametrize("fit", ["native", "stretch", "crop"])
def test_a_turned_crop_stays_inside_its_image(fit):
    settings = AugmentSettings(flip=0.0, scale=(0.4, 1.0), ratio=1.0, quarter_turns=True)
    preprocessing = Preprocessing(size=(24, 48), mean=(0.0,) * 3, std=(1.0,) * 3, fit=fit)
    masks = torch.zeros(60, 50, 100, dtype=torch.uint8)
    draws = draw_uniform(0, 1, range(60))
    _, seen = augment_pairs(ramps(60, 50, 100), masks, settings, preprocessing, draws, (24, 48), COUNTS)
    assert not seen.any()


def test_zooming_out_ignores_what_is_no_image():
    preprocessing = Preprocessing(size=(32, 32), fit="native")
    _, masks = pairs(AugmentSettings(flip=0.0, scale=(4.0, 4.0), ratio=1.0), preprocessing, (32, 32))
    assert (masks == IGNORE_INDEX).float().mean() == pytest.approx(0.75, abs=0.05)
    assert (masks[:, 8:24, 8:24] != IGNORE_INDEX).all()


def test_whole_images_keep_their_size_and_scale():
    preprocessing = Preprocessing(size=(16, 16), mean=(0.0,) * 3, std=(1.0,) * 3, fit="native")
    assert prepare(scene()[0], preprocessing).shape == (3, 3, 32, 32)
    plain = AugmentSettings(flip=0.0, scale=(1.0, 1.0), ratio=1.0)
    images, masks = pairs(plain, preprocessing, (16, 16), n=40)
    seen = [(mask == 1).sum().item() for mask in masks]
    assert len(set(seen)) > 5  # pieces differ
    assert max(seen) > 12 * 16 * 0.7  # of the class's 12×16 pixels, not of a scaled-down quarter of them
    settings = Preprocessing(size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3, fit="native")
    images, masks = pairs(plain, settings, (32, 32))
    assert torch.equal(images, prepare(scene()[0], settings))
    assert torch.equal(masks, scene()[1].long())


def test_pieces_lie_around_rare_classes_when_asked_to():
    preprocessing = Preprocessing(size=(8, 8), fit="native")
    plain = {"flip": 0.0, "scale": (1.0, 1.0), "ratio": 1.0}
    for share, least, most in ((1.0, 0.99, 1.0), (0.5, 0.4, 0.75), (0.0, 0.05, 0.4)):
        _, masks = pairs(AugmentSettings(**plain, rare_fraction=share), preprocessing, (8, 8), n=200)
        found = (masks == 2).flatten(1).any(1).float().mean().item()
        assert least <= found <= most


@pytest.mark.parametrize("changes", GEOMETRY)
def test_each_pair_is_changed_by_its_own_draws_whatever_its_batch(changes):
    preprocessing = Preprocessing(size=(16, 16), fit="native")
    images, masks = scene(4)
    draws = draw_uniform(7, 3, [5, 6, 7, 8])
    settings = AugmentSettings(**changes)
    together = augment_pairs(images, masks, settings, preprocessing, draws, (16, 16), COUNTS)
    alone = augment_pairs(images[2:3], masks[2:3], settings, preprocessing, draws[2:3], (16, 16), COUNTS)
    torch.testing.assert_close(together[0][2:3], alone[0], rtol=1e-4, atol=1e-4)
    assert torch.equal(together[1][2:3], alone[1])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_training_magnifies_as_validation_does(interpolation):
    """Otherwise their statistics differ, and batch normalisation carries the difference into the score."""
    preprocessing = Preprocessing(size=(64, 64), interpolation=interpolation)
    barely = AugmentSettings(flip=0.0, scale=(0.9999999, 1.0), ratio=1.0)
    images = photo(2, 8)
    trained = augment(images, barely, preprocessing, draw_uniform(0, 1, range(2)), (64, 64))
    inside = (..., slice(8, -8), slice(8, -8))  # at the edges one repeats the last pixel, the other mirrors
    torch.testing.assert_close(trained[inside], prepare(images, preprocessing)[inside], rtol=0, atol=0.02)
