"""Train: from images to a run folder with measured weights."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from finesight import distributed
from finesight.app.training_start import continue_run, is_restarted, start_run
from finesight.backend.compilation import start_compiling
from finesight.collector import importing
from finesight.config import add_given
from finesight.errors import ConfigError
from finesight.run.folder import RunFolder
from finesight.run.results import Trained


def train(
    recipe: str | Path | None = None,
    *,
    data: str | Path = "",
    val: str | Path = "",
    model: str = "",
    epochs: int | None = None,
    hours: float | None = None,
    out: str | Path = "",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    note: str = "",
) -> Trained:
    """Fine-tunes a pretrained model on images and writes a run folder.

    hours: for the whole training, in which as many epochs are planned as fit.
    settings: dotted names to values, `{"optim.lr": 1e-4}`; they win over the recipe, named arguments over both.
    note: your words on the run, kept in its notes.md and shown in its report; with resume a paragraph after the others.
    Under torchrun every process calls this alike. When torchrun restarts them, they go on with the run.
    Raises FinesightError for whatever is wrong with data, settings or weights, before the first epoch.
    """
    named = {"data.root": str(data), "data.val": str(val), "model.name": model, "epochs": epochs, "budget.hours": hours}
    overrides = add_given(settings, named)
    if resume and not str(out):
        raise ConfigError("--resume continues a run: name it with --out RUN.")
    if distributed.launch() and not str(out):
        raise ConfigError("Under torchrun name the run folder with --out RUN: all processes need the same one.")
    restarts = is_restarted(RunFolder(Path(out)))
    with ExitStack() as locks:
        if resume or restarts:
            start = continue_run(recipe, overrides, Path(out), locks)
            if note and not restarts and distributed.is_main():
                start.run.add_note(note)
        else:
            start = start_run(recipe, overrides, out, note)
        start_compiling(start.settings.machine)
        with importing("torch"):
            from finesight.app.training_run import run_training  # torch: seconds, which no error above waits for

        return run_training(start, locks)
