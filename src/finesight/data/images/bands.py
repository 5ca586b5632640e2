"""The bands of an image file: 8-bit RGB where Pillow makes it without loss, else values as stored; and transparency.

What a file holds is read from its first bytes or its tags; pixels are decoded by Pillow, or by `images.tiff`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from finesight.data.images.image_files import explain, find_orientation, open_image
from finesight.data.images.jxl import is_jxl
from finesight.data.images.optional_formats import DEEP, is_deep
from finesight.data.images.tiff import BLACK_IS_HIGH, Tiff, is_tiff, read_tags, read_values, turn_upright
from finesight.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n"
PNG_BANDS = {0: 1, 2: 3, 4: 2, 6: 4}  # of colour types without a palette
MAX_BANDS = 4
TYPES = {"I": "uint16", "I;16": "uint16", "F": "float32"}  # by Pillow's mode
WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")

# What was left out of an image that was read; each goes on "N of M images hold".
EMPTY_ALPHA = "an alpha band that is zero everywhere; it is ignored"
NO_ALPHA = "a band tagged as alpha with other values than zero and the maximum (near infrared?); it is left out"
SPARE_BAND = "a band beyond red, green and blue (near infrared?); it is left out"
SPARE_PAGES = "more than one page; the first is read"
SPARE_FRAMES = "an animation; its first frame is read"
SPARE_GREY_BAND = "a second band beside grey; it is left out"


@dataclass(frozen=True)
class Bands:
    """A decoded file, upright.

    values: (h, w, 1 or 3) in the file's own type; nodata: the value that its tags call missing. is_inverted: its
    highest value is black. opacity: 0-1 (h, w), None where all of it is seen. remarks: what was left out.
    """

    values: np.ndarray
    nodata: float | None = None
    is_inverted: bool = False
    opacity: np.ndarray | None = None
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Header:
    """What a file holds, from its header. type_name: as NumPy calls it; has_extra: a band that may be left out."""

    type_name: str = "uint8"
    has_extra: bool = False


def read_header(path: Path) -> Header:
    """Raises whatever a file that cannot be read makes Pillow raise."""
    with path.open("rb") as file:
        start = file.read(26)
    if start.startswith(PNG):
        is_extra = start[25] in (4, 6) or path.suffix.lower() == ".apng"
        return Header("uint16" if start[24] == 16 else "uint8", has_extra=is_extra)
    if start.startswith(b"\xff\xd8"):
        return Header()
    if start.startswith(b"GIF8"):
        return Header(has_extra=True)
    if tiff := read_tags(path):
        return Header(
            "uint8" if tiff.is_pillows else tiff.type_name, has_extra=tiff.num_bands in (2, 4) or tiff.has_pages
        )
    with open_image(path) as image:
        is_wide = _find_maxval(image) > 255
        return Header(
            "uint16" if is_wide else TYPES.get(image.mode, "uint8"),
            has_extra=image.mode in ("RGBA", "LA") or _is_animated(image) or _is_deep(image, path),
        )


def explain_image(error: Exception, path: Path) -> str:
    """As `explain`; a TIFF that Pillow does not know is described."""
    if isinstance(error, UnidentifiedImageError) and (tiff := read_tags(path)):
        return (
            f"is a TIFF of {tiff.describe()} (photometric interpretation {tiff.photometric}, compression "
            f"{tiff.compression}), which is not read; write it again as grey or RGB"
        )
    return explain(error, path)


def read_bands(path: Path) -> Bands | None:
    """None where Pillow makes 8-bit RGB of the file without loss. Raises DataError for what is not read."""
    with path.open("rb") as file:
        start = file.read(26)
    if start.startswith(PNG):
        return _read_png(path, PNG_BANDS.get(start[25], 3)) if start[24:25] == b"\x10" else None
    if start[:1] == b"P":
        return _read_ppm(path)
    if is_jxl(start):
        return _read_jxl(path)
    tiff = read_tags(path) if is_tiff(start) else None
    return None if tiff is None or tiff.is_pillows else _read_tiff(path, tiff)


def read_rgb(image: Image.Image, path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    """(RGB, upright; what was left out) of an opened file for which `read_bands` is None.

    An alpha that is zero everywhere was never meant: it is ignored.
    """
    rgb, remarks = _to_rgb(image)
    tiff = read_tags(path) if image.format == "TIFF" else None
    has_pages = tiff.has_pages if tiff else image.format == "HEIF" and getattr(image, "n_frames", 1) > 1
    remarks += (SPARE_PAGES,) if has_pages else ()
    remarks += (SPARE_FRAMES,) if _is_animated(image) else ()
    remarks += (DEEP,) if _is_deep(image, path) else ()
    orientation = find_orientation(image)
    if orientation not in (None, 1):
        rgb = Image.fromarray(turn_upright(np.asarray(rgb), orientation))
    return rgb, remarks


def _is_animated(image: Image.Image) -> bool:
    return image.format in ("GIF", "WEBP", "PNG", "AVIF") and getattr(image, "is_animated", False)


def _is_deep(image: Image.Image, path: Path) -> bool:
    if image.format not in ("HEIF", "AVIF", "JXL"):
        return False
    with path.open("rb") as file:
        return is_deep(image, file)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    _mend_transparency(image)
    image.load()
    if image.mode == "LAB":
        return _from_lab(image), ()
    if image.mode not in WITH_ALPHA and "transparency" not in image.info:
        return image if image.mode == "RGB" else image.convert("RGB"), ()
    rgba = image.convert("RGBA")
    if remark := _doubt_alpha(image, rgba.getchannel("A").histogram()):
        image.info.pop("transparency", None)
        return image.convert("RGBA").convert("RGB"), (remark,)
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), ()


def _doubt_alpha(image: Image.Image, counts: list[int]) -> str:
    """Why an alpha band is not transparency, or "". counts: pixels of each of its values."""
    if image.format == "TIFF":
        extra = getattr(image, "tag_v2", {}).get(338, (0,))
        if extra[-1] not in (1, 2):
            return SPARE_BAND
        if any(counts[1:255]):
            return NO_ALPHA
    return "" if any(counts[1:]) else EMPTY_ALPHA


def _mend_transparency(image: Image.Image) -> None:
    """Of a grey PNG of two or four bits Pillow 13 widens the values, but not the one that is transparent."""
    key, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    steps = {"L;2": 85, "L;4": 17}
    if isinstance(key, int) and tiles and tiles[0].args in steps:
        image.info["transparency"] = key * steps[tiles[0].args]


def _from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b* as TIFF stores it."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    rgb = ImageCms.applyTransform(image, transform)
    assert rgb is not None
    return Image.fromarray(np.array(rgb))


def _read_tiff(path: Path, tiff: Tiff) -> Bands:
    if tiff.num_bands > MAX_BANDS:
        raise DataError(
            f"has {tiff.describe()}, where one or three are read; choose three of them, "
            "such as `gdal_translate -b 4 -b 3 -b 2 IN.tif OUT.tif`"
        )
    values = read_values(path, tiff)
    colours, opacity, remarks = _part_alpha(values, tiff.is_alpha)
    if tiff.kind == "u" and tiff.bits < 8:  # as a viewer shows it
        colours = np.rint(colours * (255 / ((1 << tiff.bits) - 1))).astype(np.uint8)
    remarks += (SPARE_PAGES,) if tiff.has_pages else ()
    is_inverted = tiff.photometric == BLACK_IS_HIGH and tiff.kind == "u"
    return Bands(colours, tiff.nodata, is_inverted, opacity, remarks)


def _part_alpha(values: np.ndarray, is_alpha: bool) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """(grey or red, green and blue; opacity; remarks) of up to four bands.

    GDAL tags a fourth band as alpha unless asked otherwise, so its values decide: near infrared is not transparency.
    """
    if values.shape[2] in (1, 3):
        return values, None, ()
    colours, last = values[..., :-1], values[..., -1]
    if not is_alpha:
        return colours, None, (SPARE_BAND if colours.shape[2] == 3 else SPARE_GREY_BAND,)
    opaque = np.iinfo(last.dtype).max if last.dtype.kind in "ui" else last.max(initial=0)
    if not last.any():
        return colours, None, (EMPTY_ALPHA,)
    if not ((last == 0) | (last == opaque)).all():
        return colours, None, (NO_ALPHA,)
    return colours, None if last.all() else (last > 0).astype(np.float32), ()


def _read_png(path: Path, num_bands: int) -> Bands:
    """Of 16 bits a band. Pillow keeps only the high bytes of colours: they are decoded once more for the low ones."""
    with open_image(path) as image:
        key, orientation = image.info.get("transparency"), find_orientation(image)
    if num_bands == 1:
        values = _decode(path, "")[..., None]
    elif num_bands == 2:  # grey and alpha, high and low: four bytes, as RGBA has
        quads = _decode(path, "RGBA")
        values = quads[..., 0::2] << 8 | quads[..., 1::2]
    else:
        mode = "RGB" if num_bands == 3 else "RGBA"
        values = _decode(path, f"{mode};16B") << 8 | _decode(path, f"{mode};16L")
    values = turn_upright(values, orientation)
    colours, opacity = (values[..., :-1], values[..., -1] / 65535) if num_bands in (2, 4) else (values, None)
    if isinstance(key, (int, tuple)):
        opacity = (colours != np.array(key)).any(axis=2).astype(np.float64)
    if opacity is not None and not opacity.any():
        return Bands(colours, remarks=(EMPTY_ALPHA,))
    return Bands(colours, opacity=opacity)


def _decode(path: Path, raw_mode: str) -> np.ndarray:
    """uint16 pixels of a PNG; raw_mode: as what Pillow decodes its bytes, where it differs from what they are."""
    with open_image(path) as image:
        if raw_mode:
            image.tile = [tile._replace(args=raw_mode) for tile in image.tile]  # type: ignore[attr-defined]
        return np.asarray(image).astype(np.uint16)


def _read_ppm(path: Path) -> Bands | None:
    """Pillow stretches greys of more than eight bits to 0-65535, as the file's highest value asks for; colours here."""
    with open_image(path) as image:
        maxval = _find_maxval(image)
        if image.mode in ("I", "F"):
            values = np.asarray(image)[..., None]
            return Bands(values.astype(np.uint16) if image.mode == "I" else values)
        if image.mode != "RGB" or maxval < 256:
            return None
        width, height, offset = *image.size, image.tile[0].offset  # type: ignore[attr-defined]
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(6 * width * height)
    if len(content) < 6 * width * height:
        raise DataError("is damaged (it ends before its last row)")
    values = np.frombuffer(content, ">u2").reshape(height, width, 3)
    return Bands(np.rint(values * (65535 / maxval)).clip(max=65535).astype(np.uint16))


def _read_jxl(path: Path) -> Bands | None:
    """Grey of more than eight bits."""
    with open_image(path) as image:
        if image.mode not in ("I;16", "F"):
            return None
        return Bands(turn_upright(np.array(image), find_orientation(image))[..., None])


def _find_maxval(image: Image.Image) -> int:
    """The highest value of a binary PPM; 255 of anything else."""
    tiles: Sequence[object] = getattr(image, "tile", ())
    args = getattr(tiles[0], "args", None) if tiles and getattr(tiles[0], "codec_name", "") == "ppm" else None
    return int(args[1]) if isinstance(args, tuple) else 255
