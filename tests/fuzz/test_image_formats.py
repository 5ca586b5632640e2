"""Every format that Pillow knows, under an image's name: read, or refused in a sentence; no program is started."""

import io
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image
from synthetic_masks import write_mask_run

from finesight.analysis.evidence import read_evidence
from finesight.checks.run.case import Case
from finesight.checks.run.v011_border_errors import read_masks
from finesight.data.file_statistics import read_statistics
from finesight.data.images.image import UnreadableImage, image_sizes, read_image
from finesight.data.images.image_files import DECODERS
from finesight.data.masks.looks import UnreadableMask, read_mask
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.tasks import find_task
from finesight.tasks.segmentation.mask_images import read_prediction
from reliability import Tally

Image.init()
BY_HAND = {  # formats that Pillow reads and does not write, those that hand work to other code first
    "WMF": b"\xd7\xcd\xc6\x9a\0\0\0\0\0\0\x10\0\x10\0\x60\0" + bytes(64),
    "FPX": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "GRIB": b"GRIB\0\0\0\1" + bytes(64),
    "MPEG": b"\0\0\1\xb3" + bytes(64),
    "PSD": b"8BPS\0\1" + bytes(64),
    "XV": b"P7 332\n#XVVERSION\n8 8 255\n" + bytes(64),
}


def write(kind: str) -> bytes:
    if kind in BY_HAND:
        return BY_HAND[kind]
    for mode in ("RGB", "L", "1", "F"):
        content = io.BytesIO()
        try:
            with warnings.catch_warnings(action="ignore"):
                Image.new(mode, (16, 16)).save(content, kind)
            return content.getvalue()
        except Exception:  # a mode this format does not know, or a library this Pillow lacks
            continue
    return kind.encode()


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    started: list[object] = []

    def refuse(*command: object, **options: object) -> None:
        started.append(command)
        raise AssertionError(f"started {command}")

    for module, name in (
        (subprocess, "Popen"), (subprocess, "run"), (subprocess, "check_call"), (subprocess, "check_output"),
        (os, "system"), (os, "popen"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, refuse)
    yield started
    assert not started


def test_a_run_folder_s_masks_start_no_program(tmp_path: Path) -> None:
    """PostScript under a mask's name: Pillow would start Ghostscript for it."""
    run = write_mask_run(tmp_path / "home", epochs=2, count=4).run
    evidence = read_evidence(run, "val", find_task(run))
    assert evidence.evaluation is not None
    key = evidence.evaluation.keys[0]
    path = run.evaluation("val") / "masks" / PurePosixPath(key).with_suffix(".png")
    truth = tmp_path / "truth.png"
    Image.new("L", (16, 16)).save(truth)
    case = Case(run, evidence, {key: Item(key, truth, truth)}, MaskRule(values=((0, 0),)))
    assert read_masks(case, key) is not None
    path.write_bytes(write("EPS"))
    assert read_masks(case, key) is None
    assert read_prediction(evidence, key) is None


@pytest.mark.parametrize("kind", sorted({*Image.SAVE, *Image.OPEN, *BY_HAND}))
def test_formats_under_a_image_s_name(kind: str, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(write(kind))
    item = Item("a.png", path, path)
    list(image_sizes([item]))
    file = read_statistics(item)
    if kind in DECODERS or kind == "MPO":
        assert not file.fault
    for read, error in ((read_image, UnreadableImage), (read_mask, UnreadableMask)):
        with suppress(error):
            read(path)
    reliability("input", "formats under an image's name")
