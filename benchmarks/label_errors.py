"""Wrong labels planted in real data, and how many of them `finesight labels` finds: precision and recall.

    python benchmarks/label_errors.py images TRAIN VAL WORK    folders of CLASS_ID.png
    python benchmarks/label_errors.py masks TRAIN VAL WORK       folders of DeepGlobe's pairs

Of 100 training and 40 validation images a class (--per-class), 5 % are put under another name; or in 30 % of masks a
piece of a region gets another class, 3 % of all pixels. A small network is trained on the planted labels in WORK, then
asked. A planted image is found if it is suspected, a planted piece if half of it is. A suspected region is right if
half of it was planted: real errors of the masks count as wrong, so precision is a lower bound. For training images
also: what the network's own answers would have found, and features that have seen no label.
"""

import argparse
import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from finesight import labels, train
from finesight.analysis.features import compute_features
from finesight.analysis.label_errors import cross_fit_probabilities, find_label_errors
from finesight.app.evaluate import open_run_split
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.models import build_model
from finesight.run.folder import RunFolder
from finesight.run.results import SuspectedLabel
from finesight.tasks import TASKS
from finesight.tasks.classification.score import ClassificationScore

SHARE, MASK_SHARE = 0.05, 0.3  # of images whose label, or a piece of whose mask, is made wrong
SEED = 0
COLOURS = np.array([(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)
IMAGE_SETTINGS = {"epochs": 4, "image.size": [96, 96], "image.interpolation": "bilinear", "seed": 1}
MASK_SETTINGS = {
    "epochs": 8, "data.classes": "deepglobe", "image.size": [192, 192], "image.fit": "stretch",
    "image.interpolation": "bilinear", "seed": 1, "batch_size": 16,
    "optim.lr": 1e-3, "augment.vertical_flip": 0.5, "augment.quarter_turns": True,
}  # fmt: skip


def plant_images(source: Path, target: Path, per_class: int) -> None:
    """Links `per_class` images of each class as GIVEN_TRUE-ID, some under another class's name."""
    target.mkdir(parents=True)
    by_class: dict[str, list[Path]] = {}
    for path in sorted(source.iterdir()):
        by_class.setdefault(path.stem.rpartition("_")[0], []).append(path)
    random = np.random.default_rng(SEED)
    classes = sorted(by_class)
    for true in classes:
        for path in by_class[true][:per_class]:
            given = true
            if random.random() < SHARE:
                given = str(random.choice([other for other in classes if other != true]))
            os.link(path, target / f"{given}_{true}-{path.stem.rpartition('_')[2]}{path.suffix}")


def plant_masks(source: Path, target: Path) -> None:
    """Copies pairs; in some masks a piece gets another class. TARGET-changes/NAME.png: pixels those are."""
    changes = target.with_name(f"{target.name}-changes")
    for folder in (target, changes):
        folder.mkdir(parents=True)
    random = np.random.default_rng(SEED)
    for path in sorted(source.glob("*_mask.png")):
        image = path.name.replace("_mask.png", "_sat.jpg")
        os.link(path.with_name(image), target / image)
        mask = np.array(Image.open(path).convert("RGB"))
        changed = np.zeros(mask.shape[:2], bool)
        if random.random() < MASK_SHARE:
            mask, changed = relabel_region(mask, random)
        Image.fromarray(mask).save(target / path.name)
        Image.fromarray(changed).save(changes / Path(image).with_suffix(".png"))


def relabel_region(mask: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A piece of one class, within a random box of a quarter to a half of the sides, gets another class's colour."""
    height, width = mask.shape[:2]
    for _ in range(50):
        box = [int(side * random.uniform(0.25, 0.5)) for side in (height, width)]
        top, left = random.integers(0, height - box[0]), random.integers(0, width - box[1])
        place = top + box[0] // 2, left + box[1] // 2
        inside = np.zeros(mask.shape[:2], bool)
        inside[top : top + box[0], left : left + box[1]] = True
        pieces, _ = ndimage.label((mask == mask[place]).all(2) & inside)
        piece = pieces == pieces[place]
        others = [colour for colour in COLOURS if (colour != mask[place]).any()]
        if mask[place].any() and piece.mean() > 0.02:
            changed = mask.copy()
            changed[piece] = others[random.integers(len(others))]
            return changed, piece
    return mask, np.zeros(mask.shape[:2], bool)


def judge_images(suspects: Sequence[tuple[str, str]], keys: Sequence[str]) -> dict[str, Any]:
    """suspects: (key, suggested) in their order. keys: of all images, named by `plant_images`."""
    truth = {key: key.rpartition("/")[2].rpartition("_")[2].partition("-")[0] for key in keys}
    planted = {key for key in keys if key.rpartition("/")[2].rpartition("_")[0] != truth[key]}
    hits = [key in planted for key, _ in suspects]
    named = [suggested == truth[key] for key, suggested in suspects if key in planted]
    return summarise(hits, sum(hits), len(planted)) | {"right_class_named": round(float(np.mean(named)), 3)}


def summarise(hits: Sequence[bool], found: int, planted: int) -> dict[str, Any]:
    """hits: whether each suspect was planted, the surest first. found: of what was planted."""
    return {
        "planted": planted,
        "suspected": len(hits),
        "found": found,
        "precision": round(float(np.mean(hits)), 3),
        "recall": round(found / planted, 3),
        "precision_of_first_half": round(float(np.mean(hits[: max(1, planted // 2)])), 3),
    }


def judge_regions(run: Path, split: str, errors: Sequence[SuspectedLabel], changes: Path) -> dict[str, Any]:
    """precision_of_first_half: of as many suspects as half of what was planted."""
    planted = {path.stem: np.array(Image.open(path)) > 0 for path in sorted(changes.iterdir())}
    planted = {name: changed for name, changed in planted.items() if changed.any()}
    hits = []
    suspected: dict[str, np.ndarray] = {}
    for error in errors:
        name = Path(error.key).stem
        with Image.open((run / "label_errors" / split / error.key).with_suffix(".png")) as image:
            region = np.array(image) == error.region
        suspected[name] = suspected.get(name, np.zeros_like(region)) | region
        hits.append(name in planted and bool(planted[name][region].mean() > 0.5))
    covered = [name in suspected and suspected[name][changed].mean() > 0.5 for name, changed in planted.items()]
    return summarise(hits, sum(map(int, covered)), len(planted))


def find_otherwise(run: Path) -> dict[str, Any]:
    """Training images, judged by the network's own answers and by features that have seen no label."""
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    _, dataset = open_run_split(folder, settings, model, "", "train")
    free = build_model(model.name, len(classes), "default", None, model.preprocessing.size)
    free.preprocessing = model.preprocessing
    ways = {}
    targets = np.asarray(dataset.targets)
    for name, network in (("own_answers", model), ("label_free_features", free)):
        score = ClassificationScore(classes)
        features = compute_features(
            Predictor.here(network, settings), dataset, TASKS["classification"].average_regions, score
        ).images
        own = score.logits.double().softmax(1).numpy()
        ways[name] = own if name == "own_answers" else cross_fit_probabilities(features, targets, len(classes))
    found = {name: find_label_errors(each, targets, dataset.keys) for name, each in ways.items()}
    return {
        name: judge_images([(e.key, classes.ids[e.suggested]) for e in errors], dataset.keys)
        for name, errors in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("images", "masks"))
    for name in ("train", "val", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--per-class", nargs=2, type=int, default=(100, 40), metavar=("TRAIN", "VAL"))
    chosen = parser.parse_args()
    run, of_masks = chosen.work / "run", chosen.what == "masks"
    if not run.exists():
        for split, per_class in zip(("train", "val"), chosen.per_class, strict=True):
            if of_masks:
                plant_masks(getattr(chosen, split), chosen.work / split)
            else:
                plant_images(getattr(chosen, split), chosen.work / split, per_class)
        settings = MASK_SETTINGS if of_masks else IMAGE_SETTINGS
        train(data=chosen.work / "train", val=chosen.work / "val", out=run, settings=settings)
    score = RunFolder.open(run).read_json("evaluation/val/metrics.json")["metrics"]
    metric = "miou" if of_masks else "accuracy"
    result: dict[str, Any] = {"date": date.today().isoformat(), "torch": torch.__version__, metric: score[metric]}
    result["epochs"] = len(RunFolder.open(run).read_lines("journal.jsonl"))
    for split in ("val", "train"):
        found = labels(run, split=split)
        if of_masks:
            result[split] = judge_regions(run, split, found.errors, chosen.work / f"{split}-changes")
        else:
            keys = [key for key, _ in RunFolder.open(run).read_splits()[split]]
            result[split] = judge_images([(e.key, e.suggested) for e in found.errors], keys)
    if not of_masks:
        result["train_otherwise"] = find_otherwise(run)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
