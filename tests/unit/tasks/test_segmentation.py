"""Masks scored: against a count by hand, torchmetrics-free, and what a score leaves on disk."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import LossSettings, Settings, load_settings
from finesight.errors import ConfigError, DataError, ModelError
from finesight.metrics.segmentation import count_pixels
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation.score import SegmentationScore
from finesight.tasks.segmentation.snapshots import choose_images, watch_masks
from finesight.tasks.segmentation.spec import Segmentation, count_mask_pixels

CLASSES = ClassList(("a", "b", "?"), ("狐", "<b>", "unknown"), ((255, 0, 0), (0, 255, 0), (0, 0, 0)), ignore=2)
TRUTH = torch.tensor([[[0, 0, 1, IGNORE_INDEX]], [[1, 1, 1, 0]]], dtype=torch.uint8)
GUESS = torch.tensor([[[0, 1, 1, 0]], [[1, 1, 2, 0]]])


def logits_of(masks: torch.Tensor, num_classes: int = 3) -> torch.Tensor:
    return torch.nn.functional.one_hot(masks, num_classes).movedim(3, 1).float() * 5


def score() -> SegmentationScore:
    made = SegmentationScore(CLASSES, to_save=True)
    for image in range(2):
        made.update(logits_of(GUESS[image : image + 1]), TRUTH[image : image + 1])
    return made


def test_metrics_are_those_counted_by_hand() -> None:
    values = score().metrics().values
    # a: 2 hit, 1 missed, none taken wrongly among known pixels, one among unknown; b: 3 hit, 1 missed, 1 taken wrongly
    assert values["iou/狐"] == pytest.approx(2 / 3)
    assert values["iou/<b>"] == pytest.approx(3 / 5)
    assert values["miou"] == pytest.approx((2 / 3 + 3 / 5) / 2)
    assert values["miou_unmasked"] == pytest.approx((2 / 4 + 3 / 5) / 2)
    assert values["pixel_accuracy"] == pytest.approx(5 / 7)
    assert values["class_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert values["frequency_weighted_iou"] == pytest.approx(3 / 7 * 2 / 3 + 4 / 7 * 3 / 5)
    every_epoch = {name for name in values if not name.startswith("boundary_iou")}  # borders are followed at the end
    assert every_epoch <= set(Segmentation().list_metrics(CLASSES))
    assert set(score().metrics().definitions) == set(values)


def test_counts_are_kept_a_image_with_a_row_for_unknown_truth() -> None:
    counts = count_pixels(TRUTH, GUESS, 3)
    assert counts.shape == (2, 4, 3)
    assert counts[0].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert counts[1].tolist() == [[1, 0, 0], [0, 2, 1], [0, 0, 0], [0, 0, 0]]
    many = torch.randint(0, 40, (2, 9, 9))
    assert torch.equal(
        count_pixels(many.to(torch.uint8), many, 40).sum((0, 1)), torch.bincount(many.flatten(), minlength=40)
    )


def test_smaller_logits_are_judged_at_the_masks_size() -> None:
    truth = torch.zeros(1, 8, 8, dtype=torch.uint8)
    truth[:, :, 4:] = 1
    made = SegmentationScore(CLASSES, to_save=False)
    made.update(logits_of(truth[:, ::4, ::4].long()), truth)
    assert made.counts.sum() == 64
    assert made.metrics().values["miou"] == 1.0


def test_what_is_saved(tmp_path: Path) -> None:
    score().save(tmp_path, ["a/1 <b>.jpg", "2.jpg"])
    assert load_file(tmp_path / "counts.safetensors")["counts"].shape == (2, 4, 3)
    with (tmp_path / "confusion.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["truth", "狐", "<b>", "unknown"],
        ["狐", "2", "1", "0"],
        ["<b>", "0", "3", "1"],
        ["unknown", "1", "0", "0"],
    ]
    with (tmp_path / "images.csv").open(encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)] == ["key", "a/1 <b>.jpg", "2.jpg"]
    assert json.loads((tmp_path / "metrics.json").read_text())["num_samples"] == 2
    with Image.open(tmp_path / "masks/a/1 <b>.png") as image:
        np.testing.assert_array_equal(np.asarray(image), GUESS[0])
        assert image.convert("RGB").getpixel((1, 0)) == (0, 255, 0)


def test_nothing_known_and_numbers_that_are_none() -> None:
    made = SegmentationScore(CLASSES, to_save=False)
    made.update(logits_of(GUESS), torch.full_like(TRUTH, IGNORE_INDEX))
    with pytest.raises(DataError, match="nothing to score"):
        made.metrics()
    made.update(torch.full((1, 3, 1, 4), torch.nan), TRUTH[:1])
    with pytest.raises(ModelError, match="not finite"):
        made.metrics()


class Stored:
    def __init__(self, masks: np.ndarray) -> None:
        self.masks = masks

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, indices: range) -> np.ndarray:
        return self.masks[list(indices)]


def test_pixels_are_counted_for_weights() -> None:
    task, targets = Segmentation(), Stored(TRUTH.numpy())
    assert count_mask_pixels(targets, 3).tolist() == [[2, 1, 0, 1], [1, 3, 0, 0]]
    assert task.count_classes(targets, CLASSES).tolist() == [3, 4, 1]


def test_unknown_is_learned_only_when_asked_to() -> None:
    task, counts = Segmentation(), np.array([3, 4, 1])
    truth = TRUTH.long()
    sure = logits_of(torch.where(truth == IGNORE_INDEX, 2, truth))
    wrong = sure.clone()
    wrong[0, :, 0, 3] = torch.tensor([5.0, 0.0, 0.0])  # at the unknown pixel
    ignoring, learning = (task.make_loss(LossSettings(train_ignored=learn), counts, CLASSES) for learn in (False, True))
    assert ignoring(sure, truth) == ignoring(wrong, truth)
    assert learning(wrong, truth) > learning(sure, truth) + 0.5
    weighted = task.make_loss(LossSettings(class_weights="inverse"), counts, CLASSES)
    assert weighted(wrong, truth).isfinite()
    for recipe, learn in (("dlcv-fcn32s", True), ("dlcv-fcn8s", True), ("p2-cpu", False)):
        assert load_settings(recipe).loss.train_ignored == learn


def test_masks_cannot_be_mixed() -> None:
    Segmentation().check(Settings())
    with pytest.raises(ConfigError, match="set both to 0 for masks"):
        Segmentation().check(load_settings(None, {"augment.mixup": 0.2}))


def test_images_are_not_moved_without_their_masks() -> None:
    with pytest.raises(ConfigError, match="not their masks"):
        Segmentation().check(load_settings(None, {"augment.randaugment": 9}))


def test_the_film_shows_pure_and_mixed_images(tmp_path: Path) -> None:
    counts = np.array([[100, 0], [50, 50], [0, 100], [80, 20], [99, 1], [0, 0]])
    chosen = choose_images(counts, 3)
    assert chosen[0] in (0, 2)
    assert chosen[-1] == 1
    assert 5 not in choose_images(counts, 10)
    settings = load_settings(None, {"snapshots.images": ["3_sat"]}).snapshots
    keys = [f"val/{n}_sat.jpg" for n in range(6)]
    film = watch_masks(RunFolder(tmp_path), keys, np.pad(counts, ((0, 0), (0, 2))), CLASSES, settings)
    assert film is not None
    assert film.indices == (3,)
    for epoch in (1, 2):
        film.add(epoch, {3: (GUESS[0], TRUTH[0])})
    index = json.loads((tmp_path / "film/index.json").read_text())
    assert index["epochs"] == [1, 2]
    for folder, expected in (("2", GUESS[0]), ("truth", TRUTH[0])):
        with Image.open(tmp_path / "film" / folder / index["images"][0]["frame"]) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)
    with pytest.raises(ConfigError, match="not a validation image"):
        watch_masks(
            RunFolder(tmp_path), keys, counts, CLASSES, load_settings(None, {"snapshots.images": ["x"]}).snapshots
        )


def test_a_image_is_of_the_class_of_most_of_its_known_pixels() -> None:
    truths = torch.tensor([[[1, 1, 255, 255, 255, 2]], [[2, 2, 0, 0, 255, 255]], [[255] * 6]], dtype=torch.uint8)
    predictions = torch.tensor([[[1, 2, 0, 0, 0, 2]], [[1, 1, 1, 0, 2, 2]], [[1] * 6]])
    made = SegmentationScore(ClassList(("a", "b", "c"), ("a", "b", "c")), to_save=True)
    made.update(logits_of(predictions), truths)
    targets, told = made.judge_images()
    assert targets.tolist() == [1, 0, -1]  # of two with as many, the first
    assert told.tolist() == [2, 1, -1]  # what is predicted on unknown pixels does not count
    regions = made.judge_regions(np.array([0, 0, 1, 1]), np.array([1, 2, 0, 2]))
    assert regions.tolist() == [1, 2, 0, 1]


def test_an_ignored_pixel_stays_as_it_is() -> None:
    classes = ClassList(("a", "b"), ("ant", "bee"), ((200, 0, 0), (0, 200, 0)))
    target, image = torch.tensor([[0, 255], [1, 1]], dtype=torch.uint8), np.full((2, 2, 3), 100, np.uint8)
    task = Segmentation()
    assert task.describe_target(target, classes) == "50 % bee, 25 % ant, 25 % ignored"
    assert task.draw_target(image, target, classes).tolist() == [
        [[150, 50, 50], [100, 100, 100]],
        [[50, 150, 50], [50, 150, 50]],
    ]
