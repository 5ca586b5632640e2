import io
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from finesight.data.images.image_files import LIMITS, explain, open_image


def test_importing_and_reading_leave_the_process_as_it_was(tmp_path: Path) -> None:
    code = (
        "import warnings, numpy; from PIL import Image, ImageFile, PngImagePlugin\n"
        "def look(): return Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, list(warnings.filters)\n"
        "before = look()\n"
        "from pathlib import Path; from finesight.data.images.image import read_image\n"
        "Image.new('RGB', (4, 4)).save('a.png'); read_image(Path('a.png'))\n"
        "assert look() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_limits_hold_while_any_thread_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    before, filters = [getattr(module, name) for module, name, _ in LIMITS], list(warnings.filters)
    wanted = [value for _, _, value in LIMITS]
    go_on = threading.Event()

    def read() -> None:
        with open_image(path):
            go_on.wait(10)

    thread = threading.Thread(target=read)
    with open_image(path):
        thread.start()
    with open_image(path):
        assert [getattr(module, name) for module, name, _ in LIMITS] == wanted
    go_on.set()
    thread.join()
    assert [getattr(module, name) for module, name, _ in LIMITS] == before
    assert warnings.filters == filters


def test_the_caller_s_own_filter_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        before = list(warnings.filters)
        with open_image(path):
            assert warnings.filters == before
        assert warnings.filters == before


def test_half_an_image_is_an_error_whatever_the_process_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(content, "PNG")
    with pytest.raises(OSError, match="truncated"), open_image(io.BytesIO(content.getvalue()[:1500])) as image:
        image.load()


@pytest.mark.parametrize("what", ["profile", "text before", "text behind", "text of 70 MB"])
def test_png_with_megabytes_of_text(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    info = PngImagePlugin.PngInfo()
    length = 70 << 20 if "70" in what else 3 << 20
    info.add_itxt("xmp", "x" * length, zip=True) if "text" in what else None
    Image.new("RGB", (4, 4), "red").save(path, pnginfo=info, icc_profile=bytes(3 << 20) if what == "profile" else None)
    if what == "text behind":
        content = path.read_bytes()
        start = content.index(b"iTXt") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        path.write_bytes(content[:start] + content[end:-12] + content[start:end] + content[-12:])
    if length < 64 << 20:
        with open_image(path) as image:
            assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
        return
    with pytest.raises(ValueError, match="MAX_TEXT") as error, open_image(path):
        pass
    assert explain(error.value, path) == "holds more than 64 MB of text or colour profile"
