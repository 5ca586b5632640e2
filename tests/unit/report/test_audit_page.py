"""The page of an audit: masks in colours, seeded samples, remedies to copy, and never too much of anything."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from finesight import inspect
from finesight.app.inspect import audit_data
from finesight.classes import ClassList
from finesight.config import DataSettings
from finesight.data.audit import Audit
from finesight.reporting import audit_samples
from finesight.reporting.audit_masks import NO_CLASS, MaskPainter
from finesight.reporting.audit_samples import IMAGES_OF_ALL, PAIRS, choose_samples
from finesight.reporting.audit_sizes import draw_sizes
from finesight.reporting.thumbnails import cut_tile
from planted_faults import change, make_labelled, make_pairs, paint, save, write_text


def audit(root: Path, **settings: Any) -> Audit:
    return audit_data(DataSettings(root=str(root), **settings))


def test_masks_of_values_show_the_colours_of_the_legend(tmp_path: Path) -> None:
    found = audit(make_pairs(tmp_path, (1, 2)))
    painter = MaskPainter(found)
    drawn = painter.paint("train/0_sat.png")
    assert drawn is not None
    assert drawn.shape == (12, 12, 3)
    assert found.classes is not None
    colours = [painter.legend[name] for name in found.classes.names]
    assert colours == [tuple(drawn[0, 0]), tuple(drawn[0, -1])]
    assert len(set(colours)) == 2


def test_masks_without_a_rule_show_a_colour_for_each_value(tmp_path: Path) -> None:
    root = make_pairs(tmp_path, (0, 1))
    save(root / "train" / "0_mask.png", np.where(np.arange(144).reshape(12, 12) < 100, 0, 255).astype(np.uint8))
    found = audit(root)
    assert found.found.rule is None, "0 and 1 in one mask and 0 and 255 in another have no common rule"
    painter = MaskPainter(found)
    drawn = painter.paint("train/0_sat.png")
    assert drawn is not None
    assert len({tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()}) == 2
    assert set(painter.legend) >= {"0", "1", "255"}
    assert drawn[0, 0].tolist() == list(painter.legend["0"])


def test_ignored_pixels_are_grey(tmp_path: Path) -> None:
    root = make_pairs(tmp_path, (0, 1))
    change(root / "train" / "0_mask.png", 2, 3, 255)
    painter = MaskPainter(audit(root, ignore="255"))
    drawn = painter.paint("train/0_sat.png")
    assert drawn is not None
    assert tuple(drawn[2, 3]) == NO_CLASS
    assert painter.legend["no class"] == NO_CLASS


def test_a_mask_that_cannot_be_read_is_not_drawn(tmp_path: Path) -> None:
    root = make_pairs(tmp_path)
    (root / "train" / "1_mask.png").write_bytes(b"\x89PNG")
    found = audit(root)
    painter = MaskPainter(found)
    assert painter.paint("train/1_sat.png") is None
    pairs = choose_samples(found, painter, seed=0).pairs
    assert [pair.key for pair in pairs] == ["train/0_sat.png", "train/2_sat.png", "val/0_sat.png", "val/1_sat.png"]
    assert all(each.startswith("data:image/webp;") for pair in pairs for each in (pair.image, pair.mask, pair.overlay))


def test_samples_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    found = audit(make_labelled(tmp_path))
    first, again, other = (choose_samples(found, MaskPainter(found), seed).sheets for seed in (0, 0, 1))
    assert first == again != other
    assert [(sheet.name, sheet.count, len(sheet.keys)) for sheet in first] == [("a", 12, 8), ("b", 12, 8)]
    assert all(Path(key).name.startswith(sheet.name) for sheet in first for key in sheet.keys)


def test_images_without_labels_have_one_sheet(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / f"{number}.png", paint(number))
    found = audit(tmp_path, format="unlabelled")
    (sheet,) = choose_samples(found, MaskPainter(found), seed=0).sheets
    assert (sheet.count, len(sheet.keys)) == (30, audit_samples.UNLABELLED)


def pretend(num_images: int, num_classes: int) -> Audit:
    """An audit of so many labelled images, as far as samples ask it."""
    names = tuple(map(str, range(num_classes)))
    keys = [f"{number}.png" for number in range(num_images)]
    counts = {key: Counter([number % num_classes]) for number, key in enumerate(keys)}
    files = dict.fromkeys(keys, SimpleNamespace(fault=""))
    found = SimpleNamespace(counts=counts)
    return cast(Audit, SimpleNamespace(files=files, looks={}, found=found, classes=ClassList(names, names)))


@pytest.mark.parametrize("num_classes", [2, 50, 700])
def test_a_hundred_thousand_images_make_a_page_of_a_few_hundred(num_classes: int) -> None:
    found = pretend(100_000, num_classes)
    samples = choose_samples(found, MaskPainter(found), seed=0)
    assert 0 < len(samples.keys) <= IMAGES_OF_ALL
    assert samples.left_out == max(0, num_classes - IMAGES_OF_ALL)


def test_each_class_is_in_a_sampled_pair(tmp_path: Path) -> None:
    root = make_pairs(tmp_path, (0, 1))
    for number in range(40):
        save(root / "train" / f"more{number}_sat.png", paint(number))
        save(root / "train" / f"more{number}_mask.png", np.full((12, 12), 2 if number == 17 else 1, np.uint8))
    found = audit(root)
    pairs = choose_samples(found, MaskPainter(found), seed=3).pairs
    assert len(pairs) == PAIRS
    assert "train/more17_sat.png" in [pair.key for pair in pairs]


def test_many_sizes_are_drawn_and_few_are_not(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / "a" / f"{number}.png", paint(number, 20 + number))
        save(tmp_path / "b" / f"{number}.png", paint(10 + number, 20 + number))
    plot = draw_sizes(audit(tmp_path))
    assert plot is not None
    assert len(plot.spots) == 6
    assert plot.spots[0].label == "20 × 20 px: 2 images"
    assert plot.summary == "6 sizes: heights from 20 to 25 px, widths from 20 to 25 px."
    assert draw_sizes(audit(make_labelled(tmp_path / "one"))) is None


def test_a_tile_of_a_mask_mixes_no_colours() -> None:
    drawn = np.zeros((30, 50, 3), np.uint8)
    drawn[:, 25:] = (255, 0, 0)
    for most in (8, 96):
        tile = cut_tile(drawn, most)
        assert tile.shape == (most, most, 3)
        assert np.unique(tile.reshape(-1, 3), axis=0).tolist() == [[0, 0, 0], [255, 0, 0]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(root: Path, **how: Any) -> str:
        inspect(root, html=tmp_path / "page.html", **how)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    return write


def test_a_finding_brings_its_command_for_this_data_set(tmp_path: Path, write: Callable[..., str]) -> None:
    root = make_labelled(tmp_path / "my data")
    save(root / "val" / "a_0.png", paint(0))  # as in train
    page = re.sub("</?span>", "", write(root))  # around the words of a command
    assert f"finesight inspect &#39;{root}&#39; --split &#39;{root}/split.csv&#39;</pre>" in page
    assert f"finesight train --data &#39;{root}/split.csv&#39;</pre>" in page


def test_the_page_of_clean_data_shows_them(tmp_path: Path, write: Callable[..., str]) -> None:
    page = write(make_labelled(tmp_path / "clean"))
    assert "16 images of 24, chosen at random within each class (seed 0)." in page
    assert page.count('class="tile sheet-0"') == 16
    names = write_text(tmp_path / "names.txt", "soil\nwater\n")
    page = write(make_pairs(tmp_path / "pairs", (0, 1)), classes=names, settings={"seed": 5})
    assert "5 images of 5, chosen at random (seed 5)" in page
    assert page.count("<figcaption>Overlay</figcaption>") == 5
    assert '<i class="swatch" style="background:#000000" aria-hidden="true"></i><span class="name">soil</span>' in page
