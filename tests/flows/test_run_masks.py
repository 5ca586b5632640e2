"""How masks are read is part of the run: found once, before training, and used on whatever comes later."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from commands import finesight, train
from PIL import Image

from finesight import report
from finesight.data import formats
from finesight.data.layouts import detection
from finesight.data.layouts.survey import Survey, survey_folder
from finesight.data.masks.looks import Look, look_at_masks
from finesight.data.sample import Item
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation import mask_targets

NETWORK = {"model__name": "fcn/timm/test_resnet", "film__count": 0, "epochs": 8, "batch_size": 4, "optim__lr": 0.02}


def draw_values(folder: Path, count: int, values: tuple[int, ...], first: int = 0) -> Path:
    """N_sat.png and N_mask.png: stripes of grey, a value each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        stripes = (np.arange(96) // 24 + number) % len(values)
        levels = np.array([40 + 60 * (value % 4) for value in values])[stripes]
        noise = np.random.default_rng(number).integers(0, 20, (32, 96, 3))
        Image.fromarray((levels[None, :, None] + noise).astype(np.uint8)).save(folder / f"{number}_sat.png")
        mask = np.tile(np.array(values, np.uint8)[stripes], (32, 1))
        Image.fromarray(mask).save(folder / f"{number}_mask.png")
    return folder


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes without numbers as ids, whose values are 1 to 4."""
    home = tmp_path_factory.mktemp("masks")
    draw_values(home / "data", 12, (1, 2, 3, 4))
    (home / "names.json").write_text('["water", "road", "field", "wood"]')
    answer = train(home / "data", home / "run", data__classes=str(home / "names.json"), **NETWORK)
    assert answer.code == 0, answer.err
    return home


@pytest.fixture
def run(story: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(story / "run", tmp_path / "run"))


def miou(run: Path, *arguments: object) -> float:
    return float(finesight("evaluate", run, *arguments, "--json").json()["metrics"]["miou"])


def test_a_test_set_without_the_last_class(run: Path, tmp_path: Path) -> None:
    """Its values 1 to 3 would be taken for the first three of 0 to 3."""
    assert json.loads((run / "masks.json").read_text())["values"] == [[1, 0], [2, 1], [3, 2], [4, 3]]
    whole = draw_values(tmp_path / "native", 4, (1, 2, 3, 4), first=100)
    fewer = draw_values(tmp_path / "fewer", 4, (1, 2, 3), first=100)
    assert miou(run, "--data", whole) > 0.6
    answer = finesight("evaluate", run, "--data", fewer, "--json")
    assert answer.json()["metrics"]["miou"] > 0.35
    assert "Without a pixel in any mask: 'wood'" in answer.err


def test_predicted_masks_have_the_values_that_were_learned(run: Path, tmp_path: Path) -> None:
    fewer = draw_values(tmp_path / "fewer", 4, (1, 2, 3), first=100)
    assert finesight("predict", run, fewer, "--index", "--out", tmp_path / "out").code == 0
    for number in range(100, 104):
        predicted, truth = (np.array(Image.open(at / f"{number}_mask.png")) for at in (tmp_path / "out", fewer))
        assert (predicted == truth).mean() > 0.4


def test_binary_masks_come_back_as_they_were(tmp_path: Path) -> None:
    draw_values(tmp_path / "data", 8, (0, 255))
    (tmp_path / "names.json").write_text('["background", "road"]')
    assert train(tmp_path / "data", tmp_path / "run", data__classes=str(tmp_path / "names.json"), **NETWORK).code == 0
    empty = draw_values(tmp_path / "empty", 3, (0,), first=50)  # of nothing but background
    answer = finesight("evaluate", tmp_path / "run", "--data", empty, "--json")
    assert answer.json()["metrics"]["pixel_accuracy"] > 0.9
    assert finesight("predict", tmp_path / "run", tmp_path / "data", "--index", "--out", tmp_path / "out").code == 0
    found = {int(v) for path in (tmp_path / "out").glob("*.png") for v in np.unique(np.array(Image.open(path)))}
    assert found == {0, 255}


def test_values_the_run_has_not_learned_are_refused(run: Path, tmp_path: Path) -> None:
    other = draw_values(tmp_path / "other", 4, (0, 1, 2, 3), first=100)
    line = finesight("evaluate", run, "--data", other).error()
    assert "not a class (0)" in line


@pytest.mark.parametrize("command", ["evaluate", "embed", "labels", "findings", "report"])
def test_a_run_of_before_has_the_rule_of_its_training_data(run: Path, command: str) -> None:
    (run / "masks.json").unlink()
    answer = finesight(command, run)
    assert answer.code == 0, answer.err
    assert "inferred again from its training data" in answer.err


def test_a_report_lists_the_data_once_and_reads_the_masks_of_its_split_only(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in ("evaluation", "embedding", "findings", "label_errors"):
        shutil.rmtree(run / made, ignore_errors=True)
    surveys: list[object] = []
    looks: list[list[str]] = []

    def survey_and_count(root: str | Path) -> Survey:
        surveys.append(root)
        return survey_folder(root)

    def look_and_count(items: Sequence[Item]) -> list[Look]:
        looks.append([item.key for item in items])
        return look_at_masks(items)

    for module in (detection, formats):
        monkeypatch.setattr(module, "survey_folder", survey_and_count)
    monkeypatch.setattr(mask_targets, "look_at_masks", look_and_count)
    report(run)
    assert len(surveys) == 1
    assert looks == [[key for key, _ in RunFolder(run).read_splits()["val"]]]


@pytest.mark.parametrize("text", ["{", "{}", '{"colours": [], "values": [[1, 9]], "palette_as": "value"}'])
def test_a_damaged_rule(run: Path, text: str) -> None:
    (run / "masks.json").write_text(text)
    assert "masks.json" in finesight("evaluate", run).error()


def test_new_pairs_move_no_split(story: Path, run: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(story / "data", tmp_path / "data"))
    config = run / "config.toml"
    config.write_text(config.read_text().replace(f'root = "{story / "data"}"', f'root = "{data}"'))
    before = (run / "evaluation/val/images.csv").read_text().splitlines()
    draw_values(data, 10, (1, 2, 3, 4), first=500)
    answer = finesight("evaluate", run)
    assert "in none of the run's splits: 10 images" in answer.err
    assert (run / "evaluation/val/images.csv").read_text().splitlines() == before
    key = before[1].partition(",")[0]
    (data / key.replace("_sat", "_mask")).unlink()
    assert f"All 1 images of split 'val' of {run}" in finesight("evaluate", run).error()
