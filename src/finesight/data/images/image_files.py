"""The one place where Pillow opens files: which formats, how large ones, and why one cannot be read."""

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from finesight.data.images.content import READ_IMAGES, explain_content, recognise
from finesight.data.images.optional_formats import AVIF_LIMITS, OPTIONAL_FORMATS, READ, load_decoder, name_format
from finesight.errors import DataError

MAX_PIXELS = 200_000_000  # 600 MB as RGB; a few kilobytes of PNG can claim more
MAX_TEXT = 64 << 20  # bytes of text, or of a colour profile, in a PNG; there are honest ones of several megabytes
# The only decoders Pillow may use: its list also holds formats that start other programs (EPS).
DECODERS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "PPM")
START_BYTES = 64  # that name an optional format
# Pillow keeps these for the whole process: they are set while a file is read, and put back.
LIMITS = (
    (Image, "MAX_IMAGE_PIXELS", MAX_PIXELS),  # its own limit is lower and would speak first
    (ImageFile, "LOAD_TRUNCATED_IMAGES", False),  # else half an image comes without an error
    (PngImagePlugin, "MAX_TEXT_CHUNK", MAX_TEXT),
    (PngImagePlugin, "MAX_TEXT_MEMORY", 4 * MAX_TEXT),
    *AVIF_LIMITS,
)


class _Borrowed:
    """Pillow's limits, and silence about odd metadata, for as long as any thread reads a file.

    Not `warnings.catch_warnings`: of two threads the later one would put back what the first had changed.
    """

    def __init__(self) -> None:
        self.renew_lock()
        self._readers = 0
        self._before: list[object] = []
        self._filters: list[object] = []
        self._ours: Sequence[object] = ()

    def renew_lock(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._before = [getattr(module, name) for module, name, _ in LIMITS]
                for module, name, value in LIMITS:
                    setattr(module, name, value)
                known = list(warnings.filters)
                warnings.filterwarnings("ignore", module="PIL")
                self._filters = warnings.filters  # type: ignore[assignment]
                self._ours = [each for each in warnings.filters[:1] if each not in known]

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                for (module, name, _), value in zip(LIMITS, self._before, strict=True):
                    setattr(module, name, value)
                self._filters[:] = [each for each in self._filters if each not in self._ours]


_BORROWED = _Borrowed()
if hasattr(os, "register_at_fork"):  # a thread may hold the lock while another one starts a process
    os.register_at_fork(after_in_child=_BORROWED.renew_lock)


@contextmanager
def open_image(path: Path | BinaryIO) -> Iterator[Image.Image]:
    """A file's header; its pixels once `load` is called inside the `with`.

    Raises whatever Pillow raises, which `explain` puts into words, and DecompressionBombError beyond MAX_PIXELS.
    """
    with _BORROWED, _open(path) as file, _open_pillow(file) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        yield image


def _open_pillow(file: BinaryIO) -> Image.Image:
    start = file.read(START_BYTES)
    optional = name_format(start)
    decoders = (load_decoder(optional, file, MAX_PIXELS),) if optional else DECODERS
    file.seek(0)
    try:
        return Image.open(file, formats=decoders)
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # what Rust raises, in the JPEG XL plugin, is no Exception
            raise DataError(f"is a {optional} of a kind that is not read ({error})") from None
        raise


def _open(path: Path | BinaryIO) -> BinaryIO:
    """Not by name: Pillow 13 maps a named file into memory, and forgets that a TIFF may lie on its side."""
    return path.open("rb") if isinstance(path, Path) else path


def find_orientation(image: Image.Image) -> int | None:
    """EXIF's (274), where the image has to be turned. Pillow itself turns TIFFs, which keep no EXIF block.

    So does the decoder of JPEG XL, whose own header says how; only one made of a JPEG comes as that JPEG.
    """
    if "exif" not in image.info or (image.format == "JXL" and not getattr(image, "jpeg", False)):
        return None
    try:
        return image.getexif().get(274)
    except Exception:  # a broken EXIF block says nothing; the image itself may be whole
        return None


def explain(error: Exception, path: Path) -> str:
    """Why a file cannot be read, as the rest of a sentence about it."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {MAX_PIXELS // 1_000_000} million pixels"
    if "MAX_TEXT" in str(error):
        return f"holds more than {MAX_TEXT >> 20} MB of text or colour profile"
    if path.is_file() and path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError) and (reason := explain_content(path)):
        return reason
    if isinstance(error, UnidentifiedImageError) and (found := recognise(path)) in READ_IMAGES:
        return f"is a {found} that is damaged or of a kind that is not read; write it again as 8-bit RGB"
    if isinstance(error, UnidentifiedImageError):
        known = (*DECODERS, *(OPTIONAL_FORMATS[noun].decoder for noun in sorted(READ)))
        return f"is not an image of a known format ({', '.join(known)})"
    return f"is damaged ({error})"
