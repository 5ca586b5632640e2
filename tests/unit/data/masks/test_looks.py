"""Masks as people save them: what they are read as, and what is said of those that mean nothing."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.config import DataSettings
from finesight.data.class_files import PRESETS
from finesight.data.masks.encoding import encode_colours, encode_mask, encode_overlay, encode_values, mask_colours
from finesight.data.masks.looks import Look, UnreadableMask, count_codes, look_at_masks, read_mask
from finesight.data.masks.rule import MaskRule
from finesight.data.masks.rule_choice import apply_rule, choose_rule
from finesight.data.sample import Item
from finesight.errors import DataError

TRUTH = np.array([[0, 1, 2, 2], [2, 1, 0, 0], [1, 1, 1, 2]], np.uint8)
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
THREE = ClassList(("a", "b", "c"), ("a", "b", "c"), tuple(tuple(map(int, colour)) for colour in COLOURS))
NAMED = ClassList(("a", "b", "c"), ("a", "b", "c"))


def rgb() -> Image.Image:
    return Image.fromarray(COLOURS[TRUTH])


def rgba() -> Image.Image:
    image = rgb()
    image.putalpha(128)
    return image


def palette() -> Image.Image:
    image = Image.fromarray(TRUTH)
    image.putpalette(COLOURS.tobytes())
    return image


WAYS = {
    "rgb": (rgb, THREE),
    "rgba of one transparency": (rgba, THREE),
    "palette by colour": (palette, THREE),
    "palette by value": (palette, NAMED),
    "palette in another order, by colour": (lambda: rgb().convert("P", palette=Image.Palette.ADAPTIVE), THREE),
    "values from 0": (lambda: Image.fromarray(TRUTH), NAMED),
    "values from 1": (lambda: Image.fromarray(TRUTH + 1), NAMED),
    "values beside a class list with colours": (lambda: Image.fromarray(TRUTH), THREE),
    "16 bit": (lambda: Image.fromarray(TRUTH.astype(np.uint16)), NAMED),
    "values as grey rgb": (lambda: Image.fromarray(TRUTH).convert("RGB"), NAMED),
    "ids are values": (lambda: Image.fromarray(TRUTH * 7), ClassList(("0", "7", "14"), ("a", "b", "c"))),
}


def save(folder: Path, image: Image.Image, name: str = "1_mask.png") -> Item:
    image.save(folder / name)
    Image.new("RGB", image.size).save(folder / name.replace("_mask.png", ".png"))
    return Item(name, folder / name.replace("_mask.png", ".png"), folder / name)


def read(item: Item, classes: ClassList | None, **settings: object) -> tuple[np.ndarray, ClassList, str]:
    rule, found, notes = choose_rule(look_at_masks([item]), classes, DataSettings(**settings))  # type: ignore[arg-type]
    assert item.target
    return pickle.loads(pickle.dumps(rule)).apply(read_mask(item.target)), found, "\n".join(notes)


@pytest.mark.parametrize("way", WAYS)
def test_all_ways_to_save_a_mask_are_the_same_mask(way: str, tmp_path: Path) -> None:
    make, classes = WAYS[way]
    indices, found, notes = read(save(tmp_path, make()), classes)
    np.testing.assert_array_equal(indices, TRUTH)
    assert indices.dtype == np.uint8
    assert (found, notes) == (classes, "")


@pytest.mark.parametrize("mode", ["1", "L"])
def test_two_classes_in_black_and_white(mode: str, tmp_path: Path) -> None:
    truth = TRUTH > 0
    item = save(tmp_path, Image.fromarray(truth.astype(np.uint8) * 255).convert(mode))
    indices, _, _ = read(item, ClassList(("off", "on"), ("off", "on")))
    np.testing.assert_array_equal(indices, truth)
    indices, found, _ = read(item, None)
    np.testing.assert_array_equal(indices, truth)
    assert found.ids == (("0", "1") if mode == "1" else ("0", "255"))


def test_classes_are_inferred_from_what_is_there(tmp_path: Path) -> None:
    _, found, _ = read(save(tmp_path, rgb()), None)
    assert found.ids == ("#0000ff", "#00ff00", "#ff0000")
    _, found, _ = read(save(tmp_path, palette()), None)
    assert (found.ids, found.colours) == (("0", "1", "2"), THREE.colours)
    _, found, _ = read(save(tmp_path, Image.fromarray(TRUTH)), None)
    assert (found.ids, found.colours) == (("0", "1", "2"), None)


def test_the_ignored_class_counts_nowhere(tmp_path: Path) -> None:
    deepglobe = PRESETS["deepglobe"]
    colours = np.array(deepglobe.colours, np.uint8)
    truth = np.arange(7, dtype=np.uint8)[None]
    indices, _, _ = read(save(tmp_path, Image.fromarray(colours[truth])), deepglobe)
    np.testing.assert_array_equal(indices, [[0, 1, 2, 3, 4, 5, IGNORE_INDEX]])
    indices, found, _ = read(save(tmp_path, rgb()), THREE, ignore="b")
    np.testing.assert_array_equal(indices, np.where(TRUTH == 1, IGNORE_INDEX, TRUTH))
    assert found.ignore == 1


def test_values_beyond_the_class_list_are_explained_and_can_be_ignored(tmp_path: Path) -> None:
    pixels = TRUTH.copy()
    pixels[0, 0] = 9
    item = save(tmp_path, Image.fromarray(pixels), "tile_07_mask.png")
    expected = "Mask tile_07_mask.png holds value 9; the class list ends at 2. Add the class or set data.ignore = 9."
    with pytest.raises(DataError) as error:
        read(item, NAMED)
    assert str(error.value) == expected
    indices, _, _ = read(item, NAMED, ignore=9)
    np.testing.assert_array_equal(indices, np.where(pixels == 9, IGNORE_INDEX, pixels))
    _, found, _ = read(item, None, ignore="9")
    assert found.ids == ("0", "1", "2")


def test_a_255_without_a_rule_is_explained(tmp_path: Path) -> None:
    pixels = TRUTH.copy()
    pixels[0, 0] = 255
    item = save(tmp_path, Image.fromarray(pixels))
    with pytest.raises(DataError, match=r"holds value 255 and the other values end at 2.*data\.ignore = 255"):
        read(item, None)
    assert read(item, None, ignore=255)[0][0, 0] == IGNORE_INDEX


def test_stray_colours_are_named_and_refused_when_they_are_many(tmp_path: Path) -> None:
    pixels = np.tile(COLOURS[TRUTH], (40, 40, 1))
    pixels[5, 5] = (250, 3, 0)
    item = save(tmp_path, Image.fromarray(pixels), "狐 <b>_mask.png")
    indices, _, notes = read(item, THREE)
    assert indices[5, 5] == IGNORE_INDEX
    assert (indices == IGNORE_INDEX).sum() == 1
    assert "1 pixels" in notes
    assert "狐 <b>_mask.png: 1 of #fa0300" in notes
    with pytest.raises(DataError, match=r"(?s)not a class \(#fa0300\).*data\.unmapped_fraction.*狐 <b>_mask"):
        read(item, THREE, unmapped_fraction=1e-5)
    indices, _, notes = read(item, THREE, colour_tolerance=5)
    assert indices[5, 5] == 0
    assert "1 pixels" in notes
    assert "as the nearest class, at most data.colour_tolerance = 5 off (#fa0300)" in notes


def test_what_cannot_be_a_mask(tmp_path: Path) -> None:
    fading = rgb()
    fading.putalpha(Image.fromarray(TRUTH * 50))
    fading.save(tmp_path / "fading.png")
    with pytest.raises(UnreadableMask, match="transparent in parts"):
        read_mask(tmp_path / "fading.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(UnreadableMask, match=r"Mask 'x' is empty \(0 bytes\)"):
        read_mask(tmp_path / "empty.png", "x")
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    with pytest.raises(DataError, match=r"different colours.*JPEG"):
        read(save(tmp_path, Image.fromarray(noise)), None, unmapped_fraction=0.0)
    with pytest.raises(DataError, match=r"holds the colour #ff0000, but the class list has no colours"):
        read(save(tmp_path, rgb()), NAMED)
    with pytest.raises(DataError, match="hold 1 class"):
        read(save(tmp_path, Image.new("L", (3, 3))), None)


def test_more_than_twenty_problems_are_counted(tmp_path: Path) -> None:
    items = [Item(f"{n}.png", tmp_path / f"{n}.png", tmp_path / f"{n}_mask.png") for n in range(30)]
    with pytest.raises(DataError, match=r"(?s)^30 of 30 .*and 10 more$"):
        look_at_masks(items)


def test_runs_are_counted_as_pixels() -> None:
    codes = np.random.default_rng(0).integers(0, 4, (30, 7)).astype(np.uint32)
    assert count_codes(codes) == {value: int((codes == value).sum()) for value in range(4)}


def test_files_written_are_read_back(tmp_path: Path) -> None:
    for encode, classes in ((encode_mask, THREE), (encode_colours, THREE), (encode_values, NAMED)):
        path = tmp_path / "1_mask.png"
        path.write_bytes(encode(TRUTH, classes))
        Image.new("RGB", TRUTH.shape[::-1]).save(tmp_path / "1.png")
        np.testing.assert_array_equal(read(Item("1", tmp_path / "1.png", path), classes)[0], TRUTH)
    assert encode_overlay(TRUTH, COLOURS[TRUTH], THREE)[:2] == b"\xff\xd8"
    many = ClassList.from_labels(map(str, range(30)))
    assert len(set(mask_colours(many))) == 30


def test_strays_count_in_every_mask_of_one_name(tmp_path: Path) -> None:
    """train/0_mask.png and val/0_mask.png are two masks."""
    classes = ClassList(("a", "b"), ("a", "b"), ((255, 0, 0), (0, 255, 0)))
    looks = [Look("0_mask.png", "colour", counts, {}) for counts in ({255: 9, 7: 1}, {255: 5, 65280: 5})]
    with pytest.raises(DataError, match=r"1 pixels \(0.05 of all\) in 1 masks"):
        choose_rule(looks, classes, DataSettings())


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_survives_json(way: str, tmp_path: Path) -> None:
    make, classes = WAYS[way]
    item = save(tmp_path, make())
    rule, _, _ = choose_rule(look_at_masks([item]), classes, DataSettings())
    again = MaskRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert apply_rule(look_at_masks([item]), again, classes, DataSettings()) == ()


@pytest.mark.parametrize("value", [{}, {"colours": [["red", 0]], "values": [], "palette_as": "value"}, {"values": 3}])
def test_what_is_no_rule(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        MaskRule.from_dict(value)


def test_a_given_rule_is_not_inferred_again(tmp_path: Path) -> None:
    """Values 0 and 2 are the first and the last of three classes; a value that the rule lacks is an error."""
    rule, classes, _ = choose_rule(look_at_masks([save(tmp_path, Image.fromarray(TRUTH))]), None, DataSettings())
    fewer = save(tmp_path, Image.fromarray(np.where(TRUTH == 1, 0, TRUTH)), "fewer_mask.png")
    assert apply_rule(look_at_masks([fewer]), rule, classes, DataSettings()) == ("Without a pixel in any mask: '1'.",)
    more = save(tmp_path, Image.fromarray(TRUTH + 1), "more_mask.png")
    with pytest.raises(DataError, match=r"(?s)4 pixels .* not a class \(3\).*more_mask.png: 4 of 3"):
        apply_rule(look_at_masks([more]), rule, classes, DataSettings())


def test_palettes_that_contradict_those_that_were_learned_from(tmp_path: Path) -> None:
    """Classes without colours: values are read, and the palettes that they had are remembered."""
    rule, _, _ = choose_rule(look_at_masks([save(tmp_path, palette())]), NAMED, DataSettings())
    again = MaskRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert apply_rule(look_at_masks([save(tmp_path, palette())]), again, NAMED, DataSettings()) == ()
    turned = Image.fromarray(2 - TRUTH)
    turned.putpalette(COLOURS[::-1].tobytes())
    with pytest.raises(DataError, match=r"palettes of the masks differ .*is value . in others and . in 2_mask.png"):
        apply_rule(look_at_masks([save(tmp_path, turned, "2_mask.png")]), again, NAMED, DataSettings())
    other = Image.fromarray(TRUTH)
    other.putpalette((COLOURS // 2).tobytes())
    assert apply_rule(look_at_masks([save(tmp_path, other, "3_mask.png")]), again, NAMED, DataSettings()) == ()


def with_border(colour: tuple[int, int, int]) -> Image.Image:
    """A palette mask whose first pixel is 255, shown in `colour`."""
    pixels = TRUTH.copy()
    pixels[0, 0] = 255
    image = Image.fromarray(pixels)
    shown = np.zeros((256, 3), np.uint8)
    shown[:3], shown[255] = COLOURS, colour
    image.putpalette(shown.tobytes())
    return image


@pytest.mark.parametrize("colour", [(255, 0, 0), (224, 224, 192)])
@pytest.mark.parametrize("classes", [None, NAMED, THREE])
def test_an_ignored_value_may_have_the_colour_of_a_class(
    colour: tuple[int, int, int], classes: ClassList | None, tmp_path: Path
) -> None:
    indices, _, _ = read(save(tmp_path, with_border(colour)), classes, ignore=255)
    np.testing.assert_array_equal(indices.ravel(), [IGNORE_INDEX, *TRUTH.ravel()[1:]])


def test_an_ignored_value_of_other_masks(tmp_path: Path) -> None:
    """In masks of colours it is the grey; where palettes differ, no one knows; where it is nowhere, that is said."""
    pixels = COLOURS[TRUTH]
    pixels[0, 0] = 255
    indices, found, notes = read(save(tmp_path, Image.fromarray(pixels)), None, ignore=255)
    assert (indices[0, 0], found.ids, notes) == (IGNORE_INDEX, ("#0000ff", "#00ff00", "#ff0000"), "")
    turned = Image.fromarray(2 - TRUTH)
    turned.putpalette(COLOURS[::-1].tobytes())
    looks = look_at_masks([save(tmp_path, palette()), save(tmp_path, turned, "2_mask.png")])
    for classes in (None, THREE):
        with pytest.raises(DataError, match=r"data\.ignore = 0 names a value, but the palettes of the masks differ"):
            choose_rule(looks, classes, DataSettings(ignore=0))
    assert "data.ignore names 77, which no mask holds." in read(save(tmp_path, palette()), None, ignore=77)[2]


def test_masks_that_may_count_from_one_are_told(tmp_path: Path) -> None:
    """Values 1 and 2 of three classes: the third may be absent, or the first."""
    item = save(tmp_path, Image.fromarray(np.where(TRUTH == 2, 1, 2).astype(np.uint8)))
    assert "No mask holds value 0, which is read as 'a'; the values are 1 to 2." in read(item, NAMED)[2]
    assert "No mask holds" not in read(item, ClassList(("1", "2", "3"), ("a", "b", "c")))[2]
