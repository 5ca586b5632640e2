"""Frozen means frozen: which layers are frozen in which epoch, and the ledger that proves it."""

import hashlib
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from finesight.config import ModelSettings, OptimSettings
from finesight.errors import ConfigError, FinesightError
from finesight.models.contract import Model
from finesight.run.journal import LayerState, LedgerEntry


class FrozenLayerMoved(FinesightError):
    """A weight or buffer of a frozen layer changed: a defect, never the user's fault."""


@dataclass(frozen=True)
class FreezeStep:
    """From `first_epoch` (from 1) everything before `layer` is frozen: `modules`, which own weights or buffers."""

    first_epoch: int
    layer: str
    modules: tuple[str, ...]


@dataclass(frozen=True)
class FreezePlan:
    """What is frozen when, as a function of the epoch alone: resuming cannot disagree with it."""

    steps: tuple[FreezeStep, ...]
    frozen_norm: str  # fixed | tracking

    @classmethod
    def from_settings(cls, model: Model, settings: ModelSettings, optim: OptimSettings) -> "FreezePlan":
        """Checks every named layer now, not in the epoch that unfreezes it. Raises ModelError, ConfigError."""
        named = ((1, settings.freeze_before), *optim.unfreeze)
        steps = [FreezeStep(epoch, layer, model.modules_before(layer) if layer else ()) for epoch, layer in named]
        for earlier, later in itertools.pairwise(steps):
            if later.first_epoch <= max(earlier.first_epoch, 1):
                raise ConfigError("Invalid optim.unfreeze: its epochs must rise, from 2 on.")
            if not set(later.modules) <= set(earlier.modules):
                raise ConfigError(
                    f"Invalid optim.unfreeze: from epoch {later.first_epoch} it would freeze everything before "
                    f"{later.layer!r}. Each layer must lie before the one named earlier."
                )
        return cls(tuple(steps), settings.frozen_norm)

    def at(self, epoch: int) -> FreezeStep:
        return [step for step in self.steps if step.first_epoch <= epoch][-1]

    def apply(self, model: Model, epoch: int) -> None:
        """Puts the network into training mode with this epoch's layers frozen. Call it after every `eval()`."""
        model.train()
        frozen = set(self.at(epoch).modules)
        for name, module in model.network.named_modules():
            held = name in frozen
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(not held and not is_never_trained(parameter))
            if held and self.frozen_norm == "fixed" and isinstance(module, _NormBase):
                module.eval()


def is_never_trained(parameter: nn.Parameter) -> bool:
    """Constants that a network keeps as weights (fixed bilinear upsampling) are marked by the network."""
    return bool(getattr(parameter, "never_trained", False))


class FreezeLedger:
    """State, learning rate and hash of every layer, an entry an epoch."""

    def __init__(self, plan: FreezePlan) -> None:
        self.plan = plan
        self._hashes: dict[str, str] = {}  # of what was frozen when last looked at

    def watch(self, model: Model, epoch: int) -> None:
        """Remembers the hashes of the frozen layers before an epoch."""
        self._hashes = {name: self._hash(model, name) for name in self.plan.at(epoch).modules}

    def check(self, model: Model, epoch: int, rates: dict[str, float]) -> LedgerEntry:
        """The epoch's entry. rates: learning rate of each module. Raises FrozenLayerMoved."""
        moved = [name for name, before in self._hashes.items() if self._hash(model, name) != before]
        if moved:
            raise FrozenLayerMoved(
                f"Frozen layers changed in epoch {epoch}: {', '.join(moved[:5])}. This is a defect of finesight or of "
                "a custom network; the checkpoint of the previous epoch is intact."
            )
        layers = (
            LayerState(
                name,
                state="frozen" if name in self._hashes else "tuned",
                lr=0.0 if name in self._hashes else rates.get(name, 0.0),
                norm=("tracking" if module.training else "fixed") if isinstance(module, _NormBase) else None,
                hash=self._hashes.get(name),
            )
            for name, module in model.network.named_modules()
            if any(True for _ in module.parameters(recurse=False))
        )
        return LedgerEntry(epoch, self.plan.at(epoch).layer, tuple(layers))

    def _hash(self, model: Model, name: str) -> str:
        module = model.network.get_submodule(name)
        tensors: list[Tensor] = list(module.parameters(recurse=False))
        if self.plan.frozen_norm == "fixed" or not isinstance(module, _NormBase):
            tensors += module.buffers(recurse=False)
        return hash_tensors(tensors)


def hash_tensors(tensors: list[Tensor]) -> str:
    """BLAKE2b over the bytes of tensors, 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
