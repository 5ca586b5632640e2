"""Masks that name their classes are read by name, whatever value a name has in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.masks.codes import count_codes
from finesight.data.masks.encoding import encode_named
from finesight.data.masks.looks import Look, read_mask, summarise
from finesight.data.masks.named import TEXT
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rule_choice import apply_rule, choose_rule
from finesight.errors import DataError

FIELDS = [[0, 1, 1], [2, 2, IGNORE_INDEX]]


def write(path: Path, names: Sequence[str], values: Sequence[Sequence[int]] = FIELDS) -> Look:
    path.write_bytes(encode_named(np.array(values, np.uint8), names, {"empty": 1}))
    raw = read_mask(path)
    return summarise(raw, path.name, count_codes(raw.codes))


def test_names_decide_and_not_values(tmp_path: Path) -> None:
    looks = [
        write(tmp_path / "1.png", ("background", "road", "lake")),
        write(tmp_path / "2.png", ("background", "lake", "road")),
    ]
    rule, classes, notes = choose_rule(looks, None, DataSettings())
    assert classes.names == ("background", "road", "lake")
    assert notes == ()
    assert rule.apply(read_mask(tmp_path / "1.png")).tolist() == FIELDS
    assert rule.apply(read_mask(tmp_path / "2.png")).tolist() == [[0, 2, 2], [1, 1, IGNORE_INDEX]]
    assert rule.count(looks[1]) == {0: 1, 2: 2, 1: 2, IGNORE_INDEX: 1}
    assert MaskRule.from_dict(rule.to_dict()) == rule


def test_ground_that_no_mask_shows_is_not_a_class(tmp_path: Path) -> None:
    look = write(tmp_path / "1.png", ("background", "road", "lake", "sea"), [[1, 1, 2]])
    _, classes, notes = choose_rule([look], None, DataSettings())
    assert classes.names == ("road", "lake", "sea")
    assert notes == ("Without a pixel in any mask: 'sea'.",)


def test_other_data_are_read_by_the_names_of_the_run(tmp_path: Path) -> None:
    names = ("background", "road", "lake")
    rule, classes, _ = choose_rule([write(tmp_path / "1.png", names)], None, DataSettings())
    other = write(tmp_path / "2.png", ("background", "Lake", "road"))
    assert apply_rule([other], rule, classes, DataSettings()) == ()
    assert rule.apply(read_mask(tmp_path / "2.png")).tolist() == [[0, 2, 2], [1, 1, IGNORE_INDEX]]
    strange = write(tmp_path / "3.png", ("background", "lake", "sea"))
    with pytest.raises(DataError, match=r"2 pixels .* of a class that is not in the class list \('sea'\)"):
        apply_rule([strange], rule, classes, DataSettings())


@pytest.mark.parametrize(
    ("classes", "ignore", "expected", "ignored"),
    [
        (None, "road", ("background", "lake"), None),
        (None, ("road", "background"), None, None),
        (
            ClassList(
                ("background", "water"),
                ("background", "water"),
                mapping=(("background", "background"), ("lake", "water"), ("road", "")),
            ),
            "",
            ("background", "water"),
            None,
        ),
        (ClassList(("1", "2", "3"), ("lake", "road", "background")), "road", ("lake", "road", "background"), 1),
        (
            ClassList(("lake", "road", "void"), ("lake", "road", "void"), ignore=2),
            "background",
            ("lake", "road", "void"),
            2,
        ),
    ],
)
def test_class_files_and_ignored_classes(
    classes: ClassList | None, ignore: str, expected: tuple[str, ...] | None, ignored: int | None, tmp_path: Path
) -> None:
    look = write(tmp_path / "1.png", ("background", "road", "lake"))
    settings = DataSettings(ignore=ignore)
    if expected is None:
        with pytest.raises(DataError, match="hold only 'lake', and two classes"):
            choose_rule([look], classes, settings)
        return
    rule, found, _ = choose_rule([look], classes, settings)
    assert found.names == expected
    assert found.ignore == ignored
    indices = rule.apply(read_mask(tmp_path / "1.png"))
    if "road" in (ignore, *(label for label, target in found.mapping if not target)):
        assert indices[0, 1] == IGNORE_INDEX
    assert indices[1, 0] == found.index("lake")


@pytest.mark.parametrize(
    ("names", "settings", "reason"),
    [
        (("background", "road", "lake"), {"ignore": "raod"}, "not a class of the annotations. Did you mean 'road'"),
        (("background", "road", "lake"), {"ignore": 255}, "'255' is not a class of the annotations. There are: "),
    ],
)
def test_what_cannot_be_ignored(names: Sequence[str], settings: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        choose_rule([write(tmp_path / "1.png", names)], None, DataSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (("lake", "road"), "hold 'background', .* lacks: no shape covers those pixels. .*data.unannotated = ignore"),
        (("background", "lake"), "hold 'road', .* lacks: add it, or drop it in a CSV file"),
    ],
)
def test_classes_that_the_list_lacks(known: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    look = write(tmp_path / "1.png", ("background", "road", "lake"))
    with pytest.raises(DataError, match=reason):
        choose_rule([look], ClassList(known, known), DataSettings())


def test_masks_of_files_and_of_annotations_do_not_mix(tmp_path: Path) -> None:
    named = write(tmp_path / "1.png", ("background", "road", "lake"))
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(tmp_path / "2.png")
    raw = read_mask(tmp_path / "2.png")
    with pytest.raises(DataError, match="is a file, others are drawn"):
        choose_rule([named, summarise(raw, "2.png", count_codes(raw.codes))], None, DataSettings())


@pytest.mark.parametrize("text", ["{", "[]", '{"names": []}', '{"names": [1]}', '{"names": "road"}', "[" * 9999])
def test_a_text_that_names_no_classes_is_nothing_to_a_mask(text: str, tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text(TEXT, text)
    Image.fromarray(np.eye(3, dtype=np.uint8)).convert("P").save(tmp_path / "1.png", pnginfo=info)
    assert read_mask(tmp_path / "1.png").kind == "palette"
