"""The accelerator: which device, which precision, which memory layout. The only file that asks."""

import os
import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal

import torch
from torch import nn

from finesight import distributed
from finesight.backend.freed_memory import keep_freed_memory
from finesight.backend.processor import name_processor
from finesight.backend.workarounds import TRAINING_ONLY, apply_workarounds, list_needed
from finesight.config import MachineSettings
from finesight.cores import count_cores
from finesight.errors import ConfigError
from finesight.progress import say


@dataclass(frozen=True)
class Machine:
    """Where and how a network runs, resolved: nothing in here is `auto`."""

    device: torch.device
    precision: Literal["bf16", "fp32"]
    channels_last: bool
    workarounds: tuple[str, ...] = ()  # names of WORKAROUNDS
    engine: str = "torch"  # of predictions, a name of ENGINES

    @classmethod
    def resolve(cls, settings: MachineSettings, to_train: bool = False) -> "Machine":
        """The fast path of this machine for what is `auto`. Raises ConfigError for a device that is not there.

        Several ranks on a machine take a GPU each, or divide its cores. to_train: on CUDA the fastest convolutions are
        found by trying them; predictions take cuDNN's own choice, which is the same in every process. On a CPU with
        workarounds that only training needs; torch.compile and synchronised norms go without those.
        """
        _set_threads(settings.threads)
        name = settings.device if settings.device != "auto" else _best_device()
        if settings.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS looks once, before its first use
        try:
            device = torch.device(name)
            if distributed.world_size() > 1 and device.type == "cuda":
                device = torch.device("cuda", distributed.local_rank())
                torch.cuda.set_device(device)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"Device {name!r} cannot be used here: {reason}. Set machine.device = cpu.") from None
        if device.type == "cpu":
            keep_freed_memory()
        elif settings.deterministic:
            _make_deterministic(device)
        if device.type == "cuda":
            _set_up_cudnn(tries_all=to_train and not settings.deterministic)
        fastest: Literal["bf16", "fp32"] = "bf16" if computes_bf16(device) else "fp32"
        precision = fastest if settings.precision == "auto" else settings.precision
        is_plain = to_train and not (settings.compile or settings.sync_norm)
        needed = list_needed(precision, is_plain) if device.type == "cpu" and settings.workarounds else ()
        return cls(device, precision, settings.channels_last, needed)

    @property
    def name(self) -> str:
        """What machine.device is set to for this one; of several ranks each has its own GPU."""
        return str(self.device) if distributed.world_size() == 1 else self.device.type

    @classmethod
    def resolve_here(cls, settings: MachineSettings) -> "Machine":
        """As `resolve`, or the fast path of this machine where a run was trained on a device that is not here."""
        try:
            return cls.resolve(settings)
        except ConfigError:
            machine = cls.resolve(replace(settings, device="auto", precision="auto"))
        say(f"Note: the run was trained on {settings.device!r}, which is not available here; using {machine.device}.")
        return machine

    def as_begun(self, recorded: Sequence[str]) -> "Machine":
        """With those workarounds for training only that a run was begun with. Says which of them is missing here."""
        if missing := [name for name in TRAINING_ONLY if name in recorded and name not in self.workarounds]:
            say(
                f"Note: the run was begun with {', '.join(missing)}, which cannot be used here. It goes on without: "
                "its weights will differ a little from those of a run without interruption."
            )
        kept = (name for name in self.workarounds if name in recorded or name not in TRAINING_ONLY)
        return replace(self, workarounds=tuple(kept))

    def place(self, network: nn.Module) -> nn.Module:
        """Moves a network here, in this layout, in place."""
        network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        apply_workarounds(network, self.workarounds)
        return network

    def autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def describe(self) -> dict[str, object]:
        """For environment.json: what numbers measured here depend on."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else name_processor()
        return {
            "device": str(self.device),
            "device_name": name,
            "precision": self.precision,
            "deterministic": self.device.type == "cpu" or torch.are_deterministic_algorithms_enabled(),
            "tf32": self.device.type == "cuda" and torch.backends.cudnn.allow_tf32,
            "channels_last": self.channels_last,
            "engine": self.engine,
            "workarounds": list(self.workarounds),
            "threads": torch.get_num_threads(),
            "cores": count_cores(),
            "ranks": distributed.world_size(),
            "platform": platform.platform(),
        }


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32 here, not only possible."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        from torch import cpu

        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public question for it
        return any(getattr(cpu, check)() for check in checks if hasattr(cpu, check))
    return False


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() and distributed.world_size() == 1 else "cpu"


def describe_arithmetic() -> str:
    """What float32 logits depend on down to the last bit, in one line. Workarounds do not change them."""
    from torch.backends import cpu

    packages = (f"{name} {version(name)}" for name in ("finesight", "torch", "torchvision", "timm"))
    options = (f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(("MKL_", "ONEDNN_")))
    machine = (platform.platform(), name_processor(), cpu.get_cpu_capability(), f"{torch.get_num_threads()} threads")
    return ", ".join((*machine, *packages, *options))


def _make_deterministic(device: torch.device) -> None:
    """From here on torch computes the same twice, or raises RuntimeError for what it only knows another way."""
    if device.type != "cuda":
        raise ConfigError(f"machine.deterministic is for cuda; {device.type} has no such mode. Set it to false.")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # a property of a module


def _set_up_cudnn(tries_all: bool) -> None:
    """tries_all: times every algorithm at each new shape; its choice then depends on what else runs.

    TF32 is off, as float32 means float32: torch's default computes convolutions in TF32, which keeps 10 of 23 bits. In
    bf16 it would gain nothing: what autocast leaves in float32 are losses, statistics and places of pixels.
    """
    torch.backends.cudnn.benchmark = tries_all
    torch.backends.cudnn.allow_tf32 = False


def compile_network(network: nn.Module, device: torch.device) -> None:
    """torch.compile, in place. On CUDA with graphs: a pass is one launch in the place of hundreds.

    dynamic=False: each shape has its own graph, of which a training has few; else the second one makes slower kernels.
    """
    if device.type == "cuda":
        network.compile(mode="reduce-overhead", dynamic=False)
    else:
        network.compile()


def allocate_gradients(network: nn.Module) -> None:
    """Zeros for the gradients that are to be summed over the passes of a compiled network.

    A CUDA graph owns the gradients that it makes, and its next pass overwrites them.
    """
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def most_precise(device: torch.device) -> torch.dtype:
    """float64, or float32 on devices that lack it, such as MPS."""
    return torch.float64 if device.type in ("cpu", "cuda") else torch.float32


def _set_threads(wanted: int) -> None:
    """wanted: 0 is torch's default, which knows no limit of a container: more threads than that wait for each other."""
    if wanted or distributed.world_size() > 1 or torch.get_num_threads() > distributed.num_cores():
        torch.set_num_threads(wanted or distributed.num_cores())
