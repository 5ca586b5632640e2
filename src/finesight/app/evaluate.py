"""Evaluate: how good a run's network is on pictures whose classes are known."""

from pathlib import Path
from typing import Any

from finesight import ranks
from finesight.app.preparation import open_split
from finesight.app.run_data import list_other, list_run_split
from finesight.config import Settings
from finesight.data.loader import PictureDataset
from finesight.engine.device import Machine
from finesight.engine.restore import restore_model
from finesight.engine.scoring import score_split
from finesight.engine.views import AS_IT_IS, trained_views
from finesight.errors import DataError
from finesight.models.contract import Model
from finesight.progress import say
from finesight.run import RunFolder
from finesight.tasks import TASKS
from finesight.tasks.contract import Score


def evaluate(run: str | Path, *, data: str | Path = "", split: str = "", tta: bool = False) -> dict[str, Any]:
    """Scores a run's best weights on a split, and saves every answer under evaluation/SPLIT.

    A run that has no calibration.json gets it from its own validation part.

    data: other pictures than the run's own, of the same classes. split: which part of them; `val` by default, and
    for other data without parts a name for the result, `test` by default. tta: the mean over the flips and turns of
    training, kept apart as SPLIT_tta.
    Returns `metrics`, `num_samples`, `split`, `definitions`.
    """
    folder = RunFolder.open(run)
    settings, model = folder.read_settings(), restore_model(folder)
    with ranks.first_on_machine():
        split, dataset = open_run_split(folder, settings, model, data, split)
    machine = Machine.resolve_here(settings.machine)
    machine.place(model.network)
    views = trained_views(settings.augment) if tta else AS_IT_IS
    empty = TASKS[model.task].new_score(folder.read_classes())
    score = score_split(model, dataset, empty, machine, settings, views)
    if tta:
        split = f"{split}_tta"
    if ranks.is_main():
        score.save(folder.evaluation(split), dataset.keys)
        if split == "val" and not data and not (folder.path / "calibration.json").exists():
            keep_calibration(folder, score, split)
    return {"split": split, **score.metrics().to_dict()}


def keep_calibration(run: RunFolder, score: Score, split: str) -> None:
    """Writes calibration.json of a split that was held out, and says what is in it."""
    found = score.calibrate(split)
    if found is None:
        return
    found.save(run)
    mended = f"and {found.after.ece:.4f} with temperature {found.temperature:.3f}"
    nothing = "and no temperature to fit, as every answer is right"
    say(f"Calibration: expected calibration error {found.before.ece:.4f}, {nothing if found.all_right else mended}.")


def open_run_split(
    run: RunFolder, settings: Settings, model: Model, data: str | Path, split: str
) -> tuple[str, PictureDataset]:
    """(name, pictures) of a split of the run's own data, or of other data with the run's classes."""
    check_split_name(split)
    listing = list_other(run, settings, data, split) if data else list_run_split(run, settings, split or "val")
    name = next(iter(listing.splits))
    return name, open_split(listing, name, settings, model.preprocessing, TASKS[model.task])


def check_split_name(split: str) -> None:
    if split == ".." or Path(split).name != split:
        raise DataError(f"{split!r} is no name for a split: it becomes a folder's name in the run.")
