"""Run folders that show one thing, without training: every file is written by the code that writes it in a real run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finesight.analysis.evidence import read_evidence
from finesight.analysis.features import save_features
from finesight.analysis.projection import measure_quality, save_projection
from finesight.analysis.projection_methods import project
from finesight.checks.contract import Explanation
from finesight.checks.run import CHECKS
from finesight.checks.run.case import Case
from finesight.classes import ClassList
from finesight.config import load_settings
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.run.folder import FORMAT_VERSION, RunFolder
from finesight.run.schema import REGIONS
from finesight.tasks import find_task
from finesight.tasks.classification.score import ClassificationScore
from finesight.tasks.segmentation.score import SegmentationScore

COLOURS = ((0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 0), (0, 255, 255))


@dataclass
class Story:
    """What a run did beside its answers."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    losses: Sequence[float] = ()
    judged: Sequence[float] = ()  # val/accuracy or val/miou of each epoch
    rates: Sequence[float] = ()
    frozen: int = 0  # of ten layers
    train: Sequence[int] = ()  # how often each class occurs in the training part
    start_features: Callable[[], np.ndarray] | None = None


def judge(code: str, case: Case) -> Explanation | None:
    return CHECKS[code].judge(case)


def fired(code: str, case: Case) -> Explanation:
    found = judge(code, case)
    assert found is not None
    return found


def answered(
    folder: Path,
    targets: Sequence[int] | np.ndarray,
    logits: np.ndarray,
    story: Story | None = None,
    features: np.ndarray | None = None,
    files: Mapping[str, Path] | None = None,
    extra: Sequence[str] = (),
) -> Case:
    """Images of one class each. logits: (n, C). files: images on disk by key; extra: their keys in training."""
    story, targets = story or Story(), np.asarray(targets)
    num_classes = logits.shape[1]
    classes = ClassList(tuple(f"c{i}" for i in range(num_classes)), tuple(f"name {i}" for i in range(num_classes)))
    keys = [f"val/{i:04}.png" for i in range(len(targets))]
    run = _write_run(folder, "classification", classes, keys, [classes.ids[t] for t in targets], story, extra)
    score = ClassificationScore(classes)
    score.update(torch.from_numpy(logits).float(), torch.from_numpy(targets))
    score.save(run.evaluation("val"), keys)
    if features is not None:
        where = run.embedding("val")
        guesses = [classes.ids[index] for index in logits.argmax(1)]
        save_features(where, features, keys, [classes.ids[t] for t in targets], guesses)
        drawn = project(features, "pca")
        save_projection(
            where, drawn.__class__(**{**vars(drawn), "quality": measure_quality(features, drawn.points, targets)})
        )
    items = {key: Item(key, path) for key, path in (files or {}).items()}
    return Case(run, read_evidence(run, "val", find_task(run)), items, start_features=story.start_features)


def segmented(
    folder: Path,
    truths: np.ndarray,
    predictions: np.ndarray,
    story: Story | None = None,
    regions: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> Case:
    """Masks of classes 0-4, the last of which is unknown: uint8 (n, h, w).

    regions: features (m, d), which image each is of, and its class.
    """
    story = story or Story()
    names = ("meadow", "lake", "town", "rock", "unknown")
    classes = ClassList(names, names, COLOURS, ignore=4)
    keys = [f"val/{i:04}.jpg" for i in range(len(truths))]
    run = _write_run(folder, "segmentation", classes, keys, [""] * len(keys), story, ())
    write_masks(run, "val", keys, truths, predictions, classes)
    items = {}
    for key, truth in zip(keys, truths, strict=True):
        path = folder / "masks" / Path(key).with_suffix(".png").name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(truth).save(path)
        items[key] = Item(key, path.with_suffix(".jpg"), path)
    if regions is not None:
        _write_regions(run, keys, classes, *regions)
    rule = MaskRule(values=tuple((index, index) for index in range(4)))
    return Case(run, read_evidence(run, "val", find_task(run)), items, rule, "native", story.start_features)


def _write_regions(
    run: RunFolder, keys: list[str], classes: ClassList, features: np.ndarray, images: np.ndarray, of: np.ndarray
) -> None:
    """And a map of the images, as `embed` leaves it beside them."""
    where, labels = run.embedding("val"), [classes.ids[index] for index in of]
    whole = np.random.default_rng(0).normal(size=(len(keys), 4)).astype(np.float32)
    save_features(where, whole, keys, [classes.ids[0]] * len(keys), [classes.ids[0]] * len(keys))
    save_projection(where, project(whole, "pca"))
    save_features(where / REGIONS, features, [keys[image] for image in images], labels, labels)


def write_masks(
    run: RunFolder, split: str, keys: Sequence[str], truths: np.ndarray, predictions: np.ndarray, classes: ClassList
) -> None:
    score = SegmentationScore(classes, to_save=True)
    logits = torch.nn.functional.one_hot(torch.from_numpy(predictions).long(), len(classes)).permute(0, 3, 1, 2)
    known = torch.from_numpy(np.where(truths == 4, 255, truths).astype(np.uint8))
    score.update(logits.float(), known)
    score.save(run.evaluation(split), keys)
    found = score.calibrate(split)
    if found:
        found.save(run)


def _write_run(
    folder: Path, task: str, classes: ClassList, keys: list[str], labels: list[str], story: Story, extra: Sequence[str]
) -> RunFolder:
    run = RunFolder(folder / "run")
    run.create()
    best = "accuracy" if task == "classification" else "miou"
    overrides = {"task": task, "data.root": str(folder), "checkpoint.best": best, "model.name": "efficientnet_lite0"}
    run.write_settings(load_settings(overrides={**overrides, **story.settings}))
    run.write_json("environment.json", {"format": FORMAT_VERSION})
    run.write_json("classes.json", classes.to_dict())
    train = [(key, classes.ids[0]) for key in extra] or [(f"train/{i}.png", classes.ids[0]) for i in range(400)]
    run.write_splits({"train": train, "val": list(zip(keys, labels, strict=True))})
    run.write_json("model.json", {"task": task, "name": "n", "preprocessing": {"size": [32, 32]}})
    if story.train:
        run.write_json("class_counts.json", {"train": list(story.train)})
    for place in range(max(len(story.losses), len(story.judged))):
        line: dict[str, Any] = {"epoch": place + 1, "lr": story.rates[place] if story.rates else 1e-3}
        if story.losses:
            line["train/loss"] = story.losses[place]
        if story.judged:
            line[f"val/{best}"] = story.judged[place]
        run.append_line("journal.jsonl", line)
        layers = [{"name": f"l{i}", "state": "frozen" if i < story.frozen else "tuned"} for i in range(10)]
        entry = {"epoch": place + 1, "freeze_before": f"l{story.frozen}" if story.frozen else "", "layers": layers}
        run.append_line("freezing.jsonl", entry)
    return run


def sure_logits(guesses: np.ndarray, num_classes: int, margin: float | np.ndarray) -> np.ndarray:
    """(n, C): the guess has so much more than all others."""
    return np.eye(num_classes)[guesses] * np.broadcast_to(margin, len(guesses))[:, None]


def confuse(targets: np.ndarray, mistakes: Mapping[tuple[int, int], int]) -> np.ndarray:
    """Guesses that are right but for so many of one class taken for another."""
    guesses = targets.copy()
    for (truth, guess), count in mistakes.items():
        guesses[np.flatnonzero((targets == truth) & (guesses == truth))[:count]] = guess
    return guesses
