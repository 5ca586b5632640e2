"""Images and masks through the commands: what is paired, what is not, and that inspect and train say the same."""

import shutil
from pathlib import Path

import pytest
from commands import finesight, refused, train

from layouts import LAYOUTS, draw_mask, draw_photo, make_layout

SEGMENTER = {"model__name": "fcn/timm/test_resnet", "film__count": 1, "batch_size": 2, "data__val_share": 0.25}


def draw_pairs(root: Path, images: int = 8, masks: int = 8, ending: str = "png") -> Path:
    for number in range(images):
        draw_photo(root / "images" / f"{number}.{ending}", number)
    for number in range(masks):
        draw_mask(root / "masks" / f"{number}.png", number)
    return root


@pytest.mark.parametrize("name", ["VOC", "labelme2voc", "Potsdam", "prefixes", "case", "overlays"])
def test_pairs_are_a_segmentation(name: str, tmp_path: Path) -> None:
    make_layout(LAYOUTS[name], tmp_path / "data")
    result = finesight("inspect", tmp_path / "data", "--json").json()
    assert (result["format"], result["task"]) == (LAYOUTS[name].format, "segmentation")
    assert result["splits"] == LAYOUTS[name].splits
    assert not [problem["code"] for problem in result["problems"] if problem["severity"] == "error"]


@pytest.mark.parametrize(
    ("images", "masks", "says"), [(8, 9, "mask '8.png' has no image '8.png'"), (9, 8, "'images/8.png' has no mask")]
)
def test_a_missing_half_is_missed(images: int, masks: int, says: str, tmp_path: Path) -> None:
    """Though all endings are equal: no file is its own partner, nor is one of the other kind."""
    data = draw_pairs(tmp_path / "data", images, masks)
    answer = finesight("inspect", data, "--json")
    assert answer.code == 1
    problems = {problem["code"]: problem for problem in answer.json()["problems"]}
    assert says.replace("'", "") in problems["D102"]["examples"][0]["text"]
    assert "of 9 pairs" in train(data, tmp_path / "run", **SEGMENTER).err
    refused(train(data, tmp_path / "run", **SEGMENTER), tmp_path / "run", "1 of 9 pairs")
    assert says in train(data, tmp_path / "run", **SEGMENTER).err


def test_masks_for_a_part_of_the_images(tmp_path: Path) -> None:
    data = draw_pairs(tmp_path / "data", 10, 4, "jpg")
    answer = finesight("inspect", data)
    assert answer.code == 1
    assert "mask_folders, segmentation" in answer.out
    assert "6 pairs incomplete" in answer.out
    assert "`--set data.unmasked=skip` leaves out the 6 without a mask." in answer.out
    refused(train(data, tmp_path / "run", **SEGMENTER), tmp_path / "run", "6 of 10", "data.unmasked=skip")
    skipping = SEGMENTER | {"data__unmasked": "skip"}
    answer = train(data, tmp_path / "run", **skipping)
    assert answer.code == 0, answer.err
    assert "6 images without a mask left out, as data.unmasked = skip; 4 are used." in answer.err
    result = finesight("inspect", data, "--set", "data.unmasked=skip", "--json").json()
    assert result["num_samples"] == 4
    assert "D102" not in {problem["code"] for problem in result["problems"]}
    answer = finesight("evaluate", tmp_path / "run")
    assert answer.code == 0, answer.err


def test_patterns_pair_any_layout(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(6):
        draw_photo(data / "aufnahmen" / str(number % 2) / f"bild-{number:03}.png", number)
        draw_mask(data / "flächen" / f"{number}_fertig.png", number)
        draw_photo(data / "aufnahmen" / "skizze" / f"alt-{number}.png", number + 50)
    patterns = ("--images", "aufnahmen/**/bild-*.png", "--masks", "flächen")
    result = finesight("inspect", data, *patterns, "--json").json()
    assert (result["format"], result["num_samples"]) == ("mask_folders", 6)
    answer = train(data, tmp_path / "run", *patterns, **SEGMENTER)
    assert answer.code == 0, answer.err
    assert "6 of 6 images and of 6 masks are pairs by their names." in answer.err
    assert finesight("evaluate", tmp_path / "run").code == 0
    copy = shutil.copytree(data, tmp_path / "copy")
    answer = finesight("evaluate", tmp_path / "run", "--data", copy, "--split", "other")
    assert answer.code == 0, answer.err
    (copy / "aufnahmen").rename(copy / "photos")
    answer = finesight("evaluate", tmp_path / "run", "--data", copy, "--images", "photos/[01]/*", "--masks", "flächen")
    assert answer.code == 0, answer.err
    assert "name them with --data" in finesight("evaluate", tmp_path / "run", "--images", "photos/*").error()
    absolute = ("--images", data / "aufnahmen/0/*.png", "--masks", data / "flächen" / "*.png")
    result = finesight("inspect", data / "aufnahmen", *absolute, "--json").json()
    assert result["num_samples"] == 6  # of which three are masks without an image


@pytest.mark.parametrize(
    ("patterns", "says"),
    [
        (("--images", "images/*.png"), "--images and --masks go together"),
        (("--images", "images/*", "--masks", "labels/*"), "--masks 'labels/*' names no file"),
        (("--images", "images/*", "--masks", "images/*"), "name the same files"),
        (("--images", "images/*", "--masks", "masks/*", "--format", "class_folders"), "--format says class_folders"),
    ],
)
def test_patterns_that_name_nothing_right(patterns: tuple[str, ...], says: str, tmp_path: Path) -> None:
    data = draw_pairs(tmp_path / "data")
    assert says in finesight("inspect", data, *patterns).error()
    refused(train(data, tmp_path / "runs" / "run", *patterns, **SEGMENTER), tmp_path / "runs" / "run", says)
