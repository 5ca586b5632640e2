"""Predictions of several labels per image: a CSV file of labels and their probabilities."""

from torch import Tensor

from finesight.errors import ConfigError
from finesight.inference.continuation import identify
from finesight.inference.prediction_table import check_table, predict_table
from finesight.run.results import Unreadable
from finesight.tasks.contract import PredictRequest
from finesight.tasks.multilabel.decision_metrics import predict_labels
from finesight.tasks.multilabel.label_sets import SEPARATOR
from finesight.tasks.multilabel.thresholds import read_thresholds

COLUMNS = ("filename", "labels", "probabilities")


def predict(request: PredictRequest) -> Unreadable:
    """The labels of every image, in file-name order, those of `evaluate`; without a label the cells are empty."""
    run, options = request.run, request.options
    header = tuple(options.header or COLUMNS)
    if len(header) not in (2, 3) or not all(header):
        raise ConfigError("The header names two or three columns: file, labels and, if wanted, probabilities.")
    check_table(request.out)
    classes = run.read_classes()
    names, thresholds = classes.ids if options.ids else classes.names, read_thresholds(run, classes)

    def decide(logits: Tensor) -> list[dict[str, float]]:
        flags, probabilities = predict_labels(logits, thresholds).tolist(), logits.sigmoid().tolist()
        return [
            {str(c): row[c] for c, is_set in enumerate(chosen) if is_set}
            for chosen, row in zip(flags, probabilities, strict=True)
        ]

    def describe(prediction: dict[str, float]) -> tuple[str, str]:
        labels = SEPARATOR.join(names[int(c)] for c in prediction)
        return labels, SEPARATOR.join(f"{probability:.6f}" for probability in prediction.values())

    used = [] if thresholds is None else [round(value, 6) for value in thresholds.tolist()]
    identity = identify(run, request.images, engine=request.predictor.machine.engine, thresholds=used, tta=options.tta)
    return predict_table(request.predictor, request.items, request.out, header, identity, decide, describe)
