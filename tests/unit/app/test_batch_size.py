"""The batch that suits a number of images, where none is asked for."""

import pytest

from finesight import distributed
from finesight.app.batch_size import check_warmup, choose_batch_size
from finesight.app.training_start import check_one_batch_size
from finesight.config import OptimSettings, Settings
from finesight.errors import ConfigError


@pytest.mark.parametrize(
    ("asked", "images", "chosen"), [(0, 1000, 32), (0, 32, 32), (0, 31, 7), (0, 10, 2), (0, 2, 2), (0, 1, 1), (3, 4, 3)]
)
def test_a_quarter_of_few_images(asked: int, images: int, chosen: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_batch_size(Settings(batch_size=asked), images).batch_size == chosen
    assert ("instead of 32" in capsys.readouterr().err) is (not asked and images < 32)


def test_no_smaller_than_its_parts() -> None:
    assert choose_batch_size(Settings(optim=OptimSettings(accumulate=3)), 20).batch_size == 6


@pytest.mark.parametrize(("batch_size", "said"), [(10, True), (5, False)])
def test_a_warmup_shorter_than_a_step(batch_size: int, said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    check_warmup(Settings(batch_size=batch_size), 10)
    assert ("no warm-up" in capsys.readouterr().err) is said


def test_a_batch_of_each_device(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    each = Settings(batch_size_per_device=16)
    check_one_batch_size(each)
    recorded = choose_batch_size(each, 10)
    assert (recorded.batch_size, recorded.batch_size_per_device) == (64, 16)
    assert "batch_size is 64, 16 images on each of 4 devices" in capsys.readouterr().err
    check_one_batch_size(recorded)  # the settings of a run as the recipe of another
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    assert choose_batch_size(recorded, 10).batch_size == 64  # resumed on fewer devices
    with pytest.raises(ConfigError, match=r"batch_size_per_device = 16 makes 32 of 2\. Set one of them"):
        check_one_batch_size(recorded)
