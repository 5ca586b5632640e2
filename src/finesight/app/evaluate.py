"""Evaluate: how good a run's network is on images whose classes are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from finesight import distributed
from finesight.app.preparation import open_split
from finesight.app.run_data import list_other, list_run_split
from finesight.config import Settings
from finesight.data.layouts.globs import can_be_read
from finesight.data.loader import ImageDataset
from finesight.errors import ConfigError, DataError
from finesight.inference.predictor import Predictor, score_split
from finesight.inference.restore import restore_model
from finesight.models.contract import Model
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.task import Score
from finesight.tasks import TASKS


def evaluate(
    run: str | Path, *, data: str | Path = "", split: str = "", tta: bool = False, images: str = "", masks: str = ""
) -> dict[str, Any]:
    """Scores a run's best weights on a split, and saves every answer under evaluation/SPLIT.

    A run that has no calibration.json gets it from its own validation part, with tta calibration_tta.json.

    split: `val` by default. Its images are those that splits.csv lists; what is gone, new or relabelled is said.
    data: other images than the run's own. Their labels are matched with the run's classes by id or name, their masks
    read by the run's rule; images of other classes are left out and counted. split is then which part of them, or, for
    data that come in one part, a name for the result, `test` by default. tta: the mean over the flips and turns of
    training, saved as SPLIT_tta. images, masks: globs for the images and masks of `data`, if they have masks.
    Returns `metrics`, `num_samples`, `split`, `definitions`.
    """
    folder = RunFolder.open(run)
    settings, model = folder.read_settings(), restore_model(folder)
    if data:
        settings = choose_globs(settings, data, images, masks)
    elif images or masks:
        raise ConfigError("--images and --masks are about other data than the run's own: name them with --data.")
    with distributed.first_on_machine():
        split, dataset = open_run_split(folder, settings, model, data, split)
    empty = TASKS[model.task].new_score(folder.read_classes())
    score = score_split(Predictor.here(model, settings, tta), dataset, empty)
    held_out = split == "val" and not data
    if tta:
        split = f"{split}_tta"
    if distributed.is_main():
        score.save(folder.evaluation(split), dataset.keys)
        if held_out and (tta or not folder.has(schema.calibration(tta))):
            keep_calibration(folder, score, split, tta)
    return {"split": split, **score.metrics().to_dict()}


def choose_globs(settings: Settings, data: str | Path, images: str, masks: str) -> Settings:
    """The settings with what names images and masks of other data: the patterns given, or the run's if they fit."""
    if not (images or masks) and can_be_read(data, settings.data.images, settings.data.masks):
        images, masks = settings.data.images, settings.data.masks
    return replace(settings, data=replace(settings.data, images=images, masks=masks))


def keep_calibration(run: RunFolder, score: Score, split: str, tta: bool = False) -> None:
    """Writes calibration.json, or calibration_tta.json, of a split that was held out, and says what is in it."""
    found = score.calibrate(split)
    if found is None:
        return
    found.save(run, tta)
    offered = f"and {found.after.ece:.4f} with temperature {found.temperature:.3f}"
    refused = f"and no temperature is offered: {found.why_not}"
    say(f"Calibration: expected calibration error {found.before.ece:.4f}, {refused if found.why_not else offered}.")


def open_run_split(
    run: RunFolder, settings: Settings, model: Model, data: str | Path, split: str
) -> tuple[str, ImageDataset]:
    """(name, images) of a split of the run's own data, or of other data with the run's classes."""
    check_split_name(split)
    listing = list_other(run, settings, data, split) if data else list_run_split(run, settings, split or "val")
    name = next(iter(listing.splits))
    return name, open_split(listing, name, settings, model.preprocessing, TASKS[model.task])


def check_split_name(split: str) -> None:
    if split == ".." or Path(split).name != split:
        raise DataError(f"{split!r} is no name for a split: it becomes a folder's name in the run.")
