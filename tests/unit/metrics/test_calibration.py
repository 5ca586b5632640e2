"""Calibration, by hand, against torchmetrics, and on networks whose miscalibration is known."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from finesight.classes import IGNORE_INDEX
from finesight.errors import RunError
from finesight.metrics.calibration import calibrate, fit_temperature, measure_reliability
from finesight.metrics.confusion import DEFINITIONS
from finesight.metrics.pixel_sample import PixelSample
from finesight.run.calibration import HOTTEST, Calibration
from finesight.run.folder import RunFolder


def draw(count: int, too_sure: float, seed: int = 0, num_classes: int = 5) -> tuple[Tensor, Tensor]:
    """Logits that are too sure by a known factor: targets are drawn from the softmax of logits / too_sure."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, num_classes, generator=random)
    targets = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    return logits * too_sure, targets


def test_error_by_hand() -> None:
    """Two answers 0.9 sure of which one is right, two 0.6 sure that are both right."""
    sure, less = torch.tensor([0.9, 0.1]).log(), torch.tensor([0.6, 0.4]).log()
    measured = measure_reliability(torch.stack([sure, sure, less, less]), torch.tensor([0, 1, 0, 0]))
    assert measured.ece == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    assert [each.count for each in measured.bins if each.count] == [2, 2]
    assert measured.confidence == pytest.approx(0.75)
    assert measured.accuracy == pytest.approx(0.75)


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_error_is_that_of_torchmetrics(too_sure: float) -> None:
    logits, targets = draw(3000, too_sure)
    theirs = multiclass_calibration_error(logits.softmax(1), targets, num_classes=5, n_bins=15, norm="l1")
    assert measure_reliability(logits, targets).ece == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize("too_sure", [0.4, 1.0, 2.5])
def test_the_temperature_is_found(too_sure: float) -> None:
    logits, targets = draw(20_000, too_sure)
    temperature = fit_temperature(logits, targets)
    assert temperature == pytest.approx(too_sure, rel=0.05)
    likelihood = {
        t: float(torch.nn.functional.cross_entropy(logits / t, targets))
        for t in (temperature, 0.97 * temperature, 1.03 * temperature)
    }
    assert min(likelihood, key=lambda t: likelihood[t]) == temperature


def test_temperatures_without_an_optimum() -> None:
    logits = torch.eye(4)
    assert fit_temperature(logits, torch.arange(4)) == 1.0  # all right: the colder the better, without end
    assert fit_temperature(logits, torch.tensor([1, 2, 3, 0])) == 20.0  # all wrong: the hotter the better


def test_scaling_is_measured_on_what_it_was_not_fitted_to() -> None:
    logits, targets = draw(8000, 3.0)
    found = calibrate(logits, targets, torch.arange(8000), "image", "val")
    assert found.before.ece > 0.15
    assert found.after.ece < 0.02
    assert found.after.accuracy == pytest.approx(found.before.accuracy)
    halves = [fit_temperature(logits[half::2], targets[half::2]) for half in (0, 1)]
    expected = torch.empty_like(logits)
    for half in (0, 1):
        expected[half::2] = logits[half::2] / halves[1 - half]
    assert found.after == measure_reliability(expected, targets)


def test_a_temperature_at_its_bound_is_not_offered(tmp_path: Path) -> None:
    wrong = (torch.arange(40) + 1) % 4
    found = calibrate(5 * torch.eye(4)[torch.arange(40) % 4], wrong, torch.arange(40), "image", "val")
    assert found.temperature == HOTTEST
    assert "no optimum between 0.05 and 20" in found.why_not
    assert found.usable == 1
    found.save(RunFolder(tmp_path))
    assert json.loads((tmp_path / "calibration.json").read_text())["not_offered_because"] == found.why_not
    assert Calibration.load(RunFolder(tmp_path)) == found


def test_a_temperature_that_makes_the_error_worse_is_not_offered() -> None:
    """The likelihood and the binned error need not agree; measured on a run: 0.0217 became 0.0230."""
    good, worse = measure_reliability(*draw(2000, 1.0)), measure_reliability(*draw(2000, 3.0))
    found = Calibration(0.755, "val", "image", 2000, before=good, after=worse)
    assert "makes the expected calibration error worse" in found.why_not
    assert (found.usable, Calibration(0.755, "val", "image", 2000, worse, good).usable) == (1, 0.755)


def test_a_file_of_before_says_the_same(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    calibrate(*draw(100, 2.0), torch.arange(100), "image", "val").save(run)
    value = run.read_json("calibration.json")
    assert value.pop("not_offered_because") == ""
    run.write_json("calibration.json", value | {"temperature": 20.0})
    found = Calibration.load(run)
    assert found is not None
    assert found.why_not


def test_one_image_can_be_calibrated() -> None:
    found = calibrate(torch.tensor([[2.0, 1.0]]), torch.tensor([1]), torch.tensor([0]), "image", "val")
    assert found.num_samples == 1


def test_it_comes_back_from_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert Calibration.load(run) is None
    found = calibrate(*draw(100, 2.0), torch.arange(100), "image", "val")
    found.save(run)
    assert Calibration.load(run) == found
    assert json.loads((tmp_path / "calibration.json").read_text())["definitions"]["ece"] == DEFINITIONS["ece"]
    (tmp_path / "calibration.json").write_text('{"temperature": 1}')
    with pytest.raises(RunError, match="damaged"):
        Calibration.load(run)


def as_masks(count: int, too_sure: float, side: int = 40) -> tuple[Tensor, Tensor]:
    logits, targets = draw(count * side * side, too_sure)
    return logits.view(count, side, side, 5).permute(0, 3, 1, 2), targets.view(count, side, side)


def test_a_sample_of_pixels_tells_what_all_would() -> None:
    logits, targets = as_masks(40, 2.0)
    sample = PixelSample(unknown=None)
    for start in (0, 15, 30):
        sample.add(logits[start : start + 15], targets[start : start + 15])
    found = sample.calibrate("val")
    assert found is not None
    assert found.num_samples == 40 * 100  # one in sixteen
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    every_pixel = measure_reliability(logits.permute(0, 2, 3, 1).reshape(-1, 5), targets.flatten())
    assert found.before.ece == pytest.approx(every_pixel.ece, abs=0.03)


def test_a_sample_stays_small_and_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PixelSample, "MAX_NUMBERS", 5000)
    logits, targets = as_masks(64, 1.0)
    sample = PixelSample(unknown=None)
    sizes = []
    for start in range(64):
        sample.add(logits[start : start + 1], targets[start : start + 1])
        sizes.append(sum(part.numel() for part in sample._logits))
    assert max(sizes) <= 5000
    of_each = torch.bincount(torch.cat(sample._groups), minlength=64)
    assert of_each.min() > 0
    assert of_each.max() <= 2 * of_each.min() + 1


def test_unknown_pixels_are_in_no_sample() -> None:
    logits, targets = as_masks(2, 1.0)
    targets[0] = IGNORE_INDEX
    targets[1] = 3
    sample = PixelSample(unknown=3)
    sample.add(logits, targets)
    assert sample.calibrate("val") is None
