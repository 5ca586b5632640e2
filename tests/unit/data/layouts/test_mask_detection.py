"""Masks told from photographs by their pixels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data.layouts.mask_detection import have_equal_sizes, look_like_masks


def draw(folder: Path, kind: str, ending: str = "png") -> list[Path]:
    paths = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        blob = np.zeros((64, 64), np.uint8)
        blob[: 20 + seed * 4, 10:50] = 1
        noise = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        image = {
            "photo": Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC),
            "grey photo": Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC).convert("L"),
            "indices": Image.fromarray(blob),
            "white": Image.fromarray(blob * 255),
            "colours": Image.fromarray(np.stack([blob * 250, blob * 40, blob * 90], axis=2)),
        }[kind]
        paths.append(folder / f"{seed}.{ending}")
        image.save(paths[-1])
    return paths


@pytest.mark.parametrize(
    ("kind", "ending", "strict", "lenient"),
    [
        ("photo", "png", False, False),
        ("photo", "jpg", False, False),
        ("grey photo", "png", False, False),
        ("indices", "png", True, True),
        ("white", "png", True, True),
        ("colours", "png", True, True),
        ("white", "jpg", False, True),
        ("colours", "jpg", False, True),
    ],
)
def test_masks_hold_few_values(kind: str, ending: str, strict: bool, lenient: bool, tmp_path: Path) -> None:
    paths = draw(tmp_path, kind, ending)
    assert look_like_masks(paths) is strict or ending == "jpg"
    assert look_like_masks(paths, lenient=True) is lenient


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert look_like_masks([tmp_path / "a.png"]) is None
    assert look_like_masks([]) is None
    assert have_equal_sizes([(tmp_path / "a.png", tmp_path / "a.png")])


def test_sizes_are_those_of_most_pairs(tmp_path: Path) -> None:
    paths = draw(tmp_path, "photo")
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    assert have_equal_sizes([(path, path) for path in paths])
    assert not have_equal_sizes([(path, tmp_path / "small.png") for path in paths])
