"""What computes a trained network. A table row and a file each; torch trains, whatever predicts.

An engine is imported when it is started: to name one needs no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from finesight.errors import ConfigError

if TYPE_CHECKING:
    from finesight.backend.device import Machine
    from finesight.backend.engines.contract import Engine
    from finesight.models.contract import Model


@dataclass(frozen=True)
class EngineEntry:
    """package: that it needs; the extra that installs it has the engine's name. devices: types that it computes on."""

    start: Callable[["Model", "Machine", bool], "Engine"]  # bool: whether the weights are final
    package: str
    devices: tuple[str, ...]


def _start_torch(model: "Model", machine: "Machine", is_final: bool) -> "Engine":
    from finesight.backend.engines.torch_engine import TorchEngine

    return TorchEngine(model, machine, is_final)


def _start_openvino(model: "Model", machine: "Machine", is_final: bool) -> "Engine":
    from finesight.backend.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(model, machine, is_final)


ENGINES = {
    "torch": EngineEntry(_start_torch, "torch", ("cpu", "cuda", "mps")),
    "openvino": EngineEntry(_start_openvino, "openvino", ("cpu",)),
}


def why_not(name: str, device: str) -> str:
    """Why an engine cannot be used here, as the end of a sentence; "" where it can. device: its type."""
    entry = ENGINES[name]
    if find_spec(entry.package) is None:
        return f"is not installed: pip install 'finesight[{name}]'"
    if device not in entry.devices:
        return f"computes on {' or '.join(entry.devices)}, not on {device}"
    return ""


def check_engine(name: str, device: str) -> None:
    """Raises ConfigError for an engine that cannot be used here."""
    if name not in ENGINES:
        raise ConfigError(f"Unknown engine {name!r}: there are {', '.join(ENGINES)}.")
    if reason := why_not(name, device):
        raise ConfigError(f"Engine {name} {reason}. Or choose --engine torch.")
