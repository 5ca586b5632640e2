"""Files of tensors: reading them without running anything in them, and loading them without losing anything."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from finesight.config import Preprocessing
from finesight.errors import WeightsError
from finesight.models.contract import WeightsOrigin

NESTS = ("state_dict", "model_state_dict", "model")  # where training scripts keep the tensors of a checkpoint
WRAPPERS = ("module.", "_orig_mod.")  # prefixes that DataParallel and torch.compile put before every name
LISTED = 5  # names an error prints of each kind


@dataclass(frozen=True)
class Weights:
    """Tensors by the network's names, and what travels with them.

    new: prefixes of layers the weights hold nothing for, beside the last layer.
    """

    state: Mapping[str, Tensor]
    origin: WeightsOrigin
    preprocessing: Preprocessing
    new: tuple[str, ...] = ()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors file, or of a .pth/.pt file, by the network's own names.

    Code in a .pth file is never run. Raises WeightsError.
    """
    if not path.is_file():
        raise WeightsError(f"Weights file {str(path)!r} does not exist.")
    if path.suffix == ".safetensors":
        try:
            state = load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{str(path)!r} cannot be read as safetensors: {error}.") from None
        return _strip_wrappers(_check_plain(state, path))
    _refuse_bomb(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged or hostile pickle can raise anything
        raise WeightsError(
            f"{str(path)!r} is damaged or holds more than tensors (nothing in it was run); "
            "save the state dict alone, best as .safetensors."
        ) from None
    return _strip_wrappers(_check_plain(_unwrap(content, path), path))


def _refuse_bomb(path: Path) -> None:
    """torch's files are zip archives of parts as they are: more in them than they are long was packed to burst."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{str(path)!r} is damaged: {error}.") from None
    if claimed > path.stat().st_size:
        raise WeightsError(
            f"{str(path)!r} is compressed: {claimed:,} bytes out of {path.stat().st_size:,}. torch never compresses "
            "weights; save them again with torch.save, best as .safetensors."
        )


def _check_plain(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The state itself. Raises WeightsError for tensors that are not plain numbers in memory."""
    for name, tensor in state.items():
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
            raise WeightsError(f"{str(path)!r} holds {name!r}, which is no plain tensor; save it dense, on the CPU.")
        if tensor.is_complex():
            raise WeightsError(f"{str(path)!r} holds complex numbers in {name!r}, which no network here has.")
    return state


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in NESTS:  # a dict can hold itself
        nest = next((name for name in NESTS if isinstance(content, dict) and isinstance(content.get(name), dict)), None)
        if nest is None:
            break
        content = content[nest]
    if isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): tensor for name, tensor in content.items()}
    raise WeightsError(f"{str(path)!r} holds no state dict: names with tensors, alone or under {' or '.join(NESTS)}.")


def _strip_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], new: tuple[str, ...] = ()) -> None:
    """Copies `state` into `network`. Only layers under the prefixes `new` keep what they have.

    Raises WeightsError, before anything is changed, that lists what is missing, left over or of another shape.
    """
    own = network.state_dict()
    given = {name: tensor for name, tensor in state.items() if not _is_under(name, new)}
    # files older than torch 0.4.1 lack this counter, which only networks without momentum read
    missing = [n for n in own if n not in given and not _is_under(n, new) and not n.endswith("num_batches_tracked")]
    left_over = [name for name in given if name not in own]
    misshapen = [
        f"{name} {list(tensor.shape)} for {list(own[name].shape)}"
        for name, tensor in given.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if missing or left_over or misshapen:
        raise WeightsError(
            "These weights are of another architecture: "
            + "; ".join(
                [_list("missing", missing), _list("left over", left_over), _list("of another shape", misshapen)]
            )
            + "."
        )
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor)


def _is_under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefix + ".") for prefix in prefixes)


def _list(label: str, names: list[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1] for name in names[:LISTED])  # names in a file may hold terminal escapes
    return f"{len(names)} {label}" + (f" ({shown}{', …' if len(names) > LISTED else ''})" if names else "")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
