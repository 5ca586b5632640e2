"""Run folders of a segmentation, without training: all files are written by the code that writes them in a run."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from finesight.analysis.class_similarity import measure_class_similarity
from finesight.analysis.features import save_features
from finesight.analysis.label_errors import LabelErrors, save_label_errors
from finesight.analysis.label_regions import RegionFinder
from finesight.analysis.nearest_images import find_nearest_images, save_nearest_images
from finesight.analysis.projection import measure_quality, save_projection
from finesight.analysis.projection_methods import project
from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import load_settings
from finesight.metrics.confusion import count_confusion
from finesight.reporting.originals import Originals
from finesight.run.files import write_atomically
from finesight.run.folder import FORMAT_VERSION, RunFolder
from finesight.run.schema import REGIONS
from finesight.tasks.segmentation.score import SegmentationScore
from finesight.tasks.segmentation.snapshot_scores import score_snapshots
from finesight.tasks.segmentation.snapshots import MaskSnapshots

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ClassList(
    ids=("meadow", "lake", "town", "unknown"),
    names=("meadow", HOSTILE, "城市", "unknown"),
    colours=((0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 0, 0)),
    ignore=3,
)
SIZE = (40, 48)


@dataclass(frozen=True)
class MaskRun:
    run: RunFolder
    images: Path
    truths: dict[str, np.ndarray]

    @property
    def originals(self) -> Originals:
        return Originals(self.find_image, lambda key, size: self.truths.get(key))

    def find_image(self, key: str) -> Path | None:
        path = self.images / key
        return path if path.exists() else None


def write_mask_run(
    folder: Path, name: str = "a run", epochs: int = 4, skill: float = 0.9, count: int = 6, network: str = "fcn32s"
) -> MaskRun:
    """A finished, evaluated run that watched three images. skill: share of pixels it tells right in the end."""
    keys = [f"val/{number:04} 'x'_sat.png" for number in range(count)]
    truths = {key: draw_pair(folder / "images" / key, number) for number, key in enumerate(keys)}
    made = MaskRun(RunFolder(folder / name), folder / "images", truths)
    write_description(made, keys, epochs, network)
    masks = torch.from_numpy(np.stack(list(truths.values())))
    score = SegmentationScore(CLASSES, to_save=True)
    score.update(guess(masks, np.linspace(skill / 2, skill, count), epochs), masks)
    score.save(made.run.evaluation("val"), keys)
    calibration = score.calibrate("val")
    assert calibration is not None
    calibration.save(made.run)
    write_embedding(made.run, keys, score)
    write_label_errors(made, keys)
    film = MaskSnapshots(made.run, CLASSES, tuple(keys[:3]), (0, 1, 2))
    for epoch in range(1, epochs + 1):
        guessed = guess(masks[:3], np.full(3, skill * epoch / epochs), epoch).argmax(1)
        film.add(epoch, dict(enumerate(zip(guessed, masks, strict=False))))
    score_snapshots(made.run)
    return made


def write_embedding(run: RunFolder, keys: list[str], score: SegmentationScore) -> None:
    """Features of images, and of their meadows, lakes and towns, which lie apart."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(keys), 8)).astype(np.float32)
    targets, predictions = score.judge_images()
    folder, name = run.embedding("val"), CLASSES.ids.__getitem__
    save_features(folder, features, keys, [*map(name, targets)], [*map(name, predictions)])
    save_nearest_images(folder, find_nearest_images(features))
    drawn = project(features, "pca")
    save_projection(folder, replace(drawn, quality=measure_quality(features, drawn.points, targets)))
    Image.new("RGB", (320, 240), "white").save(folder / "map.png")
    owners, classes = np.repeat(np.arange(len(keys)), 3), np.tile(np.arange(3), len(keys))
    regions = (3 * np.eye(3, 8)[classes] + rng.normal(size=(len(owners), 8))).astype(np.float32)
    told, keys = score.judge_regions(owners, classes), [keys[image] for image in owners]
    save_features(folder / REGIONS, regions, keys, [*map(name, classes)], [*map(name, told)])
    confusion = count_confusion(torch.from_numpy(classes), torch.from_numpy(told), len(CLASSES)).numpy()
    found = measure_class_similarity(regions, classes, confusion, CLASSES.labels, keys, owners)
    run.write_json("embedding/val/close_classes.json", found.to_dict())


def write_label_errors(made: MaskRun, keys: list[str]) -> None:
    """The lake of the first image is suspected to be a town."""
    finder = RegionFinder(len(CLASSES), CLASSES.ignore)
    for number, (key, mask) in enumerate(made.truths.items()):
        seen = np.where(mask == 1, 2, mask) if number == 0 else mask
        known = torch.from_numpy(np.where(seen == IGNORE_INDEX, 0, seen)).long()
        logits = 5 * torch.nn.functional.one_hot(known, len(CLASSES)).permute(2, 0, 1)[None].float()
        finder.add(logits, torch.from_numpy(mask)[None], [key])
    errors, outlines = finder.finish()
    for key, outline in outlines.items():
        write_atomically((made.run.path / "label_errors/val" / key).with_suffix(".png"), outline)
    save_label_errors(made.run, LabelErrors("val", len(keys), "a simulated network", tuple(errors)), CLASSES)


def draw_pair(path: Path, seed: int) -> np.ndarray:
    """Writes an image and returns its mask: a lake and a town on a meadow, a corner unknown."""
    random = np.random.default_rng(seed)
    mask = np.zeros(SIZE, np.uint8)
    top, left = random.integers(0, 12, 2)
    mask[top : top + 16, left : left + 16] = 1
    mask[top + 14 : top + 24, left + 20 : left + 30] = 2
    mask[:3, :3] = IGNORE_INDEX
    colours = np.array([(60, 140, 50), (30, 60, 160), (170, 150, 120)], np.uint8)
    image = colours[np.where(mask == IGNORE_INDEX, 0, mask)] + random.integers(0, 40, (*SIZE, 1), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return mask


def guess(masks: Tensor, skills: np.ndarray, seed: int) -> Tensor:
    """Logits (n, C, h, w) that are right on about so many pixels of each mask."""
    random = np.random.default_rng(seed)
    right = torch.from_numpy(random.random(masks.shape) < skills[:, None, None])
    other = torch.from_numpy(random.integers(0, 3, masks.shape))
    answer = torch.where(right & (masks != IGNORE_INDEX), masks.long(), other)
    return torch.nn.functional.one_hot(answer, len(CLASSES)).permute(0, 3, 1, 2).float()


def write_description(made: MaskRun, keys: list[str], epochs: int, network: str) -> None:
    run = made.run
    run.create()
    overrides = {
        "task": "segmentation", "epochs": epochs, "data.root": str(made.images), "data.format": "pairs",
        "model.name": network, "checkpoint.best": "miou",
    }  # fmt: skip
    run.write_settings(load_settings(overrides=overrides))
    run.write_json("environment.json", {"format": FORMAT_VERSION, "device": "cpu", "packages": {"torch": "2"}})
    run.write_json("classes.json", CLASSES.to_dict())
    run.write_splits({"train": [("train/1.png", "")], "val": [(key, "") for key in keys]})
    run.write_json("class_counts.json", {"train": [500, 300, 200, 0]})
    for epoch in range(1, epochs + 1):
        line = {"epoch": epoch, "train/loss": 2 / epoch, "lr": 1e-3 / epoch, "val/miou": 0.7 - 0.4 / epoch}
        run.append_line("journal.jsonl", line)
    layers = [
        {"name": name, "type": "Conv2d", "output_shape": [1, 8, 4, 4], "parameters": 224, "frozen": False}
        for name in ("features.0", "score_fr" if network == "fcn32s" else "score_pool3")
    ]
    sizes = {"parameters": 448, "trainable": 448, "frozen": 0}
    run.write_json("architecture.json", {"name": network, **sizes, "layers": layers})
    write_atomically(run.path / "architecture.txt", f"Network({network})".encode())
    preprocessing = {"size": [32, 32], "fit": "native", "stored": list(SIZE)}
    weights = {"source": "VGG16 of torchvision"}
    run.write_json(
        "model.json",
        {"task": "segmentation", "name": network, "head": "x", "preprocessing": preprocessing, "weights": weights},
    )
