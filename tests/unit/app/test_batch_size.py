"""The batch that suits a number of images, where none is asked for."""

import pytest

from finesight.app.batch_size import check_warmup, choose_batch_size
from finesight.config import OptimSettings, Settings


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
