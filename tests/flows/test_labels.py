"""`finesight labels` on images and masks some of whose labels are wrong; `--calibrated`."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import draw, finesight, train
from PIL import Image
from safetensors.torch import load_file
from test_segmentation import COLOURS as MASK_COLOURS
from test_segmentation import NETWORK, draw_pairs

from finesight.analysis.evidence import read_evidence
from finesight.checks.run.case import Case
from finesight.checks.run.doubtful_labels import align_votes, list_doubtful
from finesight.run.calibration import Calibration
from finesight.run.folder import RunFolder
from finesight.tasks import find_task

WRONG = "blue_red-3.png"  # a red image


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wrong label among the validation images and one among the training images; read only."""
    root = tmp_path_factory.mktemp("wrong")
    for split in ("train", "val"):
        for colour in ("red", "green", "blue"):
            for number in range(12):
                wrong = (colour, number) == ("red", 3)
                name = WRONG if wrong else f"{colour}_{colour}-{number}.png"
                draw(root / split / name, colour, seed=number + 100 * (split == "val"))
    answer = train(root, root / "run", epochs=15, machine__precision="fp32")
    assert answer.code == 0, answer.err
    return root / "run"


@pytest.mark.parametrize("split", ["val", "train"])
def test_a_wrong_image_is_the_first_of_the_list(run: Path, split: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    result = finesight("labels", copy, "--split", split, "--out", tmp_path / "list.csv", "--json").json()
    first = result["errors"][0]
    assert (first["key"], first["given"], first["suggested"]) == (f"{split}/{WRONG}", "blue", "red")
    assert result["num_errors"] == len(result["errors"]) <= 3
    assert result["num_samples"] == 36
    rows = rows_of(tmp_path / "list.csv")
    assert [row["key"] for row in rows] == [error["key"] for error in result["errors"]]
    assert (copy / f"label_errors/{split}.csv").read_bytes() == (tmp_path / "list.csv").read_bytes()


def test_what_a_person_reads(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    answer = finesight("labels", copy)
    assert answer.code == 0, answer.err
    table, _, summary = answer.out.partition("\n\n")
    assert table.splitlines()[0].split() == ["key", "given", "suggested", "score"]
    assert table.splitlines()[1].split()[:3] == [f"val/{WRONG}", "blue", "red"]
    assert "suspected labels on 36 images, split val" in summary


def test_the_list_is_what_the_finding_counts(run: Path, tmp_path: Path) -> None:
    """Of the same images by the same rule: not every error, of two classes or of many."""
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    listed = [error["key"] for error in finesight("labels", copy, "--json").json()["errors"]]
    evidence = read_evidence(RunFolder(copy), "val", find_task(RunFolder(copy)))
    case = Case(RunFolder(copy), evidence)
    assert listed == [error.key for error in list_doubtful(case, align_votes(case))]


@pytest.mark.parametrize("split", ["../val", "nothing"])
def test_splits_that_are_not_there(run: Path, split: str) -> None:
    before = sorted(run.rglob("*"))
    assert split in finesight("labels", run, "--split", split).error()
    assert sorted(run.rglob("*")) == before


def test_probabilities_on_request_are_scaled(run: Path, tmp_path: Path) -> None:
    images, run = run.parent / "val", Path(shutil.copytree(run, tmp_path / "run"))
    rewrite(run, "calibration.json", temperature=2.0, after={"ece": 0.0, "bins": []})
    found = Calibration.load(RunFolder(run))
    assert found is not None
    for name, flags in (("plain", ()), ("scaled", ("--calibrated",))):
        assert finesight("predict", run, images, "--out", tmp_path / f"{name}.csv", *flags).code == 0
    plain, scaled = (rows_of(tmp_path / f"{name}.csv") for name in ("plain", "scaled"))
    assert [row["label"] for row in plain] == [row["label"] for row in scaled]
    means = [np.mean([float(row["probability"]) for row in rows]) for rows in (plain, scaled)]
    assert found.usable == 2
    assert means[0] > means[1]


def test_a_run_of_before_is_calibrated_by_evaluate(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    whole = (copy / "calibration.json").read_bytes()
    (copy / "calibration.json").unlink()
    answer = finesight("predict", copy, run.parent / "val", "--out", tmp_path / "x.csv", "--calibrated")
    assert "finesight evaluate" in answer.error()
    assert not (tmp_path / "x.csv").exists()
    assert finesight("evaluate", copy, "--split", "train").code == 0
    assert not (copy / "calibration.json").exists()  # the training part was not held out
    assert finesight("evaluate", copy).code == 0
    assert (copy / "calibration.json").read_bytes() == whole


def rewrite(run: Path, name: str, **values: object) -> None:
    saved = json.loads((run / name).read_text(encoding="utf-8"))
    (run / name).write_text(json.dumps(saved | values), encoding="utf-8")


def test_no_scaling_where_no_temperature_is_offered(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    rewrite(copy, "calibration.json", temperature=20.0)
    for name, flags in (("plain", ()), ("scaled", ("--calibrated",))):
        answer = finesight("predict", copy, run.parent / "val", "--out", tmp_path / f"{name}.csv", *flags)
        assert answer.code == 0
        assert ("probabilities are not calibrated" in answer.err) == bool(flags)
    assert rows_of(tmp_path / "plain.csv") == rows_of(tmp_path / "scaled.csv")


def test_with_tta_the_temperature_is_that_of_the_mean(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    command = ("predict", copy, run.parent / "val", "--out", tmp_path / "x.csv", "--tta")
    assert "finesight evaluate" in finesight(*command, "--calibrated").error()
    assert finesight("evaluate", copy, "--tta").code == 0
    assert Calibration.load(RunFolder(copy), tta=True) is not None
    rewrite(copy, "calibration_tta.json", temperature=2.0, after={"ece": 0.0, "bins": []})
    logits = load_file(copy / "evaluation/val_tta/logits.safetensors")["logits"]  # logarithms of mean probabilities
    keys = [row["key"].removeprefix("val/") for row in rows_of(copy / "evaluation/val_tta/predictions.csv")]
    for flags, temperature in (((), 1.0), (("--calibrated",), 2.0)):
        assert finesight(*command, *flags).code == 0
        found = {row["filename"]: float(row["probability"]) for row in rows_of(tmp_path / "x.csv")}
        expected = (logits / temperature).softmax(1).max(1).values.tolist()
        assert found == pytest.approx(dict(zip(keys, expected, strict=True)), abs=2e-6)


# -- masks


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the second validation image a corner of the dark class is labelled as the bright one."""
    folder = tmp_path_factory.mktemp("land")
    root = folder / "data"
    draw_pairs(root / "train", 12)
    draw_pairs(root / "val", 4, first=100)
    path = root / "val/0101_mask.png"
    mask = np.array(Image.open(path))
    mask[-14:, -14:] = MASK_COLOURS[1]
    Image.fromarray(mask).save(path)
    answer = train(root, folder / "run", epochs=6, batch_size=4, optim__lr=0.02, **NETWORK)
    assert answer.code == 0, answer.err
    return folder / "run"


def test_a_wrong_region_is_found(land: Path) -> None:
    answer = finesight("labels", land, "--json")
    assert answer.code == 0, answer.err
    first = answer.json()["errors"][0]
    assert (first["key"], first["given"], first["suggested"]) == ("val/0101_sat.jpg", "agriculture", "urban")
    assert first["bottom"] > 30
    assert first["right"] > 38
    numbers = np.array(Image.open(land / "label_errors/val/val/0101_sat.png"))
    assert np.mean(numbers == first["region"]) == pytest.approx(first["fraction"], abs=1e-4)
    assert rows_of(land / "label_errors/val.csv")[0]["region"] == str(first["region"])


def test_masks_are_calibrated_and_refuse_what_changes_nothing(land: Path, tmp_path: Path) -> None:
    saved = json.loads((land / "calibration.json").read_text(encoding="utf-8"))
    assert saved["unit"] == "pixel"
    assert saved["num_samples"] > 100
    answer = finesight("predict", land, land.parent / "data/val", "--out", tmp_path / "masks", "--calibrated")
    assert "never which class is the most likely" in answer.error()
