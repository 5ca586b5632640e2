"""Predict: a folder of images in, a CSV file of classes out, or a folder of masks."""

import inspect
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from finesight import distributed
from finesight.app.continuation import (
    Rows,
    Unreadable,
    claim,
    divide,
    gather_unreadable,
    identify,
    refuse_nothing,
    stopped,
)
from finesight.app.predict_masks import predict_masks
from finesight.app.preparation import say_reading
from finesight.backend.interrupt import StopRequest
from finesight.data.formats import list_images
from finesight.data.image_stream import stream_images
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.sample import Item
from finesight.errors import ConfigError, RunError, blame_files
from finesight.inference.predictor import Predictor, evaluation_batch
from finesight.inference.restore import restore_model
from finesight.metrics.calibration import Calibration
from finesight.progress import progress_bar, say
from finesight.run.files import write_csv
from finesight.run.folder import RunFolder
from finesight.tasks import find_task

WHY_NOT = {
    ("segmentation", "calibrated"): " Calibration changes how sure an answer is, never which class is the most likely, "
    "and masks hold classes only."
}
COLUMNS = ("filename", "label", "probability")


def predict(run: str | Path, images: str | Path, **options: Any) -> dict[str, Any]:
    """Answers for every image under a folder: `predict_labels`, or `predict_masks`, as the run was trained for.

    options: of that function. Raises ConfigError for one that it does not have.
    """
    folder = RunFolder.open(run)
    task = find_task(folder).name
    predict_task = PREDICTORS[task]
    for name in options.keys() - inspect.signature(predict_task).parameters.keys():
        raise ConfigError(f"Option {name!r} has no meaning for a run of {task}.{WHY_NOT.get((task, name), '')}")
    return predict_task(run, images, **options)


def predict_labels(
    run: str | Path,
    images: str | Path,
    *,
    out: str | Path = "predictions.csv",
    header: Sequence[str] = COLUMNS,
    ids: bool = False,
    tta: bool = False,
    calibrated: bool = False,
) -> dict[str, Any]:
    """Classifies every image under a folder, in file-name order, and writes a CSV file.

    Answers are kept as they are made: called again after a stop it goes on, with any number of ranks.
    header: names of the file, label and (if three are given) probability columns. ids: class ids, not names.
    tta: mean over the flips and turns of training, two to eight times as slow.
    calibrated: probabilities after temperature scaling, with the temperature of calibration.json, or with tta of
    calibration_tta.json; labels stay what they are.
    Returns `out`, `num_samples` and `unreadable`: the images that could not be read, as [key, reason].
    """
    if len(header) not in (2, 3) or not all(header):
        raise ConfigError("The header names two or three columns: file, label and, if wanted, probability.")
    out = Path(out)
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name the CSV file to write, e.g. --out {out / 'predictions.csv'}.")
    if out.suffix.lower() in IMAGE_SUFFIXES:
        raise ConfigError(f"{out} is called like an image; --out names the CSV file to write.")
    folder = RunFolder.open(run)
    settings, model, classes = folder.read_settings(), restore_model(folder), folder.read_classes()
    labels = dict(enumerate(classes.ids if ids else classes.names))  # a list would take a damaged row's -1
    predictor = Predictor.here(model, settings, tta)
    temperature = read_temperature(folder, tta=len(predictor.augmentations) > 1) if calibrated else 1.0
    items = list_images(images)
    say_reading(items, model.preprocessing)
    rows = Rows(out.with_name(f".{out.name}.rows"))

    def find_done() -> set[str]:
        claim(rows.folder, identify(folder, images, temperature=temperature, tta=tta))
        return {key for key, (is_current, _) in rows.read(items).items() if is_current}

    unreadable: Unreadable = []
    try:
        left = divide(items, distributed.broadcast_result(find_done))
        with StopRequest() as stop, rows.open() as file:
            for batch in predict_items(predictor, left, unreadable, temperature):
                rows.write(file, batch)
                if stop.signal:
                    raise stopped(stop.signal)
        unreadable = gather_unreadable(unreadable, items)
        if distributed.is_main():
            answers = rows.read(items)
            with blame_files(rows.folder):
                told = [(item.key, *answers[item.key][1]) for item in items if item.key in answers]
                table = [(key, labels[index], f"{share:.6f}") for key, index, share in told]
            if table:
                write_csv(out, header, (row[: len(header)] for row in table))
            shutil.rmtree(rows.folder)
        distributed.barrier()
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    refuse_nothing(images, items, unreadable)
    return {"out": str(out), "num_samples": len(items) - len(unreadable), "unreadable": unreadable}


def read_temperature(run: RunFolder, tta: bool) -> float:
    """By which logits are divided to be calibrated, with tta the logarithms of mean probabilities. Raises RunError.

    1, and said so, where the run has no temperature to offer.
    """
    found = Calibration.load(run, tta)
    if found is None:
        command = f"finesight evaluate {run.path}{' --tta' * tta}"
        raise RunError(f"{run.path} is not calibrated yet{' with --tta' * tta}: `{command}` does that.")
    if found.why_not:
        say(f"Note: probabilities are not scaled, for the run has no temperature to offer: {found.why_not}.")
    return found.usable


def predict_items(
    predictor: Predictor, items: Sequence[Item], unreadable: Unreadable, temperature: float = 1.0
) -> Iterator[list[tuple[Item, tuple[int, float]]]]:
    """Batches of (item, (class index, probability)) in order; what cannot be read is added to `unreadable`."""
    preprocessing, batch_size = predictor.model.preprocessing, evaluation_batch(predictor.settings)
    batches = stream_images(items, preprocessing, batch_size, distributed.num_cores())
    with torch.inference_mode(), progress_bar("Predicting", len(items), "images") as bar:
        for batch in batches:
            unreadable += [(item.key, reason) for item, reason in batch.bad]
            bar.advance(len(batch.items) + len(batch.bad))
            if not batch.items:
                continue
            images = torch.from_numpy(batch.pixels).permute(0, 3, 1, 2)
            logits = predictor.logits(images).float().cpu()
            confidence, best = (logits / temperature).softmax(1).max(1)
            yield list(zip(batch.items, zip(best.tolist(), confidence.tolist(), strict=True), strict=True))


PREDICTORS: dict[str, Callable[..., dict[str, Any]]] = {"classification": predict_labels, "segmentation": predict_masks}
