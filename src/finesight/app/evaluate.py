"""Evaluate: how good a run is on images whose classes are known."""

from dataclasses import replace
from pathlib import Path

from finesight import distributed
from finesight.app.run_data import RunData
from finesight.config import DataSettings
from finesight.data.layouts.patterns import can_be_read
from finesight.data.loader import ImageDataset
from finesight.errors import ConfigError, DataError
from finesight.inference.engine_choice import choose_engine, record_engine
from finesight.inference.predictor import Predictor, score_split
from finesight.inference.restore import restore_model
from finesight.progress import say
from finesight.run import schema
from finesight.run.files import is_portable_name
from finesight.run.folder import RunFolder
from finesight.run.results import Evaluated
from finesight.task import Score


def evaluate(
    run: str | Path | RunData,
    *,
    data: str | Path = "",
    split: str = "",
    tta: bool = False,
    images: str = "",
    masks: str = "",
    engine: str = "auto",
) -> Evaluated:
    """Scores a run's best weights on a split, and saves every prediction under evaluation/SPLIT.

    A run that has no calibration.json gets it from its own validation split, with tta calibration_tta.json.

    split: `val` by default. Its images are those that splits.csv lists; what is missing, new or relabelled is said.
    data: other images than the run's own. Their labels are matched with the run's classes by id or name, their masks
    read by the run's rule; images of other classes are left out and counted. split is then one of theirs, or, for data
    without splits, a name for the result, `test` by default. tta: test-time augmentation; results go to SPLIT_tta.
    engine: `torch`, `openvino`, or `auto`, that of the run's validation figures. That of split `val` becomes the run's.
    images, masks: globs for the images and masks of `data`, if they have masks; by default the run's where they fit.
    """
    own = RunData.of(run)
    folder, settings, model = own.run, own.settings, restore_model(own.run)
    if (images or masks) and not data:
        raise ConfigError("--images and --masks are about other data than the run's own: name them with --data.")
    with distributed.first_on_machine():
        reading = settings.data
        if images or masks or (data and not can_be_read(data, reading.images, reading.masks)):
            reading = replace(reading, images=images, masks=masks)
        split, dataset = open_run_split(own, data, split, reading)
    predictor = choose_engine(folder, Predictor.here(model, settings, tta, own.task.link), engine)
    score = score_split(predictor, dataset, own.task.new_score(folder.read_classes(), run=folder))
    held_out = split == "val" and not data
    if tta:
        split = f"{split}_tta"
    if distributed.is_main():
        if held_out and (tta or not folder.has(schema.calibration(tta))):
            keep_calibration(folder, score, split, tta)
        score.save(folder.evaluation(split), dataset.keys)
        record_engine(folder, split, predictor)
    distributed.barrier()  # until the main rank has written what the others may read next
    found = score.metrics()
    return Evaluated(split, found.num_samples, found.values, found.definitions)


def keep_calibration(run: RunFolder, score: Score, split: str, tta: bool = False) -> None:
    """Writes calibration.json, or calibration_tta.json, of a split that was held out, and says what is in it."""
    if found := score.calibrate(split):
        found.save(run, tta)
        say(found.describe())


def open_run_split(
    own: RunData, data: str | Path, split: str, reading: DataSettings | None = None
) -> tuple[str, ImageDataset]:
    """(name, images) of a split of the run's own data, or of other data with the run's classes."""
    check_split_name(split)
    if data:
        return own.open_other(data, split, reading or own.settings.data)
    return split or "val", own.open_split(split or "val")


def check_split_name(split: str) -> None:
    if split == ".." or Path(split).name != split or not is_portable_name(split):
        raise DataError(f"Invalid split name {split!r}: use a plain folder name.")
