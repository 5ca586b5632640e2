"""torch computes the model: on a processor a copy with folded normalisations and weights of the machine's precision."""

import copy

import torch
from torch import Tensor, nn

from finesight.backend.device import Machine
from finesight.backend.folding import fold_norms
from finesight.backend.workarounds import remove_workarounds
from finesight.models.contract import Model


class TorchEngine:
    normalises = False

    def __init__(self, model: Model, machine: Machine, is_final: bool = False, as_trained: bool = False) -> None:
        """is_final: of no use here. as_trained: the model itself, to the bit what a training step computes."""
        self._machine = machine
        self._model = model
        self._is_made = as_trained or machine.device.type != "cpu"
        self._num_folded = 0

    def logits(self, images: Tensor) -> Tensor:
        self._make(images)
        with self._machine.autocast():
            logits: Tensor = self._model(images)
        return logits

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self._make(images)
        with self._machine.autocast():
            return self._model.forward_with_features(images)

    def describe(self) -> dict[str, object]:
        return {"folded_norms": self._num_folded}

    def _make(self, images: Tensor) -> None:
        """On the first images: a third faster than the model as it trains, and no farther from float32."""
        if self._is_made:
            return
        self._is_made = True
        model = copy.deepcopy(self._model).eval()
        remove_workarounds(model.network)
        with torch.inference_mode():
            self._num_folded = fold_norms(model.network, lambda: model(images[:1]))
        self._machine.place(model.network)
        if self._machine.precision == "bf16":
            for module in model.network.modules():
                if isinstance(module, nn.Conv2d | nn.Linear) and "forward" not in vars(module):  # no workaround
                    module.bfloat16()
        self._model = model
