"""A run's splits are the run's: whatever happens to the data afterwards, no trained image is scored as validation."""

import shutil
from pathlib import Path

import pytest
from commands import copy_story, draw, draw_classes, finesight, read_rows, train

from finesight.run.folder import RunFolder


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in `run` on 3 × 10 images in `data`, without a split of their own."""
    home = tmp_path_factory.mktemp("splits")
    draw_classes(home / "data", per_class=10)
    answer = train(home / "data", home / "run", data__val_share=0.2)
    assert answer.code == 0, answer.err
    return home


@pytest.fixture
def home(story: Path, tmp_path: Path) -> Path:
    """A copy whose data can be changed."""
    return copy_story(story, tmp_path / "home")


def scored(run: Path, split: str = "val") -> set[str]:
    return {row["key"] for row in read_rows(run / "evaluation" / split / "predictions.csv")}


def keys(run: Path, split: str) -> list[str]:
    return [key for key, _ in RunFolder(run).read_splits()[split]]


@pytest.mark.parametrize("command", ["evaluate", "embed", "report", "findings", "labels"])
def test_new_images_move_no_split(home: Path, command: str) -> None:
    run = home / "run"
    shutil.rmtree(run / "evaluation")
    draw_classes(home / "data", per_class=8, first=900)
    answer = finesight(command, run)
    assert answer.code == 0, answer.err
    assert scored(run) == set(keys(run, "val"))
    assert "in none of the run's splits: 24 images, such as" in answer.err
    assert "'blue_900.png'" in answer.err


def test_removed_images_move_no_split(home: Path) -> None:
    run = home / "run"
    gone = keys(run, "val")[::2]
    for key in gone:
        (home / "data" / key).unlink()
    answer = finesight("evaluate", run, "--json")
    assert answer.json()["num_samples"] == 3
    assert scored(run) == set(keys(run, "val")) - set(gone)
    assert f"missing since training: 3 of the 6 images of split 'val', such as {gone[0]!r}" in answer.err


def test_a_split_of_which_nothing_is_left(home: Path) -> None:
    for key in keys(home / "run", "val"):
        (home / "data" / key).unlink()
    assert "All 6 images of split 'val'" in finesight("evaluate", home / "run").error()


def test_data_that_are_gone(home: Path) -> None:
    shutil.rmtree(home / "data")
    line = finesight("evaluate", home / "run").error()
    assert "does not exist" in line
    assert str(home / "run") in line
    answer = finesight("report", home / "run")
    assert answer.code == 0
    assert "has no images" in answer.err


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A run in `run` on a CSV, `data/list.csv`, whose rows tell the split of ten images a class."""
    draw_classes(tmp_path / "data", per_class=10)
    write_table(tmp_path / "data", {})
    assert train(tmp_path / "data/list.csv", tmp_path / "run").code == 0
    return tmp_path


def write_table(folder: Path, changed: dict[str, tuple[str, str]]) -> None:
    """changed: (label, split) by key."""
    lines = ["path,label,split"]
    for path in sorted(folder.glob("*.png")):
        label, number = path.stem.split("_")
        split = "train" if int(number) < 6 else "val" if int(number) < 8 else "test"
        lines.append(",".join((path.name, *changed.get(path.name, (label, split)))))
    (folder / "list.csv").write_text("\n".join(lines) + "\n")


def test_a_table_that_calls_trained_images_val_and_test_now(table: Path) -> None:
    moved = {"red_0.png": ("red", "val"), "red_1.png": ("red", "test"), "red_6.png": ("red", "test")}
    write_table(table / "data", moved)
    assert finesight("evaluate", table / "run").code == 0
    assert scored(table / "run") == {f"{name}_{n}.png" for name in ("red", "green", "blue") for n in (6, 7)}
    answer = finesight("evaluate", table / "run", "--split", "test")
    assert scored(table / "run", "test") == {f"{name}_{n}.png" for name in ("red", "green", "blue") for n in (8, 9)}
    assert "trained or validated on them: 2 images of split 'test', such as 'red_1.png'" in answer.err


def test_a_test_split_that_holds_a_copy_of_a_trained_image(table: Path) -> None:
    shutil.copy(table / "data/red_0.png", table / "data/red_99.png")
    write_table(table / "data", {})
    answer = finesight("evaluate", table / "run", "--split", "test")
    assert "1 of the 7 images of split 'test' are those the run was trained on, such as 'red_99.png'" in answer.err


def test_labels_that_were_corrected(table: Path) -> None:
    write_table(table / "data", {"red_6.png": ("blue", "val"), "red_7.png": ("purple", "val")})
    answer = finesight("evaluate", table / "run")
    rows = {row["key"]: row["target"] for row in read_rows(table / "run/evaluation/val/predictions.csv")}
    assert (len(rows), rows["red_6.png"]) == (5, "blue")
    assert "1 image has another label" in answer.err
    assert "'red_6.png': 'red' then, 'blue' now" in answer.err
    assert "not have class 'purple'" in answer.err


def test_a_row_from_another_folder_moves_no_key(tmp_path: Path) -> None:
    """Keys are relative to the folder that all images of a CSV lie in, which the new row changes."""
    draw_classes(tmp_path / "disk/a", per_class=10)
    draw(tmp_path / "disk/b/new.png", "red", seed=77)
    rows = [f"{path},{path.stem.split('_')[0]}" for path in sorted((tmp_path / "disk/a").glob("*.png"))]
    table = tmp_path / "lists/list.csv"
    table.parent.mkdir()
    table.write_text("\n".join(["path,label", *rows]))
    assert train(table, tmp_path / "run").code == 0
    before = scored(tmp_path / "run")
    table.write_text("\n".join(["path,label", *rows, f"{tmp_path / 'disk/b/new.png'},red"]))
    answer = finesight("evaluate", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert "'../b/new.png'" in answer.err
    assert scored(tmp_path / "run") == before
    assert finesight("train", "--resume", "--out", tmp_path / "run").code == 0


# -- other data


def test_other_data_are_matched_by_name(home: Path) -> None:
    for folder, colour in (("RED", "red"), ("green", "green"), ("purple", "blue"), ("pink", "red")):
        for number in range(3):
            draw(home / "other" / folder / f"{number}.png", colour, seed=500 + number)
    answer = finesight("evaluate", home / "run", "--data", home / "other", "--json")
    assert (answer.json()["num_samples"], answer.json()["split"]) == (6, "test")
    assert {row["target"] for row in read_rows(home / "run/evaluation/test/predictions.csv")} == {"red", "green"}
    assert "not have class 'pink', 'purple': 6 of its images" in answer.err
    assert "Without an image" in answer.err


def test_other_data_of_a_single_class(home: Path) -> None:
    for number in range(3):
        draw(home / "other/blue" / f"{number}.png", "blue", seed=500 + number)
    result = finesight("evaluate", home / "run", "--data", home / "other", "--json").json()
    assert result["num_samples"] == 3


def test_other_data_that_share_no_class(home: Path) -> None:
    draw(home / "other/cat/0.png", "blue")
    draw(home / "other/dog/0.png", "red")
    line = finesight("evaluate", home / "run", "--data", home / "other").error()
    assert "'cat', 'dog'" in line
    assert "'blue', 'green', 'red'" in line
    assert not (home / "run/evaluation/test").exists()


def test_other_data_that_were_trained_on(home: Path) -> None:
    """The data themselves, and a copy of some under the same names."""
    answer = finesight("evaluate", home / "run", "--data", home / "data")
    assert "24 of the 30 images" in answer.err
    assert "trained on" in answer.err
    for key in keys(home / "run", "train")[:2]:
        (home / "other").mkdir(exist_ok=True)
        shutil.copy(home / "data" / key, home / "other" / key.replace("_", "_99"))  # renamed, too
    draw_classes(home / "other", per_class=2, first=800)
    answer = finesight("evaluate", home / "run", "--data", home / "other")
    assert "2 of the 8 images" in answer.err


def test_other_data_with_a_split_called_as_the_runs_own(home: Path) -> None:
    draw_classes(home / "other/train", per_class=2, first=700)
    draw_classes(home / "other/val", per_class=2, first=800)
    before = (home / "run/evaluation/val/predictions.csv").read_bytes()
    answer = finesight("evaluate", home / "run", "--data", home / "other", "--json")
    assert "saved as split 'other_val', as the run has its own split 'val'" in answer.err
    assert (answer.json()["split"], answer.json()["num_samples"]) == ("other_val", 6)
    assert (home / "run/evaluation/val/predictions.csv").read_bytes() == before
    assert len(scored(home / "run", "other_val")) == 6


def test_data_that_were_moved(home: Path) -> None:
    (home / "data").rename(home / "moved")
    assert "If they were moved, set data.root" in finesight("evaluate", home / "run").error()
    answer = finesight("evaluate", home / "run", "--data", home / "moved")
    assert "24 of the 30 images" in answer.err


def test_other_data_with_masks(home: Path) -> None:
    for name in ("1_sat.png", "1_mask.png"):
        draw(home / "other" / name, "red")
    assert "is a run of classification" in finesight("evaluate", home / "run", "--data", home / "other").error()
