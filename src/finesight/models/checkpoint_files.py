"""Weights files of any origin: their tensors by name, read without running any code in them."""

import io
import mmap
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from finesight.errors import WeightsError

ENDINGS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
OTHER_KINDS = {  # how a file begins → what it is, and what to do
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned",
    b"<!doctype html": "is a web page, not weights: open its link in a browser and download the file itself",
    b"<html": "is a web page, not weights: open its link in a browser and download the file itself",
    b"\x89hdf\r\n": "is an HDF5 file, as Keras writes them; finesight reads .safetensors and torch's .pth",
    b"\x93numpy": "is a NumPy array; finesight reads .safetensors and torch's .pth",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
    b"{": "is JSON, not weights: give the weights file itself",
}
ARCHIVED_KINDS = {  # how a file in a zip archive ends → the same
    "/constants.pkl": "is TorchScript, a program with its weights, which finesight never runs: "
    "save only its weights, `torch.save(torch.jit.load('FILE').state_dict(), 'weights.pth')`",
    "archive_format": "is a program made by torch.export, which finesight never runs: save only the state dict",
    ".npy": "is a NumPy archive; finesight reads .safetensors and torch's .pth",
    **dict.fromkeys(ENDINGS, "is a zip archive of weights: unpack it first"),
}
COMPILED = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # added to names by torch's wrappers
COUNTERS = ("total_ops", "total_params", "n_averaged")  # tensors of thop and AveragedModel that are not weights
DEEPEST = 64  # levels of nesting


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .pth, .pt, .ckpt or .bin file by name; its content decides which.

    Nested dicts give dotted names: `state_dict.conv1.weight`, `model_ema.module.conv1.weight`.
    Code in a file is never run: of a pickled network only the tensors are read.
    Raises WeightsError.
    """
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if file.suffix in ENDINGS)[:3]
        hint = f": name a file in it, such as {', '.join(map(repr, files))}" if files else " without weights in it"
        raise WeightsError(f"{str(path)!r} is a folder{hint}.")
    if not path.is_file():
        hint = "; download it and give the file's path" if str(path).startswith(("http:", "https:")) else ""
        raise WeightsError(f"Weights file {str(path)!r} does not exist{hint}.")
    with path.open("rb") as file:
        start = file.read(32)
    _refuse_other_kinds(path, start)
    is_pickle = start.startswith((b"PK", b"\x80")) and start[8:9] != b"{"  # the header's length may begin alike
    if not is_pickle and (path.suffix == ".safetensors" or start[8:9] == b"{"):
        try:
            tensors = dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{str(path)!r} cannot be read as safetensors: {error}.") from None
    else:
        tensors = _read_pickle(path)
    _check_plain(tensors, path)
    return {_plain_name(name): tensor for name, tensor in tensors.items() if name.split(".")[-1] not in COUNTERS}


def _plain_name(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in COMPILED)


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    """torch's files are uncompressed zip archives: one that claims to unpack to more may be a zip bomb."""
    kind = next((text for magic, text in OTHER_KINDS.items() if start.lower().startswith(magic)), "")
    if path.suffix == ".onnx":
        kind = "is an ONNX graph; finesight reads .safetensors and torch's .pth"
    claimed = 0
    if not kind and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                parts = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise WeightsError(f"{str(path)!r} is damaged: {error}.") from None
        claimed = sum(part.file_size for part in parts)
        names = [part.filename for part in parts]
        kind = next((text for end, text in ARCHIVED_KINDS.items() if any(n.endswith(end) for n in names)), "")
    if kind:
        raise WeightsError(f"{str(path)!r} {kind}.")
    if claimed > path.stat().st_size:
        raise WeightsError(
            f"{str(path)!r} is compressed: {claimed:,} bytes out of {path.stat().st_size:,}. torch never compresses "
            "weights: save them again with torch.save, or better as .safetensors."
        )


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        named = _find_globals(path)
        stand_ins: Any = [(_Passed if name.startswith(TUPLE_STATES) else _Opened, name) for name in named]
        with torch.serialization.safe_globals(stand_ins), path.open("rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
        tensors = dict(_gather(content, set()))
    except _NewProtocol:
        raise WeightsError(
            f"{str(path)!r} was saved with a pickle_protocol above {NEWEST_PROTOCOL}, which cannot be read without "
            "running code in it (none was run): save the state dict with torch.save, or better as .safetensors."
        ) from None
    except Exception:  # a damaged or hostile pickle can raise anything
        raise WeightsError(
            f"{str(path)!r} is damaged or contains more than tensors (no code in it was run): "
            "save only the state dict, best as .safetensors."
        ) from None
    if not tensors:
        raise WeightsError(f"{str(path)!r} contains no state dict: save one with torch.save(model.state_dict(), FILE).")
    return tensors


class _Opened:
    """Stands for a class or function that a pickle names: a dict of what the pickle says about it."""

    def __new__(cls, *_args: object) -> Any:
        return OrderedDict()  # torch's reader fills its items and sets its attributes


class _Passed:
    """The same for states that are tuples, as NumPy's are: nothing of it is kept."""

    def __new__(cls, *_args: object) -> Any:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


TUPLE_STATES = ("numpy.", "functools.")
NEWEST_PROTOCOL = 2  # torch's default, which it can read safely; has names of Python 2


class _NewProtocol(Exception):
    pass


def _find_globals(path: Path) -> list[str]:
    """Classes and functions that the file's pickle names, `module.name`; torch's reader knows torch's own."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            member = next(part for part in archive.namelist() if part.endswith("data.pkl"))
            return list(dict.fromkeys(_names_in(io.BytesIO(archive.read(member)))))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return list(
            dict.fromkeys(name for _ in range(4) for name in _names_in(content))
        )  # files before zip archives: four pickles


def _names_in(pickle: Any) -> Iterator[str]:
    for code, argument, _ in pickletools.genops(pickle):
        if code.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield f"{module}.{name}"  # as Python 2 named it, which torch's reader may use
            yield ".".join(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name)))
        elif code.name == "PROTO" and int(argument or 0) > NEWEST_PROTOCOL:
            raise _NewProtocol


def _gather(content: object, seen: set[int], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Tensors of nested dicts, and of modules, which `_Opened` turned into dicts with a module's attributes."""
    if isinstance(content, Tensor) and prefix:
        yield prefix[:-1], content.detach()
    if not isinstance(content, dict | list | tuple) or id(content) in seen or depth > DEEPEST:
        return
    seen.add(id(content))  # a dict can contain itself
    if not isinstance(content, dict):
        for index, value in enumerate(content):
            if not isinstance(value, Tensor):  # has no name
                yield from _gather(value, seen, f"{prefix}{index}.", depth + 1)
        return
    attributes = getattr(content, "__dict__", {})
    for part in (content, *(attributes.get(name) or {} for name in ("_parameters", "_buffers", "_modules"))):
        for name, value in part.items():
            if isinstance(name, str):
                yield from _gather(value, seen, f"{prefix}{name}.", depth + 1)


def _check_plain(state: dict[str, Tensor], path: Path) -> None:
    """Raises WeightsError for tensors that are not plain numbers in memory."""
    for name, tensor in state.items():
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
            raise WeightsError(
                f"{str(path)!r} contains {name!r}, which is not a plain tensor: save it dense, on the CPU."
            )
        if tensor.is_complex():
            raise WeightsError(f"{str(path)!r} contains complex numbers in {name!r}, which no model uses.")
