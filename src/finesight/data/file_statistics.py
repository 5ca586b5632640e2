"""What an audit keeps of an image and its mask: about two kilobytes, from decoding each once."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from finesight.config import PixelScale
from finesight.data.adjacent_tiles import take_edges
from finesight.data.duplicates import Fingerprint, take_fingerprint
from finesight.data.images.image import UnreadableImage, decode_image
from finesight.data.images.image_files import open_image
from finesight.data.images.scaling import AS_STORED
from finesight.data.masks.codes import count_codes
from finesight.data.masks.looks import Look, UnreadableMask, read_mask, summarise
from finesight.data.masks.pixels import RawMask
from finesight.data.sample import Item

NUM_COLOURS = 6  # of a mask that are located, the most frequent ones
NUM_POSITIONS = 5  # of each of them


@dataclass(frozen=True, slots=True)
class MaskStatistics:
    """fault: why it cannot be read, or "". digest: of all codes."""

    fault: str
    size: tuple[int, int] = (0, 0)
    look: Look | None = None
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """fault: why the image cannot be read, or "". size: (height, width), upright. mode: Pillow's, or the type of its
    values where that is not uint8. outside, remarks: as in data.images.Decoded.

    is_missing: there is no such file. mask: None where there is none, or no file.
    """

    fault: str
    is_missing: bool = False
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    type_name: str = "uint8"
    outside: float = 0.0
    remarks: tuple[str, ...] = ()
    num_bytes: int = 0
    fingerprint: Fingerprint | None = None
    edges: np.ndarray | None = None
    mask: MaskStatistics | None = None


@dataclass(frozen=True)
class UnmappedPixels:
    """Pixels of one code in one mask that is not a class. positions: (row, column) of the first of them."""

    code: int
    count: int
    positions: tuple[tuple[int, int], ...]


def read_statistics(item: Item, scale: PixelScale | None = AS_STORED) -> FileStatistics:
    """Never raises on account of a file. scale: as in Preprocessing."""
    mask = _take_mask(item.target) if isinstance(item.target, Path) and item.target.is_file() else None
    if not item.path.is_file():
        return FileStatistics("does not exist", is_missing=True, mask=mask)
    try:
        decoded = decode_image(item.path, item.key, scale=scale)
    except UnreadableImage as error:
        return FileStatistics(error.reason, num_bytes=item.path.stat().st_size, mask=mask)
    image = decoded.pixels
    return FileStatistics(
        fault="",
        size=(image.shape[0], image.shape[1]),
        mode=_find_mode(item.path, decoded.type_name),
        type_name=decoded.type_name,
        outside=decoded.outside,
        remarks=decoded.remarks,
        num_bytes=item.path.stat().st_size,
        fingerprint=take_fingerprint(image),
        edges=take_edges(image),
        mask=mask,
    )


def _find_mode(path: Path, type_name: str) -> str:
    if type_name != "uint8":
        return type_name
    try:
        with open_image(path) as image:
            return image.mode
    except Exception:  # bands that Pillow has no mode for
        return type_name


def _take_mask(path: Path) -> MaskStatistics:
    try:
        raw = read_mask(path, path.name)
    except UnreadableMask as error:
        return MaskStatistics(error.reason)
    digest = blake2b(f"{raw.kind}{raw.codes.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(raw.codes).data)
    look = summarise(raw, path.name, count_codes(raw.codes))
    return MaskStatistics("", (raw.codes.shape[0], raw.codes.shape[1]), look, digest.digest())


def find_unmapped(path: Path, codes: Mapping[int, int]) -> list[UnmappedPixels]:
    """Where a mask holds the most frequent of `codes` (to their pixels). Reads it again; empty if that fails."""
    try:
        raw = read_mask(path)
    except UnreadableMask:
        return []
    most = sorted(codes, key=lambda code: -codes[code])[:NUM_COLOURS]
    return [_locate(raw, code) for code in most]


def _locate(raw: RawMask, code: int) -> UnmappedPixels:
    rows, columns = np.nonzero(raw.codes == code)
    positions = zip(rows[:NUM_POSITIONS].tolist(), columns[:NUM_POSITIONS].tolist(), strict=True)
    return UnmappedPixels(code, len(rows), tuple(positions))
