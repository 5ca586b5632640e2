"""Findings about confidences, labels, copies of images, and borders."""

import re
from pathlib import Path

import numpy as np
import pytest
from cases import answered, confuse, fired, judge, segmented, sure_logits
from PIL import Image

from finesight.analysis.label_errors import LabelError, LabelErrors, Region, save_label_errors
from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case
from finesight.checks.run.two_groups import valley_chance
from finesight.checks.run.v011_border_errors import find_class_borders
from finesight.tasks import find_task

TARGETS = np.repeat(np.arange(4), 40)
CENTRES = 8 * np.eye(4, 12)


def draw_features(classes: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(classes), CENTRES.shape[1]))
    return (CENTRES[classes] + noise).astype(np.float32)


# -- V006 -------------------------------------------------------------------------------------------------------------


def test_a_network_that_is_too_sure(tmp_path: Path) -> None:
    guesses = confuse(TARGETS, {(0, 1): 20, (2, 3): 20})
    found = fired("V006", answered(tmp_path, TARGETS, sure_logits(guesses, 4, 6.0)))
    assert "mean confidence is 99 %, but 75 % of the images are right: 24 points overconfident" in found.message
    assert found.keys[0] == "val/0000.png"


def test_a_network_that_is_as_sure_as_it_is_right(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for attempt in range(5):  # answers drawn from the probabilities they were given: calibrated by construction
        logits = random.normal(size=(120, 4)) * 2
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        targets = np.array([random.choice(4, p=row) for row in shares])
        assert judge("V006", answered(tmp_path / str(attempt), targets, logits)) is None


def test_few_images_do_not_tell_how_sure_it_may_be(tmp_path: Path) -> None:
    few = np.arange(12) % 4
    with pytest.raises(NotApplicable, match="12 images are too few"):
        judge("V006", answered(tmp_path, few, sure_logits(few, 4, 6.0)))


def test_masks_that_are_too_sure(tmp_path: Path) -> None:
    truths = np.zeros((40, 24, 24), np.uint8)
    truths[:, :12] = 1
    wrong = np.zeros_like(truths)
    case = segmented(tmp_path / "a", truths, wrong)  # logits of one-hot masks: never sure
    assert judge("V006", case) is None
    assert case.evidence.calibration is not None
    sure = case.run.read_json("calibration.json")
    for each in sure["before"]["bins"]:
        each["confidence"] = 0.99
    case.run.write_json("calibration.json", sure)
    again = Case(case.run, case.evidence.__class__(**{**vars(case.evidence), "calibration": read(case)}))
    assert re.search(r"(49|50|51) % of the pixels are right: \d\d points overconfident", fired("V006", again).message)


def read(case: Case) -> object:
    from finesight.run.calibration import Calibration

    return Calibration.load(case.run)


# -- V007 -------------------------------------------------------------------------------------------------------------


def test_planted_wrong_labels_are_found(tmp_path: Path) -> None:
    labels = TARGETS.copy()
    planted = [3, 50, 99]
    labels[planted] = (labels[planted] + 1) % 4
    margins = np.where(np.isin(np.arange(160), planted), 9.0, np.random.default_rng(0).uniform(7, 8.5, 160))
    case = answered(tmp_path, labels, sure_logits(TARGETS, 4, margins), features=draw_features(TARGETS))
    found = fired("V007", case)
    assert set(found.keys) == {f"val/{n:04}.png" for n in planted}
    assert found.message.startswith("3 images of 160 (1.9 %) have a label")
    assert "name 1 that looks like name 0" in found.message


def test_mistakes_whose_neighbours_disagree_are_no_label_errors(tmp_path: Path) -> None:
    guesses = confuse(TARGETS, {(0, 1): 5})
    case = answered(tmp_path, TARGETS, sure_logits(guesses, 4, 5.0), features=draw_features(TARGETS))
    assert judge("V007", case) is None


def test_a_poor_network_may_not_doubt_labels(tmp_path: Path) -> None:
    guesses = confuse(TARGETS, {(0, 1): 20, (1, 2): 20, (2, 3): 20})
    case = answered(tmp_path / "a", TARGETS, sure_logits(guesses, 4, 5.0), features=draw_features(guesses))
    with pytest.raises(NotApplicable, match="too few to question labels"):
        judge("V007", case)
    with pytest.raises(NotApplicable, match="finesight embed"):
        judge("V007", answered(tmp_path / "b", TARGETS, sure_logits(TARGETS, 4, 5.0)))


def test_regions_of_masks_that_may_be_wrong(tmp_path: Path) -> None:
    truths = np.zeros((12, 24, 24), np.uint8)
    truths[:, :12] = 1
    case = segmented(tmp_path, truths, truths)
    with pytest.raises(NotApplicable, match="finesight labels"):
        judge("V007", case)
    errors = (LabelError("val/0003.jpg", 1, 0, 0.2, Region(1, 0.1, 0.9, (0, 0, 5, 5))),)
    save_label_errors(case.run, LabelErrors("val", 12, "test", errors), case.evidence.classes)
    from finesight.analysis.evidence import read_evidence

    again = Case(case.run, read_evidence(case.run, "val", find_task(case.run)))
    found = fired("V007", again)
    assert "1 region in 1 of 12 images may be of another class: lake that looks like meadow" in found.message


# -- V008, V009 -------------------------------------------------------------------------------------------------------


def write_copies(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """40 images of val and 3 of training: one the same as val/0000, one a brighter val/0001, one of its own."""
    folder.mkdir()
    files = {}
    for number in range(40):
        small = np.random.default_rng(number).integers(0, 200, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC)
        files[f"val/{number:04}.png"] = folder / f"{number}.png"
        image.save(files[f"val/{number:04}.png"])
    train = {name: folder / f"{name}.png" for name in ("same", "near", "own")}
    pixels = np.array(Image.open(files["val/0001.png"]))
    Image.open(files["val/0000.png"]).save(train["same"])
    Image.fromarray(np.clip(pixels.astype(int) + 12, 0, 255).astype(np.uint8)).save(train["near"])
    Image.fromarray(np.random.default_rng(99).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(train["own"])
    return files | {f"train/{name}": path for name, path in train.items()}, [f"train/{name}" for name in train]


def test_copies_across_parts(tmp_path: Path) -> None:
    files, train = write_copies(tmp_path / "images")
    targets = np.arange(40) % 4
    case = answered(tmp_path, targets, sure_logits(targets, 4, 5.0), files=files, extra=train)
    same = fired("V008", case)
    assert same.message.startswith("1 image of split val (2.5 %) is pixel for pixel the same as a training image.")
    assert same.keys == ("val/0000.png", "train/same")
    near = fired("V009", case)
    assert near.keys == ("val/0001.png", "train/near")
    assert near.message.endswith("nearly the same as a training image, 1 of them with another label.")


def test_no_copies(tmp_path: Path) -> None:
    files, train = write_copies(tmp_path / "images")
    targets = np.arange(40) % 4
    alone = {key: path for key, path in files.items() if key not in ("train/same", "train/near")}
    case = answered(tmp_path, targets, sure_logits(targets, 4, 5.0), files=alone, extra=train)
    assert judge("V008", case) is None
    assert judge("V009", case) is None


def test_copies_cannot_be_found_when_the_images_are_gone(tmp_path: Path) -> None:
    case = answered(tmp_path, TARGETS, sure_logits(TARGETS, 4, 5.0))
    for code in ("V008", "V009"):
        with pytest.raises(NotApplicable, match="images are missing"):
            judge(code, case)


# -- V010 -------------------------------------------------------------------------------------------------------------


def test_a_class_of_two_kinds(tmp_path: Path) -> None:
    features = draw_features(TARGETS)
    features[80:95] += 12 * np.eye(12, dtype=np.float32)[7]
    case = answered(tmp_path, TARGETS, sure_logits(TARGETS, 4, 5.0), features=features)
    found = fired("V010", case)
    assert "1 class of 4 splits into two clusters" in found.message
    assert "name 2 into 25 and 15 images" in found.message
    other = {f"val/{n:04}.png" for n in range(80, 95)}
    assert len(other & set(found.keys)) == 6, "images of either group"


def test_classes_of_one_kind(tmp_path: Path) -> None:
    case = answered(tmp_path, TARGETS, sure_logits(TARGETS, 4, 5.0), features=draw_features(TARGETS))
    assert judge("V010", case) is None


def split_meadows(folder: Path, far: float) -> Case:
    """Forty images, each a meadow and a lake; fifteen meadows lie `far` from the others."""
    truths = np.zeros((40, 8, 8), np.uint8)
    truths[:, 4:] = 1
    images, classes = np.repeat(np.arange(40), 2), np.tile([0, 1], 40)
    features = 6 * np.eye(2, 12)[classes] + np.random.default_rng(1).normal(size=(80, 12))
    features[(classes == 0) & (images < 15), 7] += far
    return segmented(folder, truths, truths, None, (features.astype(np.float32), images, classes))


def test_regions_of_two_kinds(tmp_path: Path) -> None:
    found = fired("V010", split_meadows(tmp_path, far=12))
    assert "meadow into 25 and 15 regions" in found.message
    assert len(found.keys) == len(set(found.keys)) == 12
    assert {int(key[4:8]) < 15 for key in found.keys} == {True, False}


def test_regions_of_one_kind(tmp_path: Path) -> None:
    assert judge("V010", split_meadows(tmp_path, far=0)) is None


def test_few_images_show_no_groups(tmp_path: Path) -> None:
    few = np.repeat(np.arange(4), 20)
    with pytest.raises(NotApplicable, match="30 images"):
        judge("V010", answered(tmp_path / "a", few, sure_logits(few, 4, 5.0), features=draw_features(few)))
    mixed = np.random.default_rng(0).normal(size=(160, 12)).astype(np.float32)
    mixed[::3] += 20
    with pytest.raises(NotApplicable, match="is separate"):
        judge("V010", answered(tmp_path / "b", TARGETS, sure_logits(TARGETS, 4, 5.0), features=mixed))


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential", "flat"])
def test_one_hump_of_any_shape_is_one_group(shape: str) -> None:
    """Of a hundred classes without groups about five may fall below 0.05, whatever they look like."""
    random = np.random.default_rng(4)
    draw = {
        "normal": lambda: random.normal(size=(50, 20)),
        "uniform": lambda: random.uniform(size=(50, 1)),
        "exponential": lambda: random.exponential(size=(50, 20)),
        "flat": lambda: random.normal(size=(50, 60)) * np.r_[10, np.ones(59)],
    }[shape]
    assert np.mean([valley_chance(draw(), seed) < 0.05 for seed in range(100)]) <= 0.1


def test_two_humps_are_two_groups() -> None:
    random = np.random.default_rng(4)
    points = random.normal(size=(50, 20)) + np.outer(np.arange(50) < 20, np.r_[9, np.zeros(19)])
    assert valley_chance(points) < 1e-3
    assert valley_chance(np.ones((40, 3))) == 1


# -- V011 -------------------------------------------------------------------------------------------------------------


def draw_stripes(count: int = 12, size: int = 96) -> np.ndarray:
    truths = np.zeros((count, size, size), np.uint8)
    for number, truth in enumerate(truths):
        truth[:, 30 + number : 70] = 1
        truth[:2, :2] = 4
    return truths


def test_errors_on_borders(tmp_path: Path) -> None:
    truths = draw_stripes()
    case = segmented(tmp_path, truths, np.minimum(np.roll(truths, 2, axis=2), 3))
    found = fired("V011", case)
    assert found.message.startswith("100 % of the wrong pixels are near a border")
    assert len(found.keys) == 12


def test_errors_anywhere(tmp_path: Path) -> None:
    truths = draw_stripes()
    wrong = np.random.default_rng(0).random(truths.shape) < 0.1
    assert judge("V011", segmented(tmp_path / "a", truths, np.where(wrong, 2, np.minimum(truths, 3)))) is None
    assert judge("V011", segmented(tmp_path / "b", truths, np.minimum(truths, 3))) is None


def test_borders_need_masks(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="This check needs predicted masks"):
        judge("V011", answered(tmp_path / "a", TARGETS, sure_logits(TARGETS, 4, 5.0)))
    truths = draw_stripes(4)
    with pytest.raises(NotApplicable, match="masks of 4 images"):
        judge("V011", segmented(tmp_path / "b", truths, np.minimum(truths, 3)))


def test_the_edge_of_a_image_is_no_border() -> None:
    truth = np.zeros((40, 60), np.uint8)
    assert not find_class_borders(truth).any()
    truth[:, 30:] = 1
    near = find_class_borders(truth)
    assert near[:, 29:31].all()
    assert not near[:, :28].any()
    assert not near[:, 33:].any()
