"""Predict: a folder of images in; out comes what the run's task writes, a CSV file of classes or a folder of masks."""

from collections.abc import Sequence
from pathlib import Path

from finesight.data.images.reading_notes import say_reading
from finesight.errors import ConfigError
from finesight.inference.continuation import refuse_nothing
from finesight.inference.kept_network import open_kept_network
from finesight.inference.network import Network
from finesight.run.folder import RunFolder
from finesight.run.results import Predicted
from finesight.tasks import find_prediction
from finesight.tasks.prediction import Prediction, PredictOptions, PredictRequest


def predict(
    run: str | Path,
    images: str | Path,
    *,
    out: str | Path = "",
    header: Sequence[str] = (),
    ids: bool = False,
    index: bool = False,
    overlay: str | Path = "",
    tta: bool = False,
    calibrated: bool = False,
    engine: str = "auto",
) -> Predicted:
    """Predicts every image under a folder: classes into a CSV file, or masks into a folder, as the run was trained for.

    Predictions are kept as they are made: called again after a stop it goes on, with any number of ranks.
    out: the CSV file (`predictions.csv`), or the folder (`masks`), whose masks have their images' sizes and names.
    engine: `torch`, `openvino`, or `auto`, that of the run's validation figures.
    tta: test-time augmentation, the mean over the flips and rotations of training; two to eight times as slow.

    Of classes: header: names of the file, label and (if three are given) probability columns. ids: class ids, not
    names. calibrated: probabilities after temperature scaling, with the temperature of calibration.json, or with tta
    of calibration_tta.json; labels stay what they are.
    For masks: index: grey masks of class values as in the run's own masks, not colours. overlay: folder for images
    under their masks.

    Raises ConfigError for an option that the run's task does not have.
    """
    folder = RunFolder.open(run)
    prediction = find_prediction(folder)
    options = PredictOptions(out, header, ids, index, overlay, tta, calibrated)
    _refuse_options(folder, prediction, options)
    items = prediction.list_inputs(images)
    network = _open_network(folder, tta, engine)
    say_reading(items, folder.read_model().preprocessing)
    where = Path(out or prediction.default_out)
    unreadable = prediction.write(PredictRequest(folder, network, images, items, where, options))
    refuse_nothing(images, items, unreadable)
    return Predicted(where, len(items) - len(unreadable), unreadable)


def _open_network(folder: RunFolder, tta: bool, engine: str) -> Network:
    """A kept graph starts in a fraction of the time that torch takes to be imported."""
    if not tta and (kept := open_kept_network(folder, engine)):
        return kept
    from finesight.inference.engine_choice import choose_engine
    from finesight.inference.predictor import Predictor
    from finesight.inference.restore import restore_model
    from finesight.tasks import find_task

    model, settings = restore_model(folder), folder.read_settings()
    return choose_engine(folder, Predictor.here(model, settings, tta, find_task(folder).link), engine)


def _refuse_options(folder: RunFolder, prediction: Prediction, options: PredictOptions) -> None:
    for name, why in prediction.refused_options.items():
        if getattr(options, name) != getattr(PredictOptions(), name):
            reason = f" {why}" if why else ""
            task = folder.read_model().task
            raise ConfigError(f"Option {name!r} has no meaning for a run of {task}.{reason}")
