"""Checkpoints: weights, and everything training needs to resume. Tensors only, never a pickle."""

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from finesight import distributed
from finesight.errors import RunError, blame_files
from finesight.inference.restore import load_tensors
from finesight.run import schema
from finesight.run.files import replace_folder
from finesight.run.folder import RunFolder
from finesight.training.ema import AveragedWeights
from finesight.training.position import Position
from finesight.training.rank_statistics import gather_statistics, own_statistics


def save_checkpoint(
    run: RunFolder, name: str, weights: dict[str, Tensor], training: "Training | None" = None, twin: str = ""
) -> None:
    """Writes checkpoint `last` or `best` beside its place, synced, then renames it in.

    twin: a checkpoint that holds the same weights, whose file then gets a second name (hard link): disks are slow.
    Raises RunError where it cannot be written; the one before it is unharmed then. All ranks hold the same weights,
    and the main one writes.
    """
    if not distributed.is_main():
        return
    folder = run.path / schema.checkpoint(name)
    fresh = folder.with_name(f".{name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        if not twin or not _link(run.checkpoint(twin) / schema.WEIGHTS, fresh / schema.WEIGHTS):
            save_tensors(fresh / schema.WEIGHTS, weights)
        if training is not None:
            save_tensors(fresh / schema.TRAINING, training.tensors, {"training": json.dumps(training.values)})
        replace_folder(folder, fresh)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise RunError(
            f"Checkpoint {folder} cannot be written: {error}. The previous one is intact: free some space or allow "
            f"writing, then {run.resume_command}"
        ) from None


def _link(path: Path, other: Path) -> bool:
    """Whether the file system could make a hard link: exFAT, for one, cannot."""
    try:
        other.hardlink_to(path)
    except OSError:
        return False
    return True


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file, on disk when this returns. Tensors that share memory are stored each on its own."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    places = Counter(tensor.untyped_storage().data_ptr() for tensor in plain.values())
    alone = {
        name: tensor.clone() if places[tensor.untyped_storage().data_ptr()] > 1 else tensor
        for name, tensor in plain.items()
    }
    save_file(alone, path, metadata)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@dataclass
class Training:
    """All that training needs, beside the run's weights, to resume: tensors, and plain values as JSON.

    Where the run's weights are averages, the network's own are among the tensors.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]

    @classmethod
    def load(cls, run: RunFolder) -> "Training":
        tensors, metadata = load_tensors(run.checkpoint("last") / schema.TRAINING)
        with blame_files(run.path):
            return cls(tensors, json.loads(metadata["training"]))

    @classmethod
    def pack(
        cls, network: nn.Module, optimiser: torch.optim.Optimizer, average: AveragedWeights | None, at: Position
    ) -> tuple[dict[str, Tensor], "Training"]:
        """The run's weights, which are averages where the settings ask for them, and all else. On all ranks alike."""
        weights, averaged = network.state_dict(), dict(average.weights) if average else {}
        tensors = pack_optimiser(optimiser)
        if at.step:  # at the start of an epoch all ranks have the same running statistics
            tensors |= gather_statistics(network, weights, averaged)
        values = {**at.to_dict(), "num_averaged": average.num_steps if average else 0}
        if average is None:
            return weights, cls(tensors, values)
        return averaged, cls(tensors | {f"weights/{name}": tensor for name, tensor in weights.items()}, values)

    def restore(
        self,
        weights: dict[str, Tensor],
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: AveragedWeights | None,
    ) -> Position:
        """Undoes `pack`. weights: the run's."""
        num_averaged = self.values.pop("num_averaged")
        if average:
            average.restore(weights | own_statistics(self.tensors, "average"), num_averaged)
            weights = {name[8:]: value for name, value in self.tensors.items() if name.startswith("weights/")}
        network.load_state_dict(weights | own_statistics(self.tensors, "network"))
        unpack_optimiser(optimiser, self.tensors)
        return Position.from_dict(self.values)


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of every parameter that has one, as `optimiser/POSITION/NAME`. Learning rates are not state here."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser/{position}/{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for position, entry in state.items()
        for name, value in entry.items()
        if value is not None
    }


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restores the state that `pack_optimiser` took, in the memory layout of the parameters.

    Fused optimisers walk over state and parameter side by side in memory: a contiguous moment beside a channels_last
    weight would be applied to other elements, without an error. All is copied: what safetensors reads stays mapped to
    its file, which Windows then would not let the next checkpoint replace.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        kind, *rest = path.split("/")
        if kind == "optimiser":
            state.setdefault(int(rest[0]), {})[rest[1]] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, entry in optimiser.state.items():
        for name, value in entry.items():
            is_like = value.shape == parameter.shape
            entry[name] = torch.empty_like(parameter if is_like else value, dtype=value.dtype).copy_(value)
