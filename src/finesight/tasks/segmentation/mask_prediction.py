"""Predictions of a segmenter: a folder of masks."""

from collections.abc import Mapping
from pathlib import Path

from finesight.data.formats import list_unmasked
from finesight.data.sample import Item
from finesight.run.results import Unreadable
from finesight.tasks.prediction import Prediction, PredictRequest


class MaskPrediction(Prediction):
    default_out = "masks"
    refused_options: Mapping[str, str] = {
        "header": "",
        "ids": "",
        "calibrated": "Calibration changes confidence, never which class is the most likely, and masks hold classes "
        "only.",
    }

    def list_inputs(self, images: str | Path) -> list[Item]:
        """Without the masks that lie beside the images."""
        return list_unmasked(images)

    def write(self, request: PredictRequest) -> Unreadable:
        from finesight.tasks.segmentation.predict import predict

        return predict(request)
