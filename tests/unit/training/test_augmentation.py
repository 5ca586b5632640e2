"""What training does to batches: sizes that grow, images that are mixed."""

import pytest
import torch

from finesight.config import Preprocessing, Settings, load_settings
from finesight.training.augmentation import mix_images, mixes, training_size


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (1, [(96, 128)]),
        (2, [(48, 64), (96, 128)]),
        (6, [(48, 64), (64, 80), (64, 96), (80, 112), (96, 128), (96, 128)]),
    ],
)
def test_sizes_grow_to_the_full_one(epochs: int, expected: list[tuple[int, int]]) -> None:
    settings = load_settings(overrides={"image.first_size": [48, 64], "epochs": epochs})
    sizes = [training_size(settings, Preprocessing(size=(96, 128)), epoch) for epoch in range(1, epochs + 1)]
    assert sizes == expected


def test_no_size_is_nothing() -> None:
    settings = load_settings(overrides={"image.first_size": [1, 1], "epochs": 9})
    sizes = [training_size(settings, Preprocessing(size=(50, 60)), epoch) for epoch in range(1, 10)]
    assert min(min(size) for size in sizes) == 16
    assert sizes[-1] == (50, 60)
    assert training_size(Settings(), Preprocessing(size=(50, 60)), 1) == (50, 60)


def test_mixed_images_have_shares_of_classes() -> None:
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous()
    targets = torch.tensor([0, 1, 2, 0])
    settings = load_settings(overrides={"augment.mixup": 1.0})
    mixed, shares = mix_images(images, targets, settings, 3, epoch=1)
    assert shares.shape == (4, 3)
    torch.testing.assert_close(shares.sum(1), torch.ones(4))
    assert not torch.equal(mixed, images)
    last, nothing = settings.epochs, Settings()
    for same, untouched in (
        mix_images(images, targets, settings, 3, epoch=last),
        mix_images(images, targets, nothing, 3, epoch=1),
    ):
        assert same is images
        assert untouched is targets


@pytest.mark.parametrize(
    ("epochs", "share", "last"), [(20, 0.8, 16), (12, 0.8, 10), (1, 0.8, 1), (5, 1.0, 5), (5, 0.0, 0)]
)
def test_the_first_epochs_mix(epochs: int, share: float, last: int) -> None:
    overrides = {"augment.cutmix": 1.0, "augment.mix_fraction": share, "epochs": epochs}
    settings = load_settings(overrides=overrides)
    assert [epoch for epoch in range(1, epochs + 1) if mixes(settings, epoch)] == list(range(1, last + 1))
