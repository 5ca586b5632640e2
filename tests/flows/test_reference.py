"""`make reference`: from the course's folders to one report in the reference's order, and nothing twice."""

import html
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight import FinesightError
from finesight.app.reference import SCALES, find_data, reference
from finesight.data.class_files import load_classes
from tiny import write_images

SCRIPT = Path(__file__).parents[2] / "benchmarks/reference.py"
TINY = {  # networks of a few thousand weights: a checkpoint of FCN32s has half a gigabyte
    "model.name": "fcn/timm/test_resnet",
    "model.weights": "none",
    "model.freeze_before": "",
    "image.size": (32, 32),
    "data.limit": 9,
    "batch_size": 4,
    "machine.threads": 1,
}
TINY_SCALE = {"classify": TINY | {"model.name": "timm/test_resnet"}, "fcn32s": TINY, "fcn8s": TINY}


def write_scenes(folder: Path, numbers: range, side: int = 64) -> None:
    """`NNNN_sat.jpg` and `NNNN_mask.png`: halves of two classes, so that every split knows both."""
    folder.mkdir(parents=True)
    colours = np.array(load_classes("deepglobe").colours, np.uint8)
    for number in numbers:
        mask = np.where(np.arange(side)[:, None] < side // 2 + number, 1, 3) * np.ones((1, side), int)
        Image.fromarray(colours[mask]).save(folder / f"{number:04}_mask.png")
        Image.fromarray(colours[mask] // 2 + 40).save(folder / f"{number:04}_sat.jpg")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the course gave it, unpacked into folders of the archives' names; without p2's validation folder."""
    root = tmp_path_factory.mktemp("course")
    write_images(root / "p1/p1_data/train_50", per_class=4)
    write_images(root / "p1/p1_data/val_50", per_class=2, first=4)
    write_scenes(root / "p2_data/train", range(10))
    return root


def run_script(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "small", TINY_SCALE)
        patch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")


def test_one_command_trains_and_reports_and_a_second_does_nothing(
    course: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = (course, "--scale", "small", "--out", out, "--set", "epochs=1")
    run_script(*command)
    assert capfd.readouterr().out == f"{out / 'report.html'}\n"
    page = html.unescape((out / "report.html").read_text(encoding="utf-8"))
    shown = ["Problem 1", 'id="reference"', 'id="architecture"', 'id="verdict"', 'id="projection"', 'id="similar"']
    shown += ['id="reference"', 'id="architecture"', 'id="verdict"', 'id="snapshots"']
    at = 0
    for part in shown:
        at = page.index(part, at) + 1
    for text in ("0.862", "0.676", "0.696", "lacks the images whose masks", "no validation folder"):
        assert text in page

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    run_script(*command)
    said = capfd.readouterr()
    assert said.out == f"{out / 'report.html'}\n"
    assert said.err.count("is finished") == 3
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    with pytest.raises(FinesightError, match="was trained with batch_size = 4; continuing with 32"):
        reference(course, scale="small", out=out, settings={"model.weights": "none", "epochs": 1})


def test_weights_that_cannot_be_had_stop_it_before_anything_is_trained(course: Path, tmp_path: Path) -> None:
    settings = {"model.weights": str(tmp_path / "missing.pth")}
    with pytest.raises(FinesightError, match="Nothing was trained"):
        reference(course, out=tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()


def test_missing_data_are_named(tmp_path: Path) -> None:
    (tmp_path / "p1_data/train_50").mkdir(parents=True)
    with pytest.raises(FinesightError, match="lacks p1_data/val_50, p2_data/train: name the folder"):
        find_data(tmp_path)


def test_the_named_images_are_watched_where_the_validation_folder_has_them(course: Path, tmp_path: Path) -> None:
    (tmp_path / "p1_data").symlink_to(course / "p1/p1_data")
    (tmp_path / "p2_data").mkdir()
    (tmp_path / "p2_data/train").symlink_to(course / "p2_data/train")
    (tmp_path / "p1_class_names.json").write_text("{}")
    write_scenes(tmp_path / "p2_data/validation", range(10, 11))
    assert find_data(tmp_path)["fcn8s"]["snapshots.images"] == ()
    for name in ("0097_sat.jpg", "0107_sat.jpg"):
        (tmp_path / "p2_data/validation" / name).touch()
    found = find_data(tmp_path)
    assert found["fcn8s"] == {
        "data.root": str(tmp_path / "p2_data/train"),
        "data.val": str(tmp_path / "p2_data/validation"),
    }
    assert found["classify"]["data.classes"] == str(tmp_path / "p1_class_names.json")
