"""Predictions of a classifier: a CSV file of classes and probabilities."""

from collections.abc import Mapping

import numpy as np

from finesight.errors import ConfigError, RunError
from finesight.inference.continuation import identify
from finesight.inference.prediction_table import check_table, predict_table
from finesight.metrics.confidence import predict_classes
from finesight.progress import say
from finesight.run.calibration import Calibration
from finesight.run.folder import RunFolder
from finesight.run.results import Unreadable
from finesight.tasks.prediction import Prediction, PredictRequest

COLUMNS = ("filename", "label", "probability")


class ClassPrediction(Prediction):
    refused_options: Mapping[str, str] = {"index": "", "overlay": ""}

    def write(self, request: PredictRequest) -> Unreadable:
        """The class of every image, in file-name order."""
        run, options, network = request.run, request.options, request.network
        header = tuple(options.header or COLUMNS)
        if len(header) not in (2, 3) or not all(header):
            raise ConfigError("The header names two or three columns: file, label and, if wanted, probability.")
        check_table(request.out)
        classes = run.read_classes()
        labels = dict(enumerate(classes.ids if options.ids else classes.names))  # a list would take a damaged row's -1
        temperature = read_temperature(run, network.uses_tta) if options.calibrated else 1.0

        def decide(logits: np.ndarray) -> list[tuple[int, float]]:
            best, confidence = predict_classes(logits, temperature)
            return list(zip(best.tolist(), confidence.tolist(), strict=True))

        def describe(prediction: tuple[int, float]) -> tuple[str, str]:
            index, probability = prediction
            return labels[index], f"{probability:.6f}"

        identity = identify(run, request.images, engine=network.engine_name, temperature=temperature, tta=options.tta)
        return predict_table(network, request.items, request.out, header, identity, decide, describe)


def read_temperature(run: RunFolder, tta: bool) -> float:
    """By which logits are divided to be calibrated, with tta the logarithms of mean probabilities. Raises RunError.

    1, and said so, where the run has no temperature to offer.
    """
    found = Calibration.load(run, tta)
    if found is None:
        command = f"finesight evaluate {run.path}{' --tta' * tta}"
        raise RunError(f"{run.path} is not calibrated yet{' with --tta' * tta}: `{command}` does that.")
    if found.why_not:
        say(f"Note: probabilities are not calibrated, as the run has no usable temperature: {found.why_not}.")
    return found.usable
