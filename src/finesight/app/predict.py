"""Predict: a folder of pictures in, a CSV file of classes out, or a folder of masks."""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finesight.app.predict_masks import predict_masks
from finesight.config import Settings
from finesight.data.formats import list_pictures
from finesight.data.pictures import PICTURE_SUFFIXES
from finesight.data.sample import Item
from finesight.data.stream import stream_pictures
from finesight.data.transforms import prepare
from finesight.engine.device import Machine
from finesight.engine.loop import evaluation_batch
from finesight.engine.restore import restore_model
from finesight.errors import ConfigError, DataError, RunError
from finesight.metrics.calibration import Calibration
from finesight.models.contract import Model
from finesight.progress import progress_bar
from finesight.run import RunFolder, write_rows

WHY_NOT = {
    ("segmentation", "calibrated"): " Calibration changes how sure an answer is, never which class is the most likely, "
    "and masks hold classes only."
}
COLUMNS = ("filename", "label", "probability")


@dataclass(frozen=True)
class Prediction:
    """key: the picture's file name under the folder that was read. label: its class. probability: the softmax's."""

    key: str
    label: str
    probability: float


def predict(run: str | Path, pictures: str | Path, **options: Any) -> dict[str, Any]:
    """Answers for every picture under a folder: `predict_labels`, or `predict_masks`, as the run was trained for.

    options: of that function. Raises ConfigError for one that it does not have.
    """
    folder = RunFolder.open(run)
    task = folder.read_json("model.json").get("task")
    if task not in PREDICTORS:
        raise RunError(f"{folder.path / 'model.json'} is damaged: it names no task.")
    answer = PREDICTORS[task]
    for name in options.keys() - inspect.signature(answer).parameters.keys():
        raise ConfigError(f"Option {name!r} has no meaning for a run of {task}.{WHY_NOT.get((task, name), '')}")
    return answer(run, pictures, **options)


def predict_labels(
    run: str | Path,
    pictures: str | Path,
    *,
    out: str | Path = "predictions.csv",
    header: Sequence[str] = COLUMNS,
    ids: bool = False,
    calibrated: bool = False,
) -> dict[str, Any]:
    """Classifies every picture under a folder, in file-name order, and writes a CSV file.

    header: names of the file, label and (if three are given) probability columns. ids: class ids, not names.
    calibrated: probabilities after the temperature scaling of the run's calibration.json; labels stay what they are.
    Returns `out`, `num_samples` and `unreadable`: the pictures that could not be read, as [key, reason].
    """
    if len(header) not in (2, 3) or not all(header):
        raise ConfigError("The header names two or three columns: file, label and, if wanted, probability.")
    out = Path(out)
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name the CSV file to write, e.g. --out {out / 'predictions.csv'}.")
    if out.suffix.lower() in PICTURE_SUFFIXES:
        raise ConfigError(f"{out} is called like a picture; --out names the CSV file to write.")
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    labels = classes.ids if ids else classes.names
    temperature = read_temperature(folder) if calibrated else 1.0
    items = list_pictures(pictures)
    unreadable: list[tuple[str, str]] = []
    predictions = predict_items(model, settings, labels, items, unreadable, temperature)
    rows = ((each.key, each.label, f"{each.probability:.6f}")[: len(header)] for each in predictions)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            write_rows(file, [header])
            num_samples = write_rows(file, rows)
        if not num_samples:
            key, reason = unreadable[0]
            raise DataError(f"None of the {len(items)} pictures under {pictures} could be read: {key!r} {reason}.")
        beside.replace(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    finally:
        with suppress(OSError):
            beside.unlink()
    return {"out": str(out), "num_samples": num_samples, "unreadable": unreadable}


def read_temperature(run: RunFolder) -> float:
    """By which the run's logits are divided to be calibrated. Raises RunError."""
    found = Calibration.load(run)
    if found is None:
        raise RunError(f"{run.path} is not calibrated yet: `finesight evaluate {run.path}` does that.")
    return found.temperature


def predict_items(
    model: Model,
    settings: Settings,
    labels: Sequence[str],
    items: Sequence[Item],
    unreadable: list[tuple[str, str]],
    temperature: float = 1.0,
) -> Iterator[Prediction]:
    """Predictions in the order of items, as they are made; those that cannot be read are added to `unreadable`."""
    machine = Machine.resolve_here(settings.machine)
    machine.place(model.network)
    batches = stream_pictures(items, model.preprocessing, evaluation_batch(settings), os.cpu_count() or 1)
    with torch.inference_mode(), progress_bar("Predicting", len(items), "images") as bar:
        for batch in batches:
            unreadable += [(item.key, reason) for item, reason in batch.bad]
            bar.advance(len(batch.items) + len(batch.bad))
            if not batch.items:
                continue
            images = torch.from_numpy(batch.pixels).permute(0, 3, 1, 2).to(machine.device)
            with machine.autocast():
                logits = model(prepare(images, model.preprocessing))
            confidence, best = (logits.float() / temperature).softmax(1).max(1)
            for item, index, share in zip(batch.items, best.tolist(), confidence.tolist(), strict=True):
                yield Prediction(item.key, labels[index], share)


PREDICTORS: dict[str, Callable[..., dict[str, Any]]] = {"classification": predict_labels, "segmentation": predict_masks}
