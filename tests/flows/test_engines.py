"""A run keeps to the engine of its validation figures, and says where it cannot."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import draw, draw_classes, finesight, read_rows, train
from PIL import Image
from safetensors.numpy import load_file, save_file

from finesight.backend import engines
from finesight.backend.engines import why_not
from finesight.errors import ConfigError
from finesight.inference.continuation import claim
from finesight.inference.kept_network import open_kept_network
from finesight.run.folder import RunFolder
from finesight.training import engine_trial

pytestmark = pytest.mark.skipif(bool(why_not("openvino", "cpu")), reason="openvino is not installed")


def computed_by(run: Path) -> str:
    found = json.loads((run / "evaluation/val/computed_by.json").read_bytes())
    return str(found["engine"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("engines") / "data", per_class=8)


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    out = data.parent / "run"
    answer = train(data, out, epochs=2, image__size=[24, 24], machine__engine="openvino", machine__precision="bf16")
    assert answer.code == 0, answer.err
    return out


def test_training_validates_and_predicts_with_one_engine(run: Path, data: Path) -> None:
    assert computed_by(run) == "openvino"
    best = json.loads((run / "journal.jsonl").read_text().splitlines()[-1])["best_epoch"]
    journal = json.loads((run / "journal.jsonl").read_text().splitlines()[best - 1])
    metrics = json.loads((run / "evaluation/val/metrics.json").read_bytes())["metrics"]
    assert {name: journal[f"val/{name}"] for name in metrics} == metrics
    out = data.parent / "predicted.csv"
    keys = [row["key"] for row in read_rows(run / "evaluation/val/predictions.csv")]
    chosen = data.parent / "chosen"
    for key in keys:
        (chosen / key).parent.mkdir(parents=True, exist_ok=True)
        (chosen / key).write_bytes((data / key).read_bytes())
    answer = finesight("predict", run, chosen, "--out", out)
    assert answer.code == 0, answer.err
    assert "Note" not in answer.err
    with out.open(newline="") as file:
        predicted = {row["filename"]: (row["label"], row["probability"]) for row in csv.DictReader(file)}
    evaluated = {
        row["key"]: (row["prediction"], f"{float(row['confidence']):.6f}")
        for row in read_rows(run / "evaluation/val/predictions.csv")
    }
    assert predicted == evaluated


def test_another_engine_is_said_and_measured(run: Path, data: Path) -> None:
    answer = finesight("predict", run, data, "--engine", "torch", "--out", data.parent / "torch.csv")
    assert answer.code == 0
    assert "were measured with openvino" in answer.err
    before = json.loads((run / "evaluation/val/metrics.json").read_bytes())["metrics"]
    answer = finesight("evaluate", run, "--engine", "torch")
    assert answer.code == 0
    assert computed_by(run) == "torch"
    after = json.loads((run / "evaluation/val/metrics.json").read_bytes())["metrics"]
    assert after["log_loss"] == pytest.approx(before["log_loss"], rel=0.05)
    assert after["log_loss"] != before["log_loss"]
    assert "Note" not in finesight("predict", run, data, "--out", data.parent / "again.csv").err
    assert finesight("evaluate", run, "--engine", "openvino").code == 0
    assert computed_by(run) == "openvino"


def test_predictions_of_two_engines_are_never_mixed(tmp_path: Path) -> None:
    claim(tmp_path, {"weights": "a"})  # of a version that knew only torch
    claim(tmp_path, {"weights": "a", "engine": "torch"})
    with pytest.raises(ConfigError, match="other engine"):
        claim(tmp_path, {"weights": "a", "engine": "openvino"})


def test_where_an_engine_is_missing_torch_takes_over_and_says_so(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    answer = finesight("predict", run, data, "--out", data.parent / "missing.csv")
    assert answer.code == 0
    assert "openvino" in answer.err
    assert "is not installed: pip install 'finesight[openvino]'. Using torch" in answer.err
    assert "pip install 'finesight[openvino]'" in finesight("predict", run, data, "--engine", "openvino").error()
    refused = finesight("train", "--data", data, "--out", run, "--resume", "--epochs", "3")
    assert "pip install" in refused.error()


def test_a_stopped_run_goes_on_with_its_engine(data: Path, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for out, epochs in ((whole, 2), (stopped, 1)):
        train(data, out, epochs=epochs, machine__engine="openvino", optim__schedule="constant")
    answer = finesight("train", "--data", data, "--out", stopped, "--resume", "--epochs", "2")
    assert answer.code == 0, answer.err
    assert (whole / "journal.jsonl").read_bytes() == (stopped / "journal.jsonl").read_bytes()


def test_auto_says_what_it_chose_and_keeps_the_trial(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    assert "Engine" not in train(data, tmp_path / "few").err  # too few images for a trial to be worth its time
    monkeypatch.setattr(engine_trial, "FEWEST_IMAGES", 1)
    trials = []
    monkeypatch.setattr(
        engine_trial, "_try", lambda job: trials.append(job.run.is_run()) or engine_trial.Trial(0.02, 0.01, 0.0)
    )
    for name in ("first", "second"):
        answer = train(data, tmp_path / name)
        assert answer.code == 0, answer.err
        assert "Engine of predictions: openvino, 2.0 times as fast" in answer.err
        assert computed_by(tmp_path / name) == "openvino"
        assert 'engine = "openvino"' in (tmp_path / name / "config.toml").read_text()
    assert trials == [True]  # after the first steps, which it would keep waiting
    for torch_s, conversion_s, words in ((0.011, 0.0, "not much faster"), (0.02, 60.0, "take longer than they save")):
        (tmp_path / "cache/engines.json").unlink()
        trial = engine_trial.Trial(torch_s, 0.01, conversion_s)
        monkeypatch.setattr(engine_trial, "_try", lambda _, trial=trial: trial)
        answer = train(data, tmp_path / words)
        assert words in answer.err
        assert computed_by(tmp_path / words) == "torch"


WITHOUT_TORCH = """
import sys
from finesight.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("torch" in sys.modules)
"""


def predict_apart(run: Path, data: Path, out: Path, *flags: str) -> bool:
    """Predicts in a process of its own; returns whether torch was imported."""
    command = [sys.executable, "-c", WITHOUT_TORCH, "predict", str(run), str(data), "--out", str(out), *flags]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()[-1] == "True"


def test_a_kept_graph_predicts_the_same_without_torch(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    assert predict_apart(run, data, tmp_path / "first.csv")
    assert not predict_apart(run, data, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    (graph,) = (tmp_path / "cache").rglob("*.bin")
    graph.write_bytes(graph.read_bytes()[:-8] + bytes(8))
    assert predict_apart(run, data, tmp_path / "damaged.csv")
    assert (tmp_path / "damaged.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()


def test_a_kept_graph_predicts_the_masks_that_were_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than the network's input, and of two sizes."""
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    data, chosen = draw_pairs(tmp_path / "pairs", 8), tmp_path / "chosen"
    model = {"model__name": "fcn/timm/test_resnet", "snapshots__count": 0, "batch_size": 4}
    run, size = tmp_path / "run", {"image__size": [24, 32], "image__fit": "stretch"}
    answer = train(data, run, **model, **size, machine__engine="openvino", machine__device="cpu")
    assert answer.code == 0, answer.err
    kept = sorted((run / "evaluation/val/masks").rglob("*.png"))
    chosen.mkdir()
    for path in kept:
        shutil.copy(data / path.name, chosen)
    assert not predict_apart(run, chosen, tmp_path / "plain")
    assert not predict_apart(run, chosen, tmp_path / "shown", "--overlay", str(tmp_path / "over"))
    for path in kept:
        for out in ("plain", "shown"):
            predicted = tmp_path / out / path.name.replace("_sat", "_mask")
            np.testing.assert_array_equal(read(predicted), read(path), err_msg=f"{out} {path.name}")
        assert read(tmp_path / "over" / path.name.replace("_sat.png", "_mask.jpg")).shape == read(path).shape
    network = open_kept_network(RunFolder(run))
    assert network
    graph, _ = network.opening.result()
    _, features = graph.compute(np.zeros((1, 24, 32, 3), np.uint8))
    assert features.shape[1] == 1  # nobody asks for the others


def draw_pairs(folder: Path, number: int) -> Path:
    for index in range(number):
        size = 50 if index % 3 else 37
        draw(folder / f"{index}_sat.png", ("red", "green", "blue")[index % 3], seed=index, size=size)
        mask = np.zeros((size, size, 3), np.uint8)
        mask[8:-8, index : size // 2] = 255
        Image.fromarray(mask).save(folder / f"{index}_mask.png")
    return folder


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_kept_graph_is_only_that_of_its_weights_engine_and_preprocessing(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    assert finesight("predict", run, data, "--out", tmp_path / "kept.csv").code == 0
    assert open_kept_network(RunFolder(run)) is not None
    assert open_kept_network(RunFolder(run), "torch") is None
    other = tmp_path / "other"
    shutil.copytree(run, other)
    weights = other / "checkpoints/best/weights.safetensors"
    whole = weights.read_bytes()
    tensors = load_file(weights)
    tensors["fc.weight"] *= 1.01
    save_file(tensors, weights)
    assert open_kept_network(RunFolder(other)) is None
    assert "fails its self-test" in finesight("predict", other, data, "--out", tmp_path / "wrong.csv").error()
    weights.write_bytes(whole)
    card = json.loads((other / "model.json").read_bytes())
    card["preprocessing"]["mean"][0] += 0.25
    (other / "model.json").write_text(json.dumps(card))
    assert open_kept_network(RunFolder(other)) is None
