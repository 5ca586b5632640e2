"""What training and validation do to pixels."""

import numpy as np
import pytest
import torch

from finesight.config import AugmentSettings, Preprocessing
from finesight.data.transforms import augment, draw_uniform, prepare

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
    picture = Image.fromarray(images[0].permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.float32)
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
def test_each_picture_is_changed_by_its_own_draws_whatever_its_batch(changes):
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


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_training_magnifies_as_validation_does(interpolation):
    """Otherwise their statistics differ, and batch normalisation carries the difference into the score."""
    preprocessing = Preprocessing(size=(64, 64), interpolation=interpolation)
    barely = AugmentSettings(flip=0.0, scale=(0.9999999, 1.0), ratio=1.0)
    images = photo(2, 8)
    trained = augment(images, barely, preprocessing, draw_uniform(0, 1, range(2)), (64, 64))
    inside = (..., slice(8, -8), slice(8, -8))  # at the edges one repeats the last pixel, the other mirrors
    torch.testing.assert_close(trained[inside], prepare(images, preprocessing)[inside], rtol=0, atol=0.02)
