"""The batch that suits a number of images, where none is asked for."""

from types import SimpleNamespace

import pytest

from finesight import distributed
from finesight.app import batch_size
from finesight.app.batch_size import check_warmup, choose_batch_size
from finesight.app.training_start import check_one_batch_size
from finesight.config import OptimSettings, Settings, load_settings
from finesight.errors import ConfigError


@pytest.mark.parametrize(
    ("asked", "images", "chosen"), [(0, 1000, 32), (0, 32, 32), (0, 31, 7), (0, 10, 2), (0, 2, 2), (0, 1, 1), (3, 4, 3)]
)
def test_a_quarter_of_few_images(asked: int, images: int, chosen: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_batch_size(Settings(batch_size=asked), images).batch_size == chosen
    assert ("instead of 32" in capsys.readouterr().err) is (not asked and images < 32)


def test_no_smaller_than_its_parts() -> None:
    assert choose_batch_size(Settings(optim=OptimSettings(accumulate=3)), 20).batch_size == 6


@pytest.mark.parametrize(("size", "said"), [(10, True), (5, False)])
def test_a_warmup_shorter_than_a_step(size: int, said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    check_warmup(Settings(batch_size=size), 10)
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


class Paced:
    """In the place of measuring: images per second of a batch, None where memory is too small."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, paces: dict[int, float | None], room: bool = True) -> None:
        monkeypatch.setattr(batch_size, "measure_pace", lambda job, size: paces[size])
        monkeypatch.setattr(batch_size, "has_room", lambda job, size: room)

    def find(self, size: int = 32, num_train: int = 10_000) -> tuple[int, str]:
        job = SimpleNamespace(settings=load_settings(overrides={"batch_size": size}), train=range(num_train))
        return batch_size.find_batch_size(job)  # type: ignore[arg-type]


def test_a_batch_grows_as_long_as_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    size, why = Paced(monkeypatch, {32: 100, 64: 120, 128: 122}).find()
    assert size == 64
    assert "not faster" in why


def test_memory_and_few_images_hold_a_batch_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Paced(monkeypatch, {32: 100, 64: None}).find()[0] == 32
    assert Paced(monkeypatch, {32: None, 16: None, 8: 10}).find() == (8, "Memory is too small for more.")
    assert Paced(monkeypatch, {32: 100}, room=False).find()[0] == 32
    assert "fewer than 8 steps" in Paced(monkeypatch, {32: 100}).find(num_train=300)[1]


def test_the_rate_grows_with_the_batch() -> None:
    sgd, adam = (load_settings(overrides={"optim.name": name, "optim.lr": 0.001}).optim for name in ("sgd", "adamw"))
    assert batch_size.scale_rate(sgd, 128) == 0.004
    assert batch_size.scale_rate(adam, 128) == 0.002
