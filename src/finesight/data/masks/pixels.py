"""A mask file's pixels as codes, exactly as stored: nothing is scaled, blended, or cut to eight bits."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from finesight.data.images.bands import PNG, Bands, read_bands
from finesight.data.images.image_files import open_image
from finesight.data.images.tiff import BLACK_IS_HIGH, COMPRESSIONS, GREY, RGB, Tiff, read_tags, read_values
from finesight.data.masks.codes import MAX_VALUE, NODATA, colour_of, pack
from finesight.data.masks.named import read_text
from finesight.errors import DataError

Kind = Literal["colour", "palette", "value", "name"]
HUGE = 3e38  # floats beyond are what writers put where there is no value

# What is worth saying of a mask that is read; each goes on "N of M masks: ".
EMPTY_ALPHA = "the alpha band is zero everywhere; it is ignored"
CLEAR_ENTRY = "a value of the palette is transparent; it is read like any other"
AS_STORED = "white is zero by its tags; values are read as they are stored"
SPARE_BAND = "a further band holds the same value everywhere; it is left out"
MORE_FRAMES = "further images follow in the file; the first is read"


@dataclass(frozen=True)
class RawMask:
    """A mask as it stands on disk.

    codes: int32 (h, w), colours as `pack` makes them, or values; NODATA where the file says that there is none.
    palette: the colour of each value, if it has one. nodata: the code that the file's tags call missing.
    remarks: what is worth saying of it. names: the class of each value, of a mask that names them.
    """

    kind: Kind
    codes: np.ndarray
    palette: np.ndarray | None = None
    nodata: int | None = None
    remarks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def colours(self) -> np.ndarray:
        """Packed colours (h, w) whatever the kind; a value without palette is a grey; -1 where it has no colour."""
        if self.kind == "colour":
            return self.codes
        table = np.array([-1, *map(colour_of, range(256)), -1]) if self.palette is None else self.palette
        colours: np.ndarray = table.take(self.codes + (self.palette is None), mode="clip")
        return colours


def decode_mask(path: Path) -> RawMask:
    """Raises DataError, whose text is the rest of a sentence on the file, for what cannot be a mask; else whatever a
    broken file makes its decoder raise."""
    tiff = read_tags(path)
    if tiff is not None and _has_own_values(tiff):
        return _read_tiff(path, tiff)
    if (bands := _read_deep_png(path)) is not None:
        kind: Kind = "value" if bands.values.shape[2] == 1 else "colour"
        codes, remarks = _clear(to_codes(bands.values), bands.opacity)
        return RawMask(kind, codes, remarks=remarks + bands.remarks)
    with open_image(path) as image:
        levels, text = _find_levels(image), read_text(image)
        image.load()
        if text:
            return _read_named(image, tuple(text["names"]))
        remarks = (MORE_FRAMES,) if image.format in ("TIFF", "GIF") and getattr(image, "n_frames", 1) > 1 else ()
        raw = _read_palette(image, remarks) if image.mode == "P" else _read_plain(image, levels, remarks)
    return raw if tiff is None else replace(raw, nodata=_whole(tiff.nodata))


def _read_named(image: Image.Image, names: tuple[str, ...]) -> RawMask:
    codes = np.asarray(image).astype(np.int32)
    return RawMask("name", np.where(codes < len(names), codes, np.int32(NODATA)), names=names)


def _has_own_values(tiff: Tiff) -> bool:
    """Whether Pillow would scale, invert or cut the values, or not read the file at all."""
    if tiff.photometric not in (BLACK_IS_HIGH, GREY, RGB) or tiff.compression not in COMPRESSIONS:
        return False
    return not tiff.is_pillows or 1 < tiff.bits < 8 or (tiff.photometric == BLACK_IS_HIGH and tiff.bits > 1)


def _read_tiff(path: Path, tiff: Tiff) -> RawMask:
    values = read_values(path, tiff)
    num_bands = values.shape[2]
    alpha = values[..., -1] if num_bands in (2, 4) else None
    is_spare = alpha is not None and not tiff.is_alpha
    if num_bands > 4 or (alpha is not None and is_spare and alpha.min() < alpha.max()):
        raise DataError(f"has {tiff.describe()}; a mask has one band of values, or red, green and blue")
    remarks: tuple[str, ...] = (SPARE_BAND,) if is_spare else ()
    if tiff.photometric == BLACK_IS_HIGH:
        remarks += (AS_STORED,)
    kind: Kind = "value" if num_bands < 3 else "colour"
    codes, more = _clear(to_codes(values[..., : 1 if num_bands < 3 else 3], tiff.nodata), None if is_spare else alpha)
    return RawMask(kind, codes, nodata=_whole(tiff.nodata), remarks=remarks + more)


def _read_deep_png(path: Path) -> Bands | None:
    """Of 16 bits a band; Pillow keeps only the high bytes of colours."""
    with path.open("rb") as file:
        start = file.read(25)
    return read_bands(path) if start.startswith(PNG) and start[24:] == b"\x10" else None


def _whole(value: float | None) -> int | None:
    """A tag's nodata as a code; None where no pixel can have it."""
    return int(value) if value is not None and abs(value) <= MAX_VALUE and value == int(value) else None


def _find_levels(image: Image.Image) -> int:
    """The highest value of a PGM, to which Pillow stretches its values; 0 of anything else."""
    tile = image.tile[0] if image.format == "PPM" and image.tile else None  # type: ignore[attr-defined]
    return int(tile.args[1]) if tile is not None and isinstance(tile.args, tuple) else 0


def _read_palette(image: Image.Image, remarks: tuple[str, ...]) -> RawMask:
    colours = np.zeros((256, 3), np.uint8)
    listed = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    colours[: len(listed)] = listed
    codes = np.asarray(image)
    clear = image.info.get("transparency")
    clear_values = [clear] if isinstance(clear, int) else [n for n, alpha in enumerate(clear or b"") if alpha < 255]
    if clear_values and np.isin(codes, clear_values).any():
        remarks += (CLEAR_ENTRY,)
    return RawMask("palette", codes.astype(np.int32), pack(colours), remarks=remarks)


def _read_plain(image: Image.Image, levels: int, remarks: tuple[str, ...]) -> RawMask:
    """Of what Pillow decodes: grey or colours, perhaps with alpha, or with a colour that is transparent."""
    has_alpha = image.mode in ("RGBA", "LA", "RGBa", "La", "PA")
    alpha = np.asarray(image.getchannel(image.getbands()[-1])) if has_alpha else None
    kind: Kind
    if image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I"):
        grey = image.getchannel(0) if has_alpha else image
        values, kind = to_values(np.asarray(grey)), "value"
        if levels:
            values = np.rint(values * (levels / (255 if image.mode == "L" else 65535))).astype(np.int32)
    elif image.mode in ("RGB", "RGBA", "RGBa", "PA", "CMYK", "YCbCr"):
        values, kind = _pack_image(image), "colour"
    else:
        raise DataError(f"is stored as {image.mode}, which says no class; save it as RGB, with a palette or as grey")
    clear = image.info.get("transparency")
    nodata = int(clear) if isinstance(clear, int) else int(pack(np.array(clear))) if isinstance(clear, tuple) else None
    codes, more = _clear(values, alpha)
    return RawMask(kind, codes, nodata=nodata, remarks=remarks + more)


def _pack_image(image: Image.Image) -> np.ndarray:
    packed = image.convert("RGB").tobytes("raw", "RGBX")  # four bytes a pixel, of which the last says nothing
    return np.frombuffer(packed, "<i4").reshape(image.height, image.width) & 0xFFFFFF


def _clear(codes: np.ndarray, alpha: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes with NODATA where they are transparent, and remarks. Raises DataError for a fading alpha."""
    if alpha is None or alpha.min() == alpha.max():
        return codes, (EMPTY_ALPHA,) if alpha is not None and not alpha.any() else ()
    if np.count_nonzero(alpha == alpha.max()) + np.count_nonzero(alpha == 0) < alpha.size:
        raise DataError("is transparent in parts and to different degrees; save it without transparency")
    return np.where(alpha == 0, np.int32(NODATA), codes), ()


def to_codes(stored: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """int32 codes of (h, w, 1 or 3) bands of any type. Raises DataError for what is neither a value nor a colour."""
    return to_values(stored[..., 0], nodata) if stored.shape[2] == 1 else to_colours(stored)


def to_values(stored: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """int32 codes of a band of any type. Raises DataError for fractions, and for values too large to be classes."""
    if stored.dtype.kind == "b" or (stored.dtype.itemsize <= 2 and stored.dtype.kind in "ui"):
        return stored.astype(np.int32)
    if stored.dtype.kind == "f":
        missing = ~np.isfinite(stored) | (np.abs(np.nan_to_num(stored)) >= HUGE)
        whole = np.where(missing, 0, stored)
        if (broken := whole != np.rint(whole)).any():
            raise DataError(f"holds fractions such as {whole[broken][0]:.4g}; a mask's values should be whole numbers")
    else:
        limits = np.iinfo(stored.dtype)
        missing = (stored == limits.max) | ((stored == limits.min) & (limits.min < 0))
        whole = np.where(missing, 0, stored)
    if nodata is not None and abs(nodata) > MAX_VALUE:
        missing |= stored == np.array(nodata).astype(stored.dtype)
        whole = np.where(missing, 0, stored)
    if whole.min() < -MAX_VALUE or whole.max() > MAX_VALUE:
        raise DataError(f"holds values from {whole.min():.0f} to {whole.max():.0f}, which are too large for classes")
    return np.where(missing, NODATA, whole).astype(np.int32)


def to_colours(stored: np.ndarray) -> np.ndarray:
    """int32 codes of (h, w, 3) bands of any type. Raises DataError where they are not eight-bit colours."""
    if stored.dtype == np.uint8:
        return pack(stored)
    if stored.dtype == np.uint16 and stored.max() > 255:
        if (stored % 257).any():
            raise DataError("holds 16-bit colours that are not 8-bit colours times 257; save it with 8 bits a colour")
        return pack(stored // 257)
    if stored.min() < 0 or stored.max() > 255 or (stored != np.rint(stored)).any():
        raise DataError("holds colours that are not three whole numbers from 0 to 255; save it with 8 bits a colour")
    return pack(stored)
