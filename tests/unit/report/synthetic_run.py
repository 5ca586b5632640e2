"""A run folder in the true format, without training: every file is written by the code that writes it in a real run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from finesight.analysis.class_similarity import measure_class_similarity
from finesight.analysis.features import save_features
from finesight.analysis.label_errors import LabelErrors, find_label_errors, save_label_errors
from finesight.analysis.nearest_images import find_nearest_images, save_nearest_images
from finesight.analysis.projection import measure_quality, save_projection
from finesight.analysis.projection_methods import project
from finesight.classes import ClassList
from finesight.config import load_settings
from finesight.metrics.confusion import count_confusion
from finesight.run.files import write_atomically
from finesight.run.folder import FORMAT_VERSION, RunFolder
from finesight.tasks.classification.score import ClassificationScore

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = ("wolf", "grey fox", HOSTILE, "猫")
SHAPES = ("ellipse", "rectangle", "polygon", "arc")


@dataclass(frozen=True)
class SyntheticRun:
    run: RunFolder
    images: Path

    def find_image(self, key: str) -> Path | None:
        path = self.images / key
        return path if path.exists() else None


def write_run(folder: Path, names: Sequence[str] = NAMES, per_class: int = 15, epochs: int = 5) -> SyntheticRun:
    """A finished, evaluated and embedded run over generated images of coloured shapes."""
    keys = {f"class {label}/{i:03}.png": label for label in range(len(names)) for i in range(per_class)}
    for key, label in keys.items():
        draw_image(folder / "images" / key, label, seed=len(key) + int(key[-7:-4]))
    made = SyntheticRun(RunFolder(folder / "a run"), folder / "images")
    write_description(made, names, keys, epochs)
    write_results(made.run, keys, len(names))
    return made


def draw_image(path: Path, label: int, seed: int) -> None:
    """A shape whose colour and form tell its class."""
    rng = np.random.default_rng((seed, label))
    image = Image.new("RGB", (48, 40), tuple(rng.integers(180, 255, 3).tolist()))
    left, top = rng.integers(2, 12, 2).tolist()
    box = (left, top, left + 24, top + 24)
    colour = tuple((np.array([37, 91, 151]) * (label + 1) % 200).tolist())
    draw = ImageDraw.Draw(image)
    shape = SHAPES[label % len(SHAPES)]
    if shape == "polygon":
        draw.polygon([(left, top + 24), (left + 12, top), (left + 24, top + 24)], fill=colour)
    elif shape == "arc":
        draw.arc(box, 20, 300, fill=colour, width=5)
    else:
        getattr(draw, shape)(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_description(made: SyntheticRun, names: Sequence[str], keys: dict[str, int], epochs: int) -> None:
    run, classes = made.run, ClassList(ids=tuple(f"c{i}" for i in range(len(names))), names=tuple(names))
    run.create()
    run.write_settings(
        load_settings(
            overrides={
                "task": "classification", "epochs": epochs, "data.root": str(made.images), "data.format": "folders",
                "model.name": "efficientnet_lite0", "checkpoint.best": "accuracy",
            }
        )
    )  # fmt: skip
    packages = {"finesight": "0.1.0", "torch": torch.__version__.split("+")[0]}
    command = ["/usr/bin/finesight", "train", "--data", str(made.images), "--out", str(run.path)]
    run.write_json(
        "environment.json",
        {"format": FORMAT_VERSION, "device": "cpu", "precision": "bf16", "packages": packages, "command": command},
    )
    run.write_json("classes.json", classes.to_dict())
    samples = [(key, classes.ids[label]) for key, label in keys.items()]
    run.write_splits({"train": [(f"train/{key}", label) for key, label in samples[::2] * 3], "val": samples})
    for epoch in range(1, epochs + 1):
        accuracy = 0.9 - 0.5 / epoch - 0.05 * (epoch == epochs)  # the last epoch is not the best
        line = {"epoch": epoch, "train/loss": 1.5 / epoch, "lr": 5e-4 * (1 - epoch / (epochs + 1))}
        run.append_line("journal.jsonl", line | {"val/accuracy": accuracy, "val/log_loss": 1.2 / epoch + 0.2})
        run.append_line(
            "timings.jsonl",
            {"epoch": epoch, "train_s": 2.0, "val_s": 0.5, "images_per_second": 300 + 7.5 * (epoch % 3)},
        )
        layers = [{"name": name, "state": "frozen", "lr": 0.0, "hash": hash_name(name)} for name in ("stem", "block1")]
        layers.append({"name": "classifier", "state": "tuned", "lr": line["lr"]})
        run.append_line("freezing.jsonl", {"epoch": epoch, "freeze_before": "classifier", "layers": layers})
    run.write_json("architecture.json", {"parameters": 3_435_000, "trainable": 64_050, "frozen": 3_370_950})
    write_atomically(run.path / "architecture.txt", b"Network(\n  (stem): Conv2d(3, 32)\n  (classifier): Linear()\n)")
    run.write_json(
        "model.json",
        {
            "task": "classification", "name": "efficientnet_lite0", "head": "classifier", "num_classes": len(names),
            "preprocessing": {"size": [224, 224]}, "weights": {"source": "ImageNet weights of a package"},
        },
    )  # fmt: skip


def hash_name(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def write_results(run: RunFolder, keys: dict[str, int], num_classes: int) -> None:
    """Evaluation and embedding of features in which classes 0 and 1 lie close."""
    rng = np.random.default_rng(0)
    labels = np.array(list(keys.values()))
    centres = rng.normal(size=(num_classes, 16)) * 1.1
    centres[1] = centres[0] + 0.5
    features = (centres[labels] + rng.normal(size=(len(labels), 16))).astype(np.float32)
    distances = ((features[:, None] - centres[None]) ** 2).sum(2)
    logits = torch.from_numpy(-distances / 4).float()
    classes = run.read_classes()
    score = ClassificationScore(classes)
    score.update(logits, torch.from_numpy(labels))
    score.save(run.evaluation("val"), list(keys))
    score.calibrate("val").save(run)
    wrong = (labels + (np.arange(len(labels)) % 15 == 3)) % num_classes  # the fourth image of each class
    errors = find_label_errors(logits.softmax(1).numpy(), wrong, list(keys))
    save_label_errors(run, LabelErrors("val", len(keys), "a simulated network", tuple(errors)), classes)
    folder = run.embedding("val")
    predictions = logits.argmax(1).tolist()
    targets, told = ([classes.ids[index] for index in indices] for indices in (keys.values(), predictions))
    save_features(folder, features, list(keys), targets, told)
    save_nearest_images(folder, find_nearest_images(features))
    drawn = project(features, "pca")
    save_projection(folder, replace(drawn, quality=measure_quality(features, drawn.points, labels)))
    confusion = count_confusion(torch.from_numpy(labels), logits.argmax(1), num_classes).numpy()
    found = measure_class_similarity(features, labels, confusion, classes.labels, list(keys))
    run.write_json("embedding/val/close_classes.json", found.to_dict())
    image = Image.new("RGB", (320, 240), "white")
    image.save(folder / "map.png")
    write_findings(run, list(keys))


def write_findings(run: RunFolder, keys: Sequence[str]) -> None:
    """Two that fired, one each that did not, that did not apply, and that was ignored."""
    found = [
        ("V003", "error", "A class is never predicted", f"No image is taken for {HOSTILE}.", keys[30:33]),
        ("V012", "note", "Still improving when training ended", "The last epoch was the best.", []),
    ]
    names = ("code", "severity", "title", "message", "keys")
    run.write_json(
        "findings/val.json",
        {
            "split": "val",
            "findings": [dict(zip(names, row, strict=True)) for row in found],
            "silent": {"V002": "No better than always predicting the largest class"},
            "not_applicable": {"V011": "This check needs predicted masks."},
            "ignored": {"V004": "Too few images to score a class"},
        },
    )
