"""A writer of TIFF files of any number of bands and any type, as GDAL makes them; Pillow writes few of them."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_tiff(
    path: Path,
    array: np.ndarray,
    *,
    photometric: int = 1,
    extra: Sequence[int] | None = None,
    planar: bool = False,
    deflate: bool = False,
    predictor: int = 1,
    tile: tuple[int, int] | None = None,
    order: str = "<",
    big: bool = False,
    bits: int = 0,
    nodata: str = "",
    orientation: int = 1,
    compression: int = 0,
) -> Path:
    """array: (h, w) or (h, w, bands). bits: fewer than the type has, such as 12. extra: meaning of further bands."""
    array = array[..., None] if array.ndim == 2 else array
    height, width, bands = array.shape
    bits = bits or array.dtype.itemsize * 8
    blocks = [_encode(block, order, bits, predictor) for block in _cut(array, planar, tile)]
    if deflate:
        blocks = [zlib.compress(block) for block in blocks]
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * bands),
        259: ("H", [compression or (8 if deflate else 1)]),
        262: ("H", [photometric]),
        274: ("H", [orientation]),
        277: ("H", [bands]),
        284: ("H", [2 if planar else 1]),
        317: ("H", [predictor]),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[array.dtype.kind]] * bands),
    }
    if extra is not None:
        tags[338] = ("H", extra)
    if nodata:
        tags[42113] = ("s", nodata.encode() + b"\0")
    tags |= {322: ("I", [tile[1]]), 323: ("I", [tile[0]])} if tile else {278: ("I", [height])}
    starts = np.cumsum([16, *map(len, blocks)]).tolist()
    tags[324 if tile else 273] = ("Q" if big else "I", starts[:-1])
    tags[325 if tile else 279] = ("Q" if big else "I", list(map(len, blocks)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_header(order, big, starts[-1]) + b"".join(blocks) + _directory(tags, order, big, starts[-1]))
    return path


def _cut(array: np.ndarray, planar: bool, tile: tuple[int, int] | None) -> list[np.ndarray]:
    planes = [array[..., [band]] for band in range(array.shape[2])] if planar else [array]
    if tile is None:
        return planes
    down, across = (-(-have // want) for have, want in zip(array.shape, tile, strict=False))
    padded = [np.pad(p, ((0, down * tile[0] - p.shape[0]), (0, across * tile[1] - p.shape[1]), (0, 0))) for p in planes]
    return [
        p[row * tile[0] : (row + 1) * tile[0], column * tile[1] : (column + 1) * tile[1]]
        for p in padded
        for row in range(down)
        for column in range(across)
    ]


def _encode(block: np.ndarray, order: str, bits: int, predictor: int) -> bytes:
    if bits != block.dtype.itemsize * 8:
        ones = (block[..., None].astype(np.int64) >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
        return np.packbits(ones.reshape(len(block), -1), axis=1).tobytes()
    if predictor == 2:
        whole = np.ascontiguousarray(block).view(f"u{block.dtype.itemsize}")
        block = np.diff(whole, axis=1, prepend=np.zeros_like(whole[:, :1]))
    if predictor == 3:
        rows, columns, bands = block.shape
        planes = np.frombuffer(block.astype(block.dtype.newbyteorder(">")).tobytes(), np.uint8)
        planes = planes.reshape(rows, columns * bands, -1).swapaxes(1, 2).reshape(rows, -1, bands)
        return np.diff(planes, axis=1, prepend=np.zeros_like(planes[:, :1])).tobytes()
    return block.astype(block.dtype.newbyteorder(order)).tobytes()


def _header(order: str, big: bool, start: int) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(order + "HHHQ", 43, 8, 0, start)
    return mark + struct.pack(order + "HI8x", 42, start)


def _directory(tags: dict[int, tuple[str, Sequence[int] | bytes]], order: str, big: bool, start: int) -> bytes:
    kinds, room = {"H": 3, "I": 4, "Q": 16, "s": 2}, 8 if big else 4
    entries, after = b"", b""
    end = start + (8 if big else 2) + len(tags) * (20 if big else 12) + room
    for tag, (kind, values) in sorted(tags.items()):
        content = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{kind}", *values)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kinds[kind], len(values))
        if len(content) <= room:
            entries += content.ljust(room, b"\0")
        else:
            entries += struct.pack(order + ("Q" if big else "I"), end + len(after))
            after += content
    return struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + bytes(room) + after
