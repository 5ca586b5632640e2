"""Several labels per image, through the real command line: the third task, which only its own package knows."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import finesight
from PIL import Image
from safetensors.numpy import load_file

from finesight.data.images.image import fit_image
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.run.folder import RunFolder
from tiny import COLOURS, TINY

NAMES = tuple(COLOURS)
SETTINGS = TINY | {"epochs": 12, "batch_size": 16, "machine.precision": "fp32"}


def draw_squares(folder: Path, number: int, seed: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    """Images with a square of each of their classes in a place of its own; (file name, labels) of each."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(number):
        flags = generator.random(3) < 0.5
        pixels = generator.integers(0, 60, (24, 24, 3), dtype=np.uint8)
        for c in np.flatnonzero(flags):
            pixels[8 * c : 8 * c + 8, 4:20] = COLOURS[NAMES[c]]
        Image.fromarray(pixels).save(folder / f"{index:03}.png")
        rows.append((f"{index:03}.png", tuple(NAMES[c] for c in np.flatnonzero(flags))))
    return rows


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_flags(path: Path, rows: Sequence[tuple[str, tuple[str, ...]]], folder: str) -> Path:
    return write_table(
        path, ("image", *NAMES), [(f"{folder}/{name}", *(int(c in labels) for c in NAMES)) for name, labels in rows]
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several")
    rows = draw_squares(root / "images", 120)
    write_flags(root / "flags.csv", rows, "images")
    write_flags(root / "other.csv", draw_squares(root / "more", 40, seed=1), "more")
    return root


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    done = finesight("train", "--data", data / "flags.csv", "--out", data / "run", *settings, "--json")
    assert done.code == 0, done.err
    assert done.json()["metrics"]["map"] > 0.9
    return data / "run"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def read_labels(path: Path, column: str) -> list[set[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [set(filter(None, row[column].split(";"))) for row in csv.DictReader(file)]


def test_the_task_is_detected_and_the_run_is_whole(run: Path) -> None:
    assert json.loads((run / "model.json").read_text())["task"] == "multilabel"
    fitted = json.loads((run / "thresholds.json").read_text())
    assert fitted["split"] == "val"
    assert set(fitted["thresholds"]) == set(NAMES)
    journal = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    assert journal[-1]["val/log_loss"] < journal[0]["val/log_loss"]


def test_both_ways_to_write_the_labels_are_the_same_data(data: Path, tmp_path: Path) -> None:
    with (data / "flags.csv").open(newline="") as file:
        rows = [(row["image"], [c for c in NAMES if row[c] == "1"]) for row in csv.DictReader(file)]
    labelled = [(str(data / image), "; ".join(labels)) for image, labels in rows if labels]
    listed = write_table(tmp_path / "listed.csv", ("image", "labels"), labelled)
    flags = write_table(
        tmp_path / "flags.csv",
        ("image", *NAMES),
        [(str(data / image), *(int(c in labels) for c in NAMES)) for image, labels in rows if labels],
    )
    one, other = (finesight("inspect", table, "--json").json() for table in (listed, flags))
    assert one["format"] == other["format"] == "multilabel_manifest"
    assert one["class_counts"] == other["class_counts"]
    assert one["num_samples"] == len(labelled)


def test_an_empty_list_of_labels_is_refused(data: Path, tmp_path: Path) -> None:
    rows = [(str(data / "images/000.png"), "red;blue"), (str(data / "images/001.png"), "")]
    table = write_table(tmp_path / "t.csv", ("image", "labels"), rows)
    assert "has no label; add one or remove the row" in finesight("train", "--data", table, "--out", "x").error()


def test_tables_that_cannot_be_read_say_why(data: Path, tmp_path: Path) -> None:
    """`inspect` and `train` alike."""
    images = [str(data / f"images/00{number}.png") for number in range(3)]
    named = write_table(tmp_path / "named.csv", ("image", "a;b", "c"), [(path, 1, 1) for path in images])
    single = write_table(tmp_path / "single.csv", ("image", "a", "b"), [(path, 1, 0) for path in images])
    for command in (("inspect", named), ("train", "--data", named, "--out", tmp_path / "run")):
        assert "has ';' in its name" in finesight(*command).error()
    assert "All training images are of one class, 'a'" in finesight("train", "--data", single, "--out", "x").error()
    found = finesight("inspect", single, "--format", "multilabel_manifest", "--json").json()
    assert found["classes"] == ["a"]
    assert "Columns without a 1 make no class: 'b'" in str(found["problems"])


def test_predict_equals_evaluate(copy: Path, data: Path, tmp_path: Path) -> None:
    finesight("evaluate", copy, "--data", data / "other.csv", "--split", "new")
    saved = copy / "evaluation/new/predictions.csv"
    done = finesight("predict", copy, data / "more", "--out", tmp_path / "p.csv", "--ids")
    assert done.code == 0, done.err
    predicted = read_labels(tmp_path / "p.csv", "labels")
    assert predicted == read_labels(saved, "prediction")
    assert any(len(labels) > 1 for labels in predicted)
    assert set() in predicted
    logits = load_file(copy / "evaluation/new/logits.safetensors")["logits"]
    thresholds = json.loads((copy / "thresholds.json").read_text())["thresholds"]
    expected = 1 / (1 + np.exp(-logits)) >= np.array([thresholds[name] for name in sorted(NAMES)])
    assert [{name for name, is_set in zip(sorted(NAMES), row, strict=True) if is_set} for row in expected] == predicted


def test_augmented_predictions_are_means_of_sigmoids(copy: Path, data: Path, tmp_path: Path) -> None:
    """By the thresholds of the run, in `evaluate` as in `predict`."""
    thresholds = (copy / "thresholds.json").read_bytes()
    assert finesight("evaluate", copy, "--tta").code == 0
    assert finesight("evaluate", copy, "--tta", "--data", data / "other.csv", "--split", "new").code == 0
    assert (copy / "thresholds.json").read_bytes() == thresholds
    model = restore_model(RunFolder(copy))
    plain = Predictor.here(model, RunFolder(copy).read_settings())
    images = np.stack([np.array(Image.open(path)) for path in sorted((data / "more").glob("*.png"))])
    stored = torch.from_numpy(np.stack([fit_image(each, (32, 32), "stretch", "bilinear") for each in images]))
    stored = stored.permute(0, 3, 1, 2)
    expected = (plain.logits(stored).sigmoid() + plain.logits(stored.flip(3)).sigmoid()) / 2
    logits = load_file(copy / "evaluation/new_tta/logits.safetensors")["logits"]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-4)
    assert finesight("predict", copy, data / "more", "--tta", "--ids", "--out", tmp_path / "p.csv").code == 0
    assert read_labels(tmp_path / "p.csv", "labels") == read_labels(
        copy / "evaluation/new_tta/predictions.csv", "prediction"
    )
    chosen = json.loads(thresholds)["thresholds"]
    logits = load_file(copy / "evaluation/val_tta/logits.safetensors")["logits"]
    decided = 1 / (1 + np.exp(-logits)) >= np.array([chosen[name] for name in sorted(NAMES)])
    labels = [{name for name, is_set in zip(sorted(NAMES), row, strict=True) if is_set} for row in decided]
    assert labels == read_labels(copy / "evaluation/val_tta/predictions.csv", "prediction")


def test_evaluating_again_changes_nothing(copy: Path) -> None:
    before = (copy / "evaluation/val/metrics.json").read_bytes()
    assert finesight("evaluate", copy).code == 0
    assert (copy / "evaluation/val/metrics.json").read_bytes() == before


def test_what_means_nothing_here_is_refused(copy: Path, data: Path, tmp_path: Path) -> None:
    done = finesight("predict", copy, data / "more", "--calibrated", "--out", tmp_path / "p.csv")
    assert "Labels are decided by thresholds" in done.error()
    common = ("train", "--data", data / "flags.csv", "--out", tmp_path / "r", "--set", "model.weights=none")
    assert "mixup" in finesight(*common, "--set", "augment.mixup=0.2").error()
    assert "'dice'" in finesight(*common, "--set", "loss.name=dice").error()


def test_a_label_that_is_missing_is_found(run: Path, data: Path, tmp_path: Path) -> None:
    """One image's label is taken out of the table, and the run is asked about it."""
    with (data / "other.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = next(row for row in rows if row["red"] == "1" and row["blue"] == "0")
    wrong["red"] = "0"
    table = write_table(data / "wrong.csv", ("image", *NAMES), [tuple(row.values()) for row in rows])
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    assert finesight("evaluate", copy, "--data", table, "--split", "new").code == 0
    assert finesight("embed", copy, "--data", table, "--split", "new", "--method", "pca").code == 0
    errors = finesight("labels", copy, "--split", "new", "--json").json()["errors"]
    assert (errors[0]["key"], errors[0]["given"], errors[0]["suggested"]) == (wrong["image"], "", "red")
    assert "–" in finesight("labels", copy, "--split", "new").out


def test_findings_compare_and_report(copy: Path, run: Path) -> None:
    found = finesight("findings", copy, "--json").json()
    assert found["not_applicable"].keys() >= {"V005", "V011"}
    assert found["silent"].keys() & {"V002", "V003"}
    compared = finesight("compare", run, copy, "--json").json()
    assert (compared["metric"], compared["difference"], compared["class_metric"]) == ("macro_f1", 0.0, "f1")
    assert finesight("report", copy).code == 0
    page = (copy / "report.html").read_text(encoding="utf-8")
    for heading in (
        "Mean average precision",
        "Per-class scores",
        "Threshold",
        "therefore optimistic",
        "Suspected label errors",
    ):
        assert heading in page
    assert finesight("report", run, copy).code == 0
