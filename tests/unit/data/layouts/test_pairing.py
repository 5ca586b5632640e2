"""Images and masks matched by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.data.layouts.names import folder_kind, name_kind, stem_words, take_apart
from finesight.data.layouts.pairing import UnclearPairs, find_pairs, glob_of, pair_names


def keys(*patterns: str, count: int = 6) -> tuple[str, ...]:
    return tuple(sorted(pattern.format(number) for pattern in patterns for number in range(count)))


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("JPEGImages", "image"),
        ("2_Ortho_RGB", "image"),
        ("train-org-img", "image"),
        ("SegmentationClassPNG", "mask"),
        ("SegmentationClassVisualization", "other"),
        ("SegmentationObject", "other"),
        ("trainannot", "mask"),
        ("Ground Truth", "mask"),
        ("gts_for_participants", "mask"),
        ("fox", ""),
        ("training", ""),
        ("masked_owl", ""),
    ],
)
def test_what_a_folder_says(folder: str, kind: str) -> None:
    assert folder_kind(folder) == kind


@pytest.mark.parametrize(
    ("stem", "kind"),
    [("7_mask", "mask"), ("mask7", "mask"), ("7_m", "mask"), ("m_7", ""), ("7_instance_color_RGB", "mask"), ("7", "")],
)
def test_what_a_name_says(stem: str, kind: str) -> None:
    assert name_kind(stem) == kind


def test_names_are_the_same_words() -> None:
    assert stem_words("Tile_007") == stem_words("tile-7.PNG") == stem_words("TILE 7") == ("tile", "7")
    assert stem_words("task-12-annotation-3-by-1-tag-road-0") == ("12",)
    assert stem_words("3f2a1b8c-tile_7") == ("tile", "7")
    assert stem_words("e\u0301te\u0301_1") == stem_words("\u00e9t\u00e9_1")


def test_words_that_all_names_have_say_nothing() -> None:
    names = take_apart(["images/label_1.png", "images/label_2.png", "masks/label_1.png"])
    assert [name.stem for name in names] == ["label_1", "label_2", "label_1"]


def test_halves_without_partner_are_told() -> None:
    found = find_pairs((*keys("images/{}.png", "masks/{}.png"), "images/8.png", "masks/9.png"))
    assert found is not None
    assert [name.key for name in found.images] == ["images/8.png"]
    assert [name.key for name in found.masks] == ["masks/9.png"]


def test_padded_and_plain_numbers_may_stand_side_by_side() -> None:
    found = find_pairs(("images/01.png", "images/1.png", "masks/01.png", "masks/1.png"))
    assert found is not None
    assert {(image.stem, mask.stem) for image, mask in found.pairs} == {("01", "01"), ("1", "1")}


def test_two_files_of_one_half_are_twins() -> None:
    found = find_pairs((*keys("images/{}.jpg", "masks/{}.png", count=20), "images/3.png"))
    assert found is not None
    assert {name.key for name in found.twins} == {"images/3.jpg", "images/3.png"}


def test_several_kinds_of_masks_are_unclear() -> None:
    with pytest.raises(UnclearPairs, match=r"'labels/\*\.png' and 'masks/\*\.png' could both be the masks"):
        find_pairs(keys("images/{}.jpg", "masks/{}.png", "labels/{}.png"))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30, unique=True), st.sampled_from(["", "a_", "ab-c_"]))
def test_every_number_finds_its_mask(numbers: list[int], start: str) -> None:
    images = [f"x/{number}.jpg" for number in numbers]
    found = pair_names(images, [f"y/{start}{number:07}_z.png" for number in numbers])
    assert len(found.pairs) == len(numbers)
    for image, mask in found.pairs:
        assert int(image.stem) == int(mask.key.removesuffix("_z.png")[-7:])


@given(
    st.lists(st.text(min_size=1, max_size=12).filter(lambda text: "/" not in text and "\0" not in text), max_size=20)
)
def test_any_names_are_taken_apart(texts: list[str]) -> None:
    for name in take_apart([f"{text}/{text}.png" for text in texts]):
        assert name.words
        assert name.exact


def test_a_glob_holds_its_files() -> None:
    assert glob_of(["a/x/1_m.png", "a/y/12_m.png"]) == "a/*/*_m.png"
    assert glob_of(["7.png"]) == "7.png"


def test_many_files() -> None:
    """What grows with the square of their number would end at the limit of every test."""
    many = (*(f"images/train/{number}.jpg" for number in range(20_000)),)
    found = find_pairs((*many, *(f"masks/train/klass_{number:06}_x.png" for number in range(20_000))))
    assert found is not None
    assert len(found.pairs) == 20_000
    assert find_pairs(tuple(f"{number % 100}/{number}.png" for number in range(20_000))) is None
