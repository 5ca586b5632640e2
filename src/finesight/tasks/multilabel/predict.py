"""Predictions of several labels per image: a CSV file of labels and their probabilities."""

from collections.abc import Mapping

import numpy as np

from finesight.errors import ConfigError
from finesight.inference.continuation import identify
from finesight.inference.prediction_table import check_table, predict_table
from finesight.metrics.confidence import sigmoid
from finesight.run.results import Unreadable
from finesight.tasks.multilabel.decisions import decide_labels, read_thresholds
from finesight.tasks.multilabel.label_sets import SEPARATOR
from finesight.tasks.prediction import Prediction, PredictRequest

COLUMNS = ("filename", "labels", "probabilities")
UNCALIBRATED = "Labels are decided by thresholds on the probabilities as they are."


class LabelPrediction(Prediction):
    refused_options: Mapping[str, str] = {"index": "", "overlay": "", "calibrated": UNCALIBRATED}

    def write(self, request: PredictRequest) -> Unreadable:
        """The labels of every image, in file-name order, those of `evaluate`; without a label the cells are empty."""
        run, options, network = request.run, request.options, request.network
        header = tuple(options.header or COLUMNS)
        if len(header) not in (2, 3) or not all(header):
            raise ConfigError("The header names two or three columns: file, labels and, if wanted, probabilities.")
        check_table(request.out)
        classes = run.read_classes()
        names, thresholds = classes.ids if options.ids else classes.names, read_thresholds(run, classes)

        def decide(logits: np.ndarray) -> list[dict[str, float]]:
            flags, probabilities = decide_labels(logits, thresholds).tolist(), sigmoid(logits).tolist()
            return [
                {str(c): row[c] for c, is_set in enumerate(chosen) if is_set}
                for chosen, row in zip(flags, probabilities, strict=True)
            ]

        def describe(prediction: dict[str, float]) -> tuple[str, str]:
            labels = SEPARATOR.join(names[int(c)] for c in prediction)
            return labels, SEPARATOR.join(f"{probability:.6f}" for probability in prediction.values())

        used = [] if thresholds is None else [round(value, 6) for value in thresholds.tolist()]
        identity = identify(run, request.images, engine=network.engine_name, thresholds=used, tta=options.tta)
        return predict_table(network, request.items, request.out, header, identity, decide, describe)
