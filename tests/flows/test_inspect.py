"""`finesight inspect`: what is said of a data set, in three forms, and with which exit code."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import draw_classes, finesight, train
from PIL import Image

from finesight import inspect


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Three classes in train and val, with everything wrong that labelled images can have."""
    root = tmp_path / "faulty"
    draw_classes(root / "train", per_class=12)
    draw_classes(root / "val", per_class=2, first=100, classes=("red", "green"))
    train = root / "train"
    (train / "red_3.png").write_bytes((train / "red_3.png").read_bytes()[:200])
    shutil.copy(train / "red_0.png", train / "green_0.png")
    shutil.copy(train / "blue_5.png", root / "val" / "blue_5.png")
    Image.new("RGB", (24, 24), "white").save(train / "blue_7.png")
    return root


def test_what_is_well_is_said_to_be_well(tmp_path: Path) -> None:
    answer = finesight("inspect", draw_noise(tmp_path / "well"))
    assert answer.code == 0, answer.out
    assert "name_prefix, classification" in answer.out
    assert "24 images: 22 train, 2 val (as training would split them)" in answer.out
    assert "0 errors, 0 warnings, 0 notes." in answer.out


def draw_noise(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{'cat' if number % 2 else 'dog'}_{number}.png")
    return folder


def test_all_faults_are_told_at_once(faulty: Path) -> None:
    answer = finesight("inspect", faulty, "--json")
    assert answer.code == 1
    result = answer.json()
    assert {"format", "num_samples", "classes", "problems"} <= set(result)
    assert (result["format"], result["num_samples"]) == ("name_prefix", 41)
    assert result["classes"] == ["blue", "green", "red"]
    assert result["class_counts"]["val"] == {"blue": 1, "green": 2, "red": 2}
    problems = {problem["code"]: problem for problem in result["problems"]}
    assert problems["D101"]["keys"] == ["train/red_3.png"]
    assert problems["D106"]["keys"] == ["train/blue_7.png"]
    assert problems["D201"]["keys"] == ["train/green_0.png", "train/red_0.png"]
    assert problems["D203"]["keys"] == ["train/blue_5.png", "val/blue_5.png"]
    severities = [problem["severity"] for problem in result["problems"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert json.loads(json.dumps(inspect(faulty).to_dict())) == result


def test_the_text_says_the_same(faulty: Path) -> None:
    text = finesight("inspect", faulty).out
    for problem in finesight("inspect", faulty, "--json").json()["problems"]:
        assert f"{problem['severity']} {problem['code']}: {problem['title']}" in text
        assert problem["message"] in text
    assert "train/green_0.png (train, green) = train/red_0.png (train, red)" in text


def test_checks_can_be_ignored(faulty: Path) -> None:
    codes = [problem.code for problem in inspect(faulty).problems]
    result = inspect(faulty, ignore=codes)
    assert (result.problems, result.is_fit) == ((), True)
    assert list(result.ignored) == sorted(codes)
    answer = finesight("inspect", faulty, "--ignore", "D101", "--ignore", "D201")
    assert "2 checks ignored: D101, D201" in answer.out
    assert "error D101" not in answer.out
    assert "Did you mean 'D101'?" in finesight("inspect", faulty, "--ignore", "d101").error()


def test_the_page_shows_the_images(faulty: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "page.html"
    out.parent.mkdir()
    answer = finesight("inspect", faulty, "--html", out)
    assert answer.code == 1
    page = out.read_text(encoding="utf-8")
    assert 'class="tile sheet-0"' in page
    assert "train/green_0.png (train, green) = train/red_0.png (train, red)" in page
    assert "no image: train/red_3.png" in page
    assert not [word for word in ("http://", "https://") if f'src="{word}' in page or f'href="{word}' in page]


def test_masks_with_every_fault(tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        mask = np.zeros((40, 40, 3), np.uint8)
        mask[:, 20:] = (255, 255, 0)
        if number == 2:
            mask[7, 9] = (255, 0, 0)
        folder = root / ("val" if number > 5 else "train")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:04}_sat.jpg", quality=95)
        Image.fromarray(mask[: 30 if number == 3 else 40]).save(folder / f"{number:04}_mask.png")
    (root / "train" / "0000_mask.png").unlink()
    (root / "train" / "0001_sat.jpg").write_bytes(b"\xff\xd8\xff")
    answer = finesight("inspect", root, "--classes", "deepglobe", "--json")
    assert answer.code == 1
    problems = {problem["code"]: problem for problem in answer.json()["problems"]}
    assert problems["D101"]["keys"] == ["train/0001_sat.jpg"]
    assert problems["D102"]["keys"] == ["train/0000_sat.jpg"]
    assert problems["D104"]["keys"] == ["train/0003_sat.jpg"]
    assert problems["D401"]["keys"] == ["train/0002_sat.jpg"]
    assert "1 pixel of #ff0000 at (row, column) (7, 9)" in problems["D401"]["examples"][0]["text"]
    page = tmp_path / "page.html"
    finesight("inspect", root, "--classes", "deepglobe", "--html", page)
    assert 'title="mask of train/0002_sat.jpg"' in page.read_text(encoding="utf-8")


def test_a_split_that_keeps_copies_together(tmp_path: Path) -> None:
    """The leak of a random split is told, and gone from the split that is written, which trains."""
    images = draw_noise(tmp_path / "data" / "train")
    for number in range(0, 24, 2):
        shutil.copy(images / f"dog_{number}.png", images / f"dog_{number + 100}.png")
    assert "D203" in finesight("inspect", images).out
    table = tmp_path / "data" / "split.csv"
    answer = finesight("inspect", images, "--split", table, "--set", "data.val_fraction=0.25")
    assert answer.code == 1  # of the data as they came
    assert f"Split that keeps scenes and copies together: {table} (27 train, 9 val)" in answer.out
    rows = dict(line.rsplit(",", 1) for line in table.read_text().splitlines()[1:])
    assert all(rows[f"train/dog_{n}.png,dog"] == rows[f"train/dog_{n + 100}.png,dog"] for n in range(0, 24, 2))
    after = finesight("inspect", table)
    assert after.code == 0, after.out
    trained = train(table, tmp_path / "run")
    assert trained.code == 0, trained.err
    assert "27 train, 9 val" in trained.err


def test_a_split_that_cannot_be_made(tmp_path: Path) -> None:
    images = draw_noise(tmp_path / "data")
    answer = finesight("inspect", images, "--split", tmp_path / "elsewhere" / "split.csv")
    assert "A manifest must lie above all its images" in answer.error()
    assert f"but {str(images / 'split.csv')!r} does" in answer.error()
    assert not (tmp_path / "elsewhere").exists()
    for image in images.iterdir():
        shutil.copy(images / "cat_1.png", image) if image.name != "cat_1.png" else None
    assert "No image can be held out" in finesight("inspect", images, "--split", tmp_path / "split.csv").error()
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(images / "cat_1.png", loose / "1.png")
    assert "nothing to train on" in finesight("inspect", loose, "--split", tmp_path / "split.csv").error()
    assert not (tmp_path / "split.csv").exists()


def test_masks_in_a_split(tmp_path: Path) -> None:
    """A scene cut into crops, none of which the other part adjoins."""
    noise = np.random.default_rng(0).integers(0, 256, (192, 208), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(noise).resize((832, 768), Image.Resampling.BICUBIC))
    folder = tmp_path / "crops"
    folder.mkdir()
    for number, (top, left) in enumerate(itertools.product(range(0, 768, 64), range(0, 832, 64))):
        if left == 384:  # country in between that was not photographed
            continue
        Image.fromarray(scene[top : top + 64, left : left + 64]).save(folder / f"{number:03}.png")
        Image.fromarray(np.eye(64, dtype=np.uint8)).save(folder / f"{number:03}_mask.png")
    assert "D205" in finesight("inspect", folder).out
    table = tmp_path / "split.csv"
    answer = finesight("inspect", folder, "--split", table, "--set", "data.val_fraction=0.5")
    assert f"{table} (" in answer.out
    header, *rows = (line.split(",") for line in table.read_text().splitlines())
    assert header == ["image", "mask", "split"]
    assert len(rows) == 144
    assert 0 < sum(split == "val" for _, _, split in rows) <= 72
    assert all(mask == image.replace(".png", "_mask.png") for image, mask, _ in rows)
    after = finesight("inspect", table)
    assert "mask_manifest, segmentation" in after.out
    assert "D205" not in after.out


def test_rows_of_a_manifest_are_all_told(small: Path) -> None:
    rows = [f"{path.name},{path.stem.split('_')[0]}" for path in sorted(small.glob("*.png"))]
    table = small / "list.csv"
    table.write_text("path,label\n" + "\n".join([*rows, "gone.png,red", "../away.png,red", rows[0] + "2"]) + "\n")
    result = finesight("inspect", table, "--json").json()
    assert result["num_samples"] == 12
    (problem,) = [problem for problem in result["problems"] if problem["code"] == "D001"]
    assert [example["text"].split(", row ")[1][:2] for example in problem["examples"]] == ["14", "15", "16"]


def test_images_without_labels_are_inspected_all_the_same(tmp_path: Path) -> None:
    root = tmp_path / "unlabelled"
    root.mkdir()
    for number in range(3):
        shutil.copy(draw_noise(tmp_path / f"noise{number}") / "dog_0.png", root / f"IMG {number}.png")
    answer = finesight("inspect", root, "--json")
    assert answer.code == 1
    assert {problem["code"] for problem in answer.json()["problems"]} == {"D001", "D207"}


def test_settings_of_the_data_are_heeded(tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    root.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        mask = np.zeros((20, 20), np.uint8)
        mask[:, 10:] = 1
        mask[0, 0] = 255
        Image.fromarray(pixels).save(root / f"{number}_sat.png")
        Image.fromarray(mask).save(root / f"{number}_mask.png")
    page = tmp_path / "page.html"
    answer = finesight("inspect", root, "--html", page)
    assert "A border value that is not in the class list" in answer.out
    assert "800  50.0 %" in answer.out  # pixels of value 1, of which no class can be made yet
    assert 'data-value="255"' in page.read_text(encoding="utf-8")
    assert finesight("inspect", root, "--set", "data.ignore=255").code == 0


def test_what_cannot_be_inspected_is_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in finesight("inspect", tmp_path / "nowhere").error()
    (tmp_path / "empty").mkdir()
    assert "no images" in finesight("inspect", tmp_path / "empty").error()
    draw_classes(tmp_path / "data", per_class=2)
    nowhere = tmp_path / "data" / "red_0.png" / "page.html"
    assert "cannot be written" in finesight("inspect", tmp_path / "data", "--html", nowhere).error()


def test_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    root = draw_noise(tmp_path / "hostile")
    name = "cat_\x1b[31m<b>1.png"
    shutil.copy(root / "dog_0.png", root / name)
    page = tmp_path / "page.html"
    answer = finesight("inspect", root, "--html", page)
    assert answer.code == 1
    assert "\x1b" not in answer.out
    assert "<b>1.png" not in page.read_text(encoding="utf-8")
    assert json.loads(finesight("inspect", root, "--json").out)["problems"][0]["keys"] == [name, "dog_0.png"]


def test_it_does_not_wait_for_torch(tmp_path: Path) -> None:
    """Nor hold its memory: only the page needs what else a report needs."""
    folder = str(draw_noise(tmp_path / "well"))
    program = f"import sys, finesight; finesight.inspect({folder!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
