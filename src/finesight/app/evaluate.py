"""Evaluate: how good a run's network is on pictures whose classes are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from finesight import ranks
from finesight.app.preparation import open_split, read_data
from finesight.config import Settings
from finesight.data.formats import read_labelled
from finesight.data.loader import PictureDataset
from finesight.data.sample import Listing
from finesight.engine.device import Machine
from finesight.engine.loop import score_split
from finesight.engine.restore import restore_model
from finesight.errors import DataError
from finesight.models.contract import Model
from finesight.run import RunFolder
from finesight.tasks import TASKS


def evaluate(run: str | Path, *, data: str | Path = "", split: str = "") -> dict[str, Any]:
    """Scores a run's best weights on a split, and saves every answer under evaluation/SPLIT.

    data: other pictures than the run's own, of the same classes. split: which part of them; `val` by default, and
    for other data without parts a name for the result, `test` by default.
    Returns `metrics`, `num_samples`, `split`, `definitions`.
    """
    folder = RunFolder.open(run)
    settings, model = folder.read_settings(), restore_model(folder)
    with ranks.first_on_machine():
        split, dataset = open_run_split(folder, settings, model, data, split)
    machine = Machine.resolve_here(settings.machine)
    machine.place(model.network)
    score = score_split(model, dataset, TASKS[model.task].new_score(folder.read_classes()), machine, settings)
    if ranks.is_main():
        score.save(folder.evaluation(split), dataset.keys)
    return {"split": split, **score.metrics().to_dict()}


def open_run_split(
    run: RunFolder, settings: Settings, model: Model, data: str | Path, split: str
) -> tuple[str, PictureDataset]:
    """(name, pictures) of a split of the run's own data, or of other data with the run's classes."""
    listing = list_pictures_for(run, settings, data, split)
    name = next(iter(listing.splits))
    return name, open_split(listing, name, settings, model.preprocessing, TASKS[model.task])


def list_pictures_for(run: RunFolder, settings: Settings, data: str | Path, split: str) -> Listing:
    """A listing of exactly one split, with the run's classes. Raises DataError for a split that is not there."""
    classes = run.read_classes()
    if split == ".." or Path(split).name != split:
        raise DataError(f"{split!r} is no name for a split: it becomes a folder's name in the run.")
    if data:
        listing = read_labelled(data, classes, settings.data.format, settings.data)
        parts = listing.splits
        if len(parts) == 1:
            return replace(listing, splits={split or "test": next(iter(parts.values()))})
    else:
        parts = (listing := read_data(settings)).splits
    wanted = split or "val"
    if wanted not in parts:
        raise DataError(f"{listing.root} has no split {wanted!r}; there are: {', '.join(parts)}.")
    return replace(listing, splits={wanted: parts[wanted]}, classes=classes)
