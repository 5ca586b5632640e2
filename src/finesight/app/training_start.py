"""What a training starts from: settings, run folder and data, checked before torch is imported."""

import itertools
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finesight import distributed
from finesight.analysis.wording import count_of
from finesight.app.resumed_settings import choose_settings
from finesight.app.training_data import list_data
from finesight.config import Settings, choose_defaults, list_given, load_settings, locate, replace_dotted
from finesight.data.listing import Listing
from finesight.errors import ConfigError
from finesight.progress import say
from finesight.run.folder import RunFolder


@dataclass(frozen=True)
class Start:
    """began: `time.monotonic()` when the command began. resumes: the run is there already. note: of a new run."""

    run: RunFolder
    settings: Settings
    listing: Listing
    began: float
    resumes: bool = False
    note: str = ""


def start_run(recipe: str | Path | None, overrides: Mapping[str, Any], out: str | Path, note: str = "") -> Start:
    """Whatever is wrong with data or settings is found before the folder is made."""
    began = time.monotonic()
    settings = locate(load_settings(recipe, overrides))
    check_one_batch_size(settings)
    run = RunFolder(Path(out) if out else _free_folder(settings.data.root))
    if distributed.is_main():
        run.check_free()
    listing = _list(settings, run)
    settings = fill_defaults(settings, list_given(recipe, overrides), len(listing.splits["train"]))
    return Start(run, settings, listing, began, note=note)


def fill_defaults(settings: Settings, given: Collection[str], num_train: int) -> Settings:
    """With the defaults for so many training images where nothing is `given`, by dotted name. Says which."""
    chosen = choose_defaults(num_train, given)
    settings = replace_dotted(settings, chosen)
    if chosen:
        flags = " ".join(f"--set {name}=…" for name in chosen)
        say(f"{count_of(num_train, 'training image')}: {_describe_plan(settings)}; change with {flags}.")
    return settings


def _describe_plan(settings: Settings) -> str:
    low, high = (f"{100 * area:.0f}" for area in settings.augment.scale)
    return (
        f"{count_of(settings.epochs, 'epoch')}, warm-up {settings.optim.warmup_epochs:g}, "
        f"random crops of {low}–{high} % of the area"
    )


def continue_run(recipe: str | Path | None, overrides: Mapping[str, Any], out: Path, locks: ExitStack) -> Start:
    """The run as it was; what would change the result is refused."""
    began = time.monotonic()
    run = RunFolder.open(out)
    if distributed.is_main():
        locks.enter_context(run.lock())
    settings = choose_settings(run, recipe, overrides)
    return Start(run, settings, _list(settings, run), began, resumes=True)


def _list(settings: Settings, run: RunFolder) -> Listing:
    if not settings.data.root:
        raise ConfigError("No data: name the folder or CSV file with your images, --data PATH.")
    with distributed.first_on_machine():
        return list_data(settings, run)


def is_restarted(run: RunFolder) -> bool:
    """Whether this launch of torchrun began the run with this very command, and is now at it again.

    A restart after a failure counts up; one after machines came or went does not, but keeps the launch's name, as a
    job does that Slurm puts back into its queue. "none" is the name of launches without one.
    """
    if not distributed.launch() or not run.is_run():
        return False
    made = run.read_environment()
    is_same = made.launch == distributed.launch() != "none"
    return list(made.command) == sys.argv and (is_same or distributed.num_restarts() > 0)


def check_one_batch_size(settings: Settings) -> None:
    """Raises ConfigError where a new run is given two batch sizes that differ."""
    size, each, ranks = settings.batch_size, settings.batch_size_per_device, distributed.world_size()
    if size and each and size != each * ranks:
        raise ConfigError(
            f"batch_size = {size} is for all processes together, and batch_size_per_device = {each} makes "
            f"{each * ranks} of {ranks}. Set one of them."
        )


def _free_folder(data: str) -> Path:
    """runs/NAME-1, or the first number that is free."""
    name = Path(data).resolve().stem or "run"
    return next(p for n in itertools.count(1) if not (p := Path("runs") / f"{name}-{n}").exists())
