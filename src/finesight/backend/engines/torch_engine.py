"""The model as it trains, in torch."""

from torch import Tensor

from finesight.backend.device import Machine
from finesight.models.contract import Model


class TorchEngine:
    def __init__(self, model: Model, machine: Machine, is_final: bool = False) -> None:
        self._model = model
        self._machine = machine

    def logits(self, images: Tensor) -> Tensor:
        with self._machine.autocast():
            logits: Tensor = self._model(images)
        return logits

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with self._machine.autocast():
            return self._model.forward_with_features(images)
