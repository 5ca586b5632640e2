"""Prove resume: on this machine a training that is killed and resumed gives the same files as an undisturbed one."""

import dataclasses
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from finesight.backend.device import Machine
from finesight.config import BudgetSettings, Settings, add_given, load_settings, locate, to_toml
from finesight.errors import FinesightError
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import Kill, ResumeProof
from finesight.training.checkpoint import Training

NOT_COMPARED = {schema.TIMINGS, schema.ENVIRONMENT}  # seconds, and the command line
BATCH = 8  # images a step: what is proven does not depend on it, but the time does
LARGEST_DELAY_S = 0.3  # from the moment that is waited for to the kill


def prove_resume(
    recipe: str | Path | None = None,
    *,
    data: str | Path = "",
    val: str | Path = "",
    model: str = "",
    settings: Mapping[str, Any] | None = None,
) -> ResumeProof:
    """Trains a short version of a run twice, once undisturbed and once killed and resumed, and compares every file.

    Takes what `train` takes; the runs are made in a temporary folder, in processes of their own, and deleted.
    """
    named = {"data.root": str(data), "data.val": str(val), "model.name": model}
    short = shorten(locate(load_settings(recipe, add_given(settings, named))))
    with tempfile.TemporaryDirectory(prefix="finesight-proof-") as folder:
        recipe_file = Path(folder) / "proof.toml"
        recipe_file.write_text(to_toml(short), encoding="utf-8")
        undisturbed, broken = RunFolder(Path(folder) / "undisturbed"), RunFolder(Path(folder) / "broken")
        say(f"Training on a few images, {short.epochs} epochs of steps of {short.batch_size}, undisturbed.")
        _finish(undisturbed, recipe_file)
        say("The same again, killed (SIGKILL) inside the first epoch and after it, and resumed each time.")
        kills = [
            _kill(broken, lambda: (broken.path / schema.checkpoint("last")).is_dir(), recipe_file),
            _kill(broken, lambda: bool(broken.read_lines(schema.JOURNAL)), "--resume"),
        ]
        _finish(broken, "--resume")
        names, different = compare_files(undisturbed.path, broken.path)
    return ResumeProof(not different, different, len(names), tuple(kill for kill in kills if kill))


def shorten(settings: Settings) -> Settings:
    """The same training on few images, with a checkpoint after every step."""
    batch_size = min(max(settings.batch_size, 0) or BATCH, max(BATCH, 2 * settings.optim.accumulate))
    is_cuda = Machine.resolve(settings.machine).device.type == "cuda"  # whose numbers are not the same twice otherwise
    return dataclasses.replace(
        settings,
        epochs=2,
        batch_size=batch_size,
        batch_size_per_device=0,
        budget=BudgetSettings(),
        data=dataclasses.replace(settings.data, limit=batch_size * 7 // 2),  # four steps, the last one short
        checkpoint=dataclasses.replace(settings.checkpoint, every=1, minutes=0, patience=0),
        machine=dataclasses.replace(settings.machine, deterministic=is_cuda),
    )


def compare_files(folder: Path, other: Path) -> tuple[list[str], list[str]]:
    """(all files of two run folders that should be the same, those that differ or that one of them lacks)."""
    found = [
        {path.relative_to(each).as_posix() for path in each.rglob("*") if path.is_file()} for each in (folder, other)
    ]
    names = sorted((found[0] | found[1]) - NOT_COMPARED)
    different = [
        name
        for name in names
        if not (name in found[0] & found[1] and (folder / name).read_bytes() == (other / name).read_bytes())
    ]
    return names, different


def _start(run: RunFolder, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "finesight", "train", *map(str, arguments), "--out", str(run.path)]
    try:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    except OSError as error:
        raise FinesightError(f"The training process could not be started: {error}.") from None


def _finish(run: RunFolder, *arguments: object) -> None:
    process = _start(run, *arguments)
    _, said = process.communicate()
    _check(process, said)


def _kill(run: RunFolder, is_time: Callable[[], bool], *arguments: object) -> Kill | None:
    """Trains until it is time and a moment more, then kills. Returns the place it goes back to; None if it was done."""
    process = _start(run, *arguments)
    while process.poll() is None and not is_time():
        time.sleep(0.01)
    time.sleep(random.uniform(0, LARGEST_DELAY_S))
    process.kill()
    _, said = process.communicate()
    if process.returncode >= 0:
        _check(process, said)
        return None
    values = Training.load(run).values
    say(f"Killed; the last checkpoint is of epoch {values['epoch']}, step {values['step']}.")
    return Kill(values["epoch"], values["step"])


def _check(process: "subprocess.Popen[str]", said: str) -> None:
    if process.returncode:
        reason = said.partition("Error: ")[2] or said
        raise FinesightError(f"The training failed, so resuming was not checked: {reason.strip()}")
