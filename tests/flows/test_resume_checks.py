"""Going on with a run: refused where labels or classes changed, said where nothing is left, further where asked to."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from commands import copy_story, draw_classes, finesight, train

from finesight.app.prove_resume import compare_files


def write_table(folder: Path, renamed: dict[str, str]) -> Path:
    rows = [
        f"{path.name},{renamed.get(label := path.stem.split('_')[0], label)}" for path in sorted(folder.glob("*.png"))
    ]
    (folder / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    return folder / "list.csv"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("resume")
    draw_classes(home / "data", per_class=8)
    answer = train(write_table(home / "data", {}), home / "run", epochs=2)
    assert answer.code == 0, answer.err
    return home


@pytest.fixture
def home(story: Path, tmp_path: Path) -> Path:
    return copy_story(story, tmp_path / "home")


CHANGES = {
    "swapped": ({"red": "blue", "blue": "red"}, ("'blue' then, 'red' now", "16 images")),
    "renamed": ({"blue": "zebra"}, ("'blue' is missing and 'zebra' is new",)),
    "merged": ({"blue": "red"}, ("'blue' is missing",)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("checkpoint", [True, False])
def test_labels_that_changed(home: Path, change: str, checkpoint: bool) -> None:
    renamed, words = CHANGES[change]
    write_table(home / "data", renamed)
    if not checkpoint:  # as if it had been killed before the first
        shutil.rmtree(home / "run/checkpoints")
    line = finesight("train", "--resume", "--out", home / "run").error()
    for word in words[:1]:
        assert word in line
    assert "mix two runs" in line


def test_one_corrected_label(home: Path) -> None:
    table = home / "data/list.csv"
    table.write_text(table.read_text().replace("red_3.png,red", "red_3.png,blue"))
    line = finesight("train", "--resume", "--out", home / "run").error()
    assert "1 image of" in line
    assert "'red_3.png': 'red' then, 'blue' now" in line


def test_new_images_are_left_out_and_gone_ones_refused(home: Path, story: Path) -> None:
    draw_classes(home / "data", per_class=5, first=900)
    write_table(home / "data", {})
    answer = finesight("train", "--resume", "--out", home / "run")
    assert "in none of the run's splits: 15 images" in answer.err
    _, different = compare_files(home / "run", story / "run")
    assert different == ["config.toml"]
    (home / "data/red_3.png").unlink()
    write_table(home / "data", {})
    line = finesight("train", "--resume", "--out", home / "run").error()
    assert "1 image of split" in line
    assert "'red_3.png'" in line


def test_a_finished_run_says_so(home: Path, story: Path) -> None:
    answer = finesight("train", "--resume", "--out", home / "run", "--json")
    assert answer.code == 0
    assert answer.json()["best_epoch"] in (1, 2)
    assert "is finished: 2 of 2 epochs" in answer.err
    assert "Epoch 3" not in answer.err
    _, different = compare_files(home / "run", story / "run")
    assert different == ["config.toml"]  # its data were copied


def test_more_epochs(home: Path) -> None:
    run = home / "run"
    assert finesight("report", run).code == 0
    answer = finesight("train", "--resume", "--out", run, "--epochs", 4, "--note", "Two more epochs.")
    assert answer.code == 0, answer.err
    assert (run / "notes.md").read_text() == "Two more epochs.\n"
    assert "4 epochs instead of 2" in answer.err
    assert "cosine schedule is computed as if the run had been planned for 4" in answer.err
    assert tomllib.loads((run / "config.toml").read_text())["epochs"] == 4
    environment = json.loads((run / "environment.json").read_text())
    assert environment["epochs_changed"] == [{"after": 2, "from": 2, "to": 4}]
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[2]["lr"] > lines[1]["lr"] > lines[3]["lr"]
    assert not (run / "findings").exists()  # of the weights of before
    assert (run / "evaluation/val/metrics.json").exists()
    assert "is finished: 4 of 4 epochs" in finesight("train", "--resume", "--out", run).err


def test_fewer_epochs_than_there_are(home: Path) -> None:
    line = finesight("train", "--resume", "--out", home / "run", "--epochs", 1).error()
    assert "has begun 2 epochs already" in line
    assert tomllib.loads((home / "run/config.toml").read_text())["epochs"] == 2


def test_a_run_that_lost_its_patience(tmp_path: Path) -> None:
    draw_classes(tmp_path / "data", per_class=6)
    stopped = {"epochs": 9, "optim__lr": 1e-9, "checkpoint__patience": 1}
    assert train(tmp_path / "data", tmp_path / "run", **stopped).code == 0
    answer = finesight("train", "--resume", "--out", tmp_path / "run", "--epochs", 12)
    assert answer.code == 0, answer.err
    assert "it stopped after 2 of 12 epochs, as checkpoint.patience requires" in answer.err
    assert tomllib.loads((tmp_path / "run/config.toml").read_text())["epochs"] == 9


def test_masks_whose_values_changed(tmp_path: Path) -> None:
    from test_run_masks import NETWORK, draw_values

    draw_values(tmp_path / "data", 6, (0, 1, 2))
    (tmp_path / "names.json").write_text('["a", "b", "c"]')
    made = train(
        tmp_path / "data", tmp_path / "run", **NETWORK | {"epochs": 1}, data__classes=str(tmp_path / "names.json")
    )
    assert made.code == 0, made.err
    draw_values(tmp_path / "data", 6, (1, 2, 3))
    assert "mix two runs" in finesight("train", "--resume", "--out", tmp_path / "run").error()
