"""The whole path on tiny images: train, evaluate, embed, report, predict; and that its numbers agree."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Answer, draw, draw_classes, finesight, read_rows, train
from safetensors.torch import load_file

CLASS_FILE = "id,name\nred,Rot\ngreen,Grün\nblue,蓝\n"
AFTER_TRAINING = {
    *("config.toml", "environment.json", "model.json", "classes.json", "splits.csv", "selftest.safetensors"),
    *("journal.jsonl", "timings.jsonl", "freezing.jsonl", "architecture.json", "architecture.txt", ".lock"),
    *("class_counts.json", "calibration.json", "notes.md", "preview.png"),
    *("checkpoints/best/weights.safetensors", "checkpoints/last/weights.safetensors"),
    "checkpoints/last/training.safetensors",
    *(f"film/{name}" for name in ("samples.csv", "1.safetensors", "2.safetensors", "3.safetensors")),
    *(f"evaluation/val/{name}" for name in ("metrics.json", "confusion.csv", "predictions.csv", "logits.safetensors")),
    "evaluation/val/computed_by.json",
}


def files_of(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Story:
    """A run with its own validation folder and class names, and what training printed."""

    run: Path
    val: Path
    trained: Answer
    files: set[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Started in the data's folder with relative paths; everything after runs from elsewhere."""
    home = tmp_path_factory.mktemp("story")
    draw_classes(home / "train", 8)
    val = draw_classes(home / "val", 4, first=100)
    (home / "names.csv").write_text(CLASS_FILE, encoding="utf-8")
    before = Path.cwd()
    os.chdir(home)
    try:
        flags = ("--val", "val", "--classes", "names.csv", "--note", "First try, 蓝 is new.", "--json")
        answer = train(Path("train"), Path("run"), *flags, epochs=3, model__freeze_before="layer1")
    finally:
        os.chdir(before)
    return Story(home / "run", val, answer, files_of(home / "run"))


def test_train_prints_one_object_and_leaves_a_run(story: Story) -> None:
    assert story.trained.code == 0, story.trained.err
    result = story.trained.json()
    assert set(result) == {"run", "best_epoch", "metrics", "images_per_second"}
    assert result["run"] == "run"
    assert result["best_epoch"] in (1, 2, 3)
    assert result["images_per_second"] > 0
    assert set(result["metrics"]) >= {"accuracy", "balanced_accuracy", "log_loss", "macro_f1", "f1/蓝"}
    assert story.files == AFTER_TRAINING
    assert "name_prefix, 3 classes, 24 train, 12 val" in story.trained.err


def test_the_journal_has_a_line_an_epoch_and_the_best_one_is_kept(story: Story) -> None:
    lines = [json.loads(line) for line in (story.run / "journal.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    result = story.trained.json()
    best = lines[result["best_epoch"] - 1]
    assert best["val/accuracy"] == max(line["val/accuracy"] for line in lines)
    for name, value in result["metrics"].items():
        assert best[f"val/{name}"] == pytest.approx(value, abs=1e-6)


def test_frozen_layers_do_not_move(story: Story) -> None:
    for line in (story.run / "freezing.jsonl").read_text().splitlines():
        states = {layer["name"]: layer["state"] for layer in json.loads(line)["layers"]}
        assert states["conv1.0"] == "frozen"
        assert states["fc"] == "tuned"


def test_evaluate_says_what_train_said(story: Story) -> None:
    answer = finesight("evaluate", story.run, "--json")
    result = answer.json()
    assert result["metrics"] == story.trained.json()["metrics"]
    assert result["num_samples"] == 12
    assert result["split"] == "val"
    assert set(result["definitions"]) == set(result["metrics"])
    saved = json.loads((story.run / "evaluation/val/metrics.json").read_text())
    assert saved["metrics"] == result["metrics"]
    readable = finesight("evaluate", story.run)
    assert "accuracy" in readable.out
    assert "蓝" in readable.out


def test_saved_answers_agree_with_the_metrics(story: Story) -> None:
    folder = story.run / "evaluation/val"
    rows = read_rows(folder / "predictions.csv")
    hits = [row["target"] == row["prediction"] for row in rows]
    assert story.trained.json()["metrics"]["accuracy"] == pytest.approx(np.mean(hits))
    assert [row["key"].split("_")[0].removeprefix("val/") for row in rows] == [row["target"] for row in rows]
    logits = load_file(folder / "logits.safetensors")["logits"]
    confidence, best = logits.softmax(1).max(1)
    ids = ["red", "green", "blue"]  # the order of the class file
    assert [row["prediction"] for row in rows] == [ids[index] for index in best]
    assert [float(row["confidence"]) for row in rows] == pytest.approx(confidence.tolist(), abs=1e-6)
    header, *counts = (folder / "confusion.csv").read_text(encoding="utf-8").splitlines()
    assert header == "truth,Rot,Grün,蓝"
    assert sum(int(count) for row in counts for count in row.split(",")[1:]) == 12


def test_the_mean_of_views_is_kept_apart_and_predict_agrees(story: Story, tmp_path: Path) -> None:
    run, out = shutil.copytree(story.run, tmp_path / "run"), tmp_path / "labels.csv"
    result = finesight("evaluate", run, "--tta", "--json").json()
    assert result["split"] == "val_tta"
    assert result["metrics"]["log_loss"] != story.trained.json()["metrics"]["log_loss"]
    assert finesight("predict", run, story.val, "--out", out, "--ids", "--tta").code == 0
    for row, expected in zip(read_rows(out), read_rows(run / "evaluation/val_tta/predictions.csv"), strict=True):
        assert row["label"] == expected["prediction"]
        assert float(row["probability"]) == pytest.approx(float(expected["confidence"]), abs=1e-5)


def test_predict_gives_what_validation_gave(story: Story, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "labels.csv"
    answer = finesight("predict", story.run, story.val, "--out", out, "--ids", "--json")
    assert answer.json() == {"out": str(out), "num_samples": 12, "unreadable": []}
    expected = read_rows(story.run / "evaluation/val/predictions.csv")
    assert read_rows(out) == [
        {"filename": row["key"].removeprefix("val/"), "label": row["prediction"], "probability": row["confidence"]}
        for row in expected
    ]


def test_predict_writes_the_columns_that_are_asked_for(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for name in ("10_1.png", "9_10.png", "10_10.png", "9_2.png", "sub/1.png"):
        draw(folder / name, "red")
    (folder / "notes.txt").write_text("not an image")
    out = tmp_path / "labels.csv"
    finesight("predict", story.run, folder, "--out", out, "--header", "image_id, label", "--ids")
    header, *rows = out.read_text().splitlines()
    assert header == "image_id,label"
    assert [row.split(",")[0] for row in rows] == ["9_2.png", "9_10.png", "10_1.png", "10_10.png", "sub/1.png"]
    assert {row.split(",")[1] for row in rows} <= {"red", "green", "blue"}
    finesight("predict", story.run, folder / "9_2.png", "--out", out)
    (row,) = read_rows(out)
    assert row["filename"] == "9_2.png"
    assert row["label"] in ("Rot", "Grün", "蓝")


def test_predict_goes_on_past_what_it_cannot_read(story: Story, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(story.val, tmp_path / "some"))
    (folder / "red_100.png").write_bytes(b"")
    (folder / "blue_102.png").write_bytes((folder / "blue_102.png").read_bytes()[:200])
    (folder / "IMG_2.CR2").write_bytes(b"")
    (folder / "more.zip").write_bytes(b"")
    out = tmp_path / "labels.csv"
    answer = finesight("predict", story.run, folder, "--out", out, "--json")
    assert answer.code == 1
    result = answer.json()
    assert result["num_samples"] == 10
    assert [key for key, _ in result["unreadable"]] == ["IMG_2.CR2", "blue_102.png", "red_100.png"]
    assert "Skipped: 1 archive ('more.zip')" in answer.err
    assert "Not read: 'red_100.png' is empty (0 bytes)" in answer.err
    kept = [row["filename"] for row in read_rows(out)]
    assert len(kept) == 10
    assert not {"red_100.png", "blue_102.png"} & set(kept)


def test_embed_and_report(story: Story, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(story.run, tmp_path / "copy"))
    answer = finesight("embed", copy, "--method", "pca", "--json")
    result = answer.json()
    assert (result["split"], result["num_samples"]) == ("val", 12)
    folder = copy / "embedding/val"
    assert {path.name for path in folder.iterdir()} == {
        *("features.safetensors", "samples.csv", "map.json", "map.safetensors", "map.png", "close_classes.json"),
        "neighbours.safetensors",
    }
    assert load_file(folder / "features.safetensors")["features"].shape == (12, result["dimensions"])
    assert load_file(folder / "map.safetensors")["points"].shape == (12, 2)
    assert [row["key"] for row in read_rows(folder / "samples.csv")] == [
        row["key"] for row in read_rows(copy / "evaluation/val/predictions.csv")
    ]
    page = tmp_path / "pages" / "report.html"
    assert finesight("report", copy, "--out", page, "--json").json() == {"report": str(page)}
    assert "Grün" in page.read_text(encoding="utf-8")
    metrics = json.loads((copy / "evaluation/val/metrics.json").read_text())["metrics"]
    assert metrics == pytest.approx(story.trained.json()["metrics"])


def test_features_are_what_the_last_layer_sees(story: Story, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(story.run, tmp_path / "copy"))
    assert finesight("embed", copy, "--method", "pca").code == 0
    features = load_file(copy / "embedding/val/features.safetensors")["features"]
    weights = load_file(copy / "checkpoints/best/weights.safetensors")
    logits = load_file(story.run / "evaluation/val/logits.safetensors")["logits"]
    torch.testing.assert_close(features @ weights["fc.weight"].T + weights["fc.bias"], logits, rtol=2e-2, atol=2e-2)


def test_other_data_are_scored_by_name_not_by_order(story: Story, tmp_path: Path) -> None:
    """Only blue, in folders called by the readable name: index 2 of the run, index 0 of these data."""
    for number in range(3):
        draw(tmp_path / "more" / "蓝" / f"{number}.png", "blue", seed=200 + number)
    copy = Path(shutil.copytree(story.run, tmp_path / "copy"))
    answer = finesight("evaluate", copy, "--data", tmp_path / "more" / "蓝", "--split", "extra")
    assert answer.code == 2  # a single class in one folder tells nothing about its class
    draw(tmp_path / "more" / "Rot" / "0.png", "red", seed=300)
    result = finesight("evaluate", copy, "--data", tmp_path / "more", "--split", "extra", "--json").json()
    assert (result["num_samples"], result["split"]) == (4, "extra")
    rows = read_rows(copy / "evaluation/extra/predictions.csv")
    assert sorted(row["target"] for row in rows) == ["blue", "blue", "blue", "red"]


def test_a_run_outlives_its_machine(story: Story, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(story.run, tmp_path / "copy"))
    config = (copy / "config.toml").read_text(encoding="utf-8")
    (copy / "config.toml").write_text(config.replace('device = "cpu"', 'device = "cuda:77"'), encoding="utf-8")
    answer = finesight("predict", copy, story.val, "--out", tmp_path / "labels.csv")
    assert answer.code == 0
    assert "'cuda:77'" in answer.err


def test_the_library_says_what_the_command_says(story: Story, tmp_path: Path) -> None:
    from finesight import evaluate, predict

    copy = Path(shutil.copytree(story.run, tmp_path / "copy"))
    assert evaluate(copy).metrics == story.trained.json()["metrics"]
    result = predict(copy, story.val, out=tmp_path / "labels.csv")
    assert (result.num_samples, result.unreadable) == (12, [])
