"""What can be wrong with masks, through the command: one sentence before anything is written, or handled and said."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import finesight, train
from PIL import Image
from test_bad_input import refused

NETWORK = {"model__name": "fcn/timm/test_resnet", "film__count": 1, "batch_size": 2, "data__val_share": 0.25}
TWO = {"classes": [{"name": "land", "colour": "#000000"}, {"name": "lake", "colour": "#ffffff"}]}
Paint = Callable[[np.ndarray], Image.Image]


def draw_pairs(folder: Path, paint: Paint, sizes: tuple[tuple[int, int], ...] = ((24, 32),) * 4) -> Path:
    """N_sat.png and N_mask.png; paint: class indices 0 and 1 to a mask."""
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        lake = np.zeros(size, np.uint8)
        lake[: (size[0] + 1) // 2] = 1
        Image.fromarray(np.repeat(lake[..., None] * 200, 3, axis=2)).save(folder / f"{number}_sat.png")
        paint(lake).save(folder / f"{number}_mask.png")
    return folder


def write_classes(tmp_path: Path, value: object) -> Path:
    (tmp_path / "classes.json").write_text(json.dumps(value))
    return tmp_path / "classes.json"


def with_border(lake: np.ndarray) -> Image.Image:
    lake = lake.copy()
    lake[0] = 255
    return Image.fromarray(lake)


def see_through(lake: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([lake * 255] * 3 + [255 - lake * 9], axis=2))


def opaque(lake: np.ndarray) -> Image.Image:
    return Image.fromarray(lake * 255).convert("RGBA")


def deep(factor: int) -> Paint:
    return lambda lake: Image.fromarray(lake.astype(np.uint16) * factor)


@pytest.mark.parametrize(
    ("paint", "classes", "words"),
    [
        (with_border, None, ("0_mask.png", "255", "data.ignore = 255")),
        (with_border, ["land", "lake"], ("0_mask.png", "255", "data.ignore = 255")),
        (lambda lake: Image.fromarray(lake * 3), ["a", "b", "c"], ("value 3", "ends at 2", "data.ignore = 0")),
        (lambda lake: Image.fromarray(lake), [{"name": "a", "colour": "#010203"}] * 2, ("same id",)),
        (
            lambda lake: Image.fromarray(lake),
            [{"name": "a", "colour": "#010203"}, {"name": "b", "colour": [1, 2, 3]}],
            ("same colour", "(1, 2, 3)"),
        ),
        (see_through, TWO, ("4 of 4 pairs",)),
        (deep(300), ["land", "lake"], ("value 300", "ends at 1")),
        (lambda lake: Image.fromarray(lake), [str(number) for number in range(300)], ("255 classes", "300")),
        (lambda lake: Image.fromarray(lake), [{"id": 0, "name": "a"}, {"id": 70_000, "name": "b"}], ("65535",)),
        (lambda lake: Image.fromarray(lake), [{"id": "1", "name": "a"}, {"id": "01", "name": "b"}], ("different",)),
    ],
)
def test_masks_that_mean_nothing(paint: Paint, classes: object, words: tuple[str, ...], tmp_path: Path) -> None:
    if isinstance(classes, list) and isinstance(classes[0], dict):
        classes = {"classes": classes}
    flags = [] if classes is None else ["--classes", write_classes(tmp_path, classes)]
    out = tmp_path / "runs" / "new"
    refused(train(draw_pairs(tmp_path / "data", paint), out, *flags, **NETWORK), out, *words)


@pytest.mark.parametrize("ignore", ["²", "-1.5", "#12345", "7" * 5000])
def test_an_ignored_value_that_cannot_be(ignore: str, tmp_path: Path) -> None:
    data, out = draw_pairs(tmp_path / "data", Image.fromarray), tmp_path / "runs" / "new"
    refused(train(data, out, f"--set=data.ignore={ignore}", **NETWORK), out, "data.ignore")


@pytest.mark.parametrize(
    ("paint", "classes", "settings"),
    [
        (with_border, None, {"data__ignore": 255}),
        (opaque, TWO, {}),
        (deep(65_535), ["land", "lake"], {}),
        (deep(1), ["land", "lake", "town"], {}),  # 16 bits deep, and a class that never occurs
    ],
)
def test_masks_that_are_odd_but_clear(
    paint: Paint, classes: object, settings: dict[str, object], tmp_path: Path
) -> None:
    flags = [] if classes is None else ["--classes", write_classes(tmp_path, classes)]
    answer = train(draw_pairs(tmp_path / "data", paint), tmp_path / "run", *flags, **NETWORK | settings)
    assert answer.code == 0, answer.err
    if classes == ["land", "lake", "town"]:
        assert "Without a pixel in any mask: 'town'." in answer.err
        assert "nan" not in answer.out.lower()
        assert finesight("report", tmp_path / "run").code == 0


def test_images_of_odd_sizes(tmp_path: Path) -> None:
    sizes = ((1, 1), (33, 65), (65, 33), (2, 200), (24, 32), (1, 40))
    data = draw_pairs(tmp_path / "data", lambda lake: Image.fromarray(lake), sizes)
    answer = train(data, tmp_path / "run", "--classes", write_classes(tmp_path, ["land", "lake"]), **NETWORK)
    assert answer.code == 0, answer.err
    for path in (tmp_path / "data").glob("*_mask.png"):
        path.unlink()
    answer = finesight("predict", tmp_path / "run", data, "--out", tmp_path / "masks")
    assert answer.code == 0, answer.err
    for number, size in enumerate(sizes):
        with Image.open(tmp_path / "masks" / f"{number}_mask.png") as mask:
            assert (mask.height, mask.width) == size


def test_batches_in_which_nothing_is_known(tmp_path: Path) -> None:
    """Six images, of which all but one are unknown throughout: most batches teach nothing, and none is NaN."""
    seen = iter(range(6))

    def paint(lake: np.ndarray) -> Image.Image:
        return Image.fromarray(lake if next(seen) == 0 else np.full_like(lake, 255))

    draw_pairs(tmp_path / "data" / "train", paint, ((24, 32),) * 6)
    draw_pairs(tmp_path / "data" / "val", lambda lake: Image.fromarray(lake), ((24, 32),) * 2)
    answer = train(tmp_path / "data", tmp_path / "run", **NETWORK | {"data__ignore": 255, "epochs": 2})
    assert answer.code == 0, answer.err
    for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines():
        assert np.isfinite(json.loads(line)["train/loss"])


def test_a_image_of_20000_by_20000(tmp_path: Path) -> None:
    """Training and predicting refuse it from its header, before any of its 400 million pixels is decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data, out = draw_pairs(tmp_path / "data", lambda lake: Image.fromarray(lake)), tmp_path / "runs" / "new"
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    large = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )
    for name in ("0_sat.png", "0_mask.png"):
        (data / name).write_bytes(large)
    answer = train(data, out, **NETWORK)
    refused(answer, out, "1 of 4 pairs")
    assert "200 million pixels" in answer.err
    fine = draw_pairs(tmp_path / "fine", lambda lake: Image.fromarray(lake))
    assert train(fine, tmp_path / "run", **NETWORK).code == 0
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "large.png").write_bytes(large)
    answer = finesight("predict", tmp_path / "run", tmp_path / "one", "--out", tmp_path / "masks")
    assert "200 million pixels" in answer.error()
    assert not list((tmp_path / "masks").rglob("*.png"))
