"""Run folders that are not what they should be, and what is asked of them: one sentence, nothing written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import Answer, draw, finesight, refused, train
from safetensors.torch import load_file, save_file


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A finished run to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_a_run_folder_is_never_overwritten(small: Path, copy: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert "--resume" in train(small, copy).error()
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    (tmp_path / "file").write_text("mine")
    assert "already exists" in train(small, tmp_path / "file").error()
    assert "cannot be created" in train(small, tmp_path / "file" / "run").error()


COMMANDS = ("evaluate", "embed", "report", "predict")


def command(name: str, run: Path, images: Path, out: Path) -> Answer:
    return finesight(name, run, *([images, "--out", out] if name == "predict" else []))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_run_folder(name: str, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "labels.csv"
    refused(command(name, tmp_path / "nowhere", small, out), out, "no run folder", "nowhere")
    refused(command(name, small, small, out), out, "not a run folder", "model.json")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights": (lambda run: _cut(run / "checkpoints/best/weights.safetensors"), "weights.safetensors"),
    "no weights": (lambda run: shutil.rmtree(run / "checkpoints"), "no weights"),
    "weights of another run": (
        lambda run: save_file({"a": torch.zeros(1)}, run / "checkpoints/best/weights.safetensors"),
        "does not fit",
    ),
    "selftest": (lambda run: _cut(run / "selftest.safetensors"), "selftest.safetensors"),
    "model": (lambda run: (run / "model.json").write_text("{}"), "model.json"),
    "model is no JSON": (lambda run: (run / "model.json").write_text("{"), "model.json"),
    "classes": (lambda run: (run / "classes.json").write_text("{}"), "classes.json"),
    "config": (lambda run: (run / "config.toml").write_text("epochs ="), "config.toml"),
    "format": (lambda run: (run / "environment.json").write_text('{"format": 99}'), "format 99"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run(damage: str, copy: Path, small: Path, tmp_path: Path) -> None:
    inflict, word = DAMAGES[damage]
    inflict(copy)
    out = tmp_path / "runs" / "labels.csv"
    refused(command("predict", copy, small, out), out, word)


def test_changed_weights_are_noticed(copy: Path, small: Path, tmp_path: Path) -> None:
    path = copy / "checkpoints/best/weights.safetensors"
    weights = load_file(path)
    weights["fc.bias"] += torch.tensor([0.1, 0, 0])
    save_file(weights, path)
    out = tmp_path / "runs" / "labels.csv"
    refused(command("predict", copy, small, out), out, "fails its self-test")


@pytest.mark.parametrize("settings", [{"batch_size": 3}, {"optim__lr": 0.5}, {"seed": 1}])
def test_resuming_with_another_setting(trained: Path, images: Path, settings: dict[str, object]) -> None:
    (name,) = settings
    answer = finesight("train", "--resume", "--out", trained, f"--set={name.replace('__', '.')}={settings[name]}")
    assert "would mix two runs" in answer.error()
    assert name.replace("__", ".") in answer.error()


def test_resuming_on_other_images(copy: Path, small: Path) -> None:
    assert "data.root" in finesight("train", "--resume", "--out", copy, "--data", small).error()


def test_resuming_what_is_not_there(tmp_path: Path) -> None:
    assert "no run folder" in finesight("train", "--resume", "--out", tmp_path / "nowhere").error()
    assert not (tmp_path / "nowhere").exists()
    assert "--out RUN" in finesight("train", "--resume").error()


# -- predict, evaluate, embed


@pytest.mark.parametrize("header", ["a", "a,b,c,d", "a,,b"])
def test_headers_that_cannot_be(trained: Path, small: Path, tmp_path: Path, header: str) -> None:
    out = tmp_path / "runs" / "labels.csv"
    refused(finesight("predict", trained, small, "--out", out, "--header", header), out, "two or three columns")


def test_nothing_to_predict(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "labels.csv"
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(finesight("predict", trained, empty, "--out", out), out, "no images")
    refused(finesight("predict", trained, tmp_path / "gone", "--out", out), out, "gone")


def test_not_one_image_can_be_read(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"")
    out = tmp_path / "labels.csv"
    refused(finesight("predict", trained, tmp_path / "broken", "--out", out), out, "'a.png' is empty (0 bytes).")
    assert list(tmp_path.iterdir()) == [tmp_path / "broken"]


def test_predictions_that_cannot_be_written(trained: Path, small: Path, tmp_path: Path) -> None:
    assert "is a folder" in finesight("predict", trained, small, "--out", tmp_path).error()
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "labels.csv"
    assert "cannot be written" in finesight("predict", trained, small, "--out", out).error()


def test_a_image_is_not_overwritten_by_its_prediction(trained: Path, small: Path) -> None:
    image = small / "red_0.png"
    before = image.read_bytes()
    assert "has the ending of an image" in finesight("predict", trained, image, "--out", image).error()
    assert image.read_bytes() == before


def test_reports_that_cannot_be_written(copy: Path, tmp_path: Path) -> None:
    assert "cannot be written" in finesight("report", copy, "--out", tmp_path).error()


def test_a_split_that_is_not_there(trained: Path) -> None:
    for name in ("evaluate", "embed"):
        assert "no split 'tset'" in finesight(name, trained, "--split", "tset").error()


def test_a_split_is_written_nowhere_but_in_its_run(copy: Path, small: Path) -> None:
    for name in ("../../elsewhere", "/tmp/elsewhere", "a/b", "..", "con", "a:b"):
        assert "Invalid split name" in finesight("evaluate", copy, "--data", small, "--split", name).error()


def test_other_data_of_an_unknown_class(trained: Path, tmp_path: Path) -> None:
    draw(tmp_path / "more" / "purple_1.png", "red")
    draw(tmp_path / "more" / "mauve_1.png", "red")
    assert "'purple'" in finesight("evaluate", trained, "--data", tmp_path / "more").error()


def test_the_data_of_a_run_are_gone(copy: Path, tmp_path: Path) -> None:
    config = (copy / "config.toml").read_text()
    root = next(line for line in config.splitlines() if line.startswith("root"))
    (copy / "config.toml").write_text(config.replace(root, f'root = "{tmp_path}/gone"'))
    assert "gone" in finesight("evaluate", copy).error()


@pytest.mark.parametrize(
    "flags", [["--method", "tnse"], ["--package", "openTSNA"], ["--engine", "openvina"], ["--perplexity", "-1"]]
)
def test_maps_that_cannot_be_drawn(copy: Path, small: Path, flags: list[str]) -> None:
    assert flags[1] in finesight("embed", copy, "--data", small, *flags).error()
    assert not list(copy.glob("embedding/*/map.*"))


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody/x", "/".join(["x" * 200] * 40)])
def test_names_that_no_file_can_have(trained: Path, small: Path, tmp_path: Path, name: str) -> None:
    for flags in (["--out", tmp_path / name], ["--weights", name], ["--classes", f"{name}.csv"], ["--val", name]):
        if flags[0] != "--out":
            flags = [*flags, "--out", tmp_path / "run"]
        elif name.startswith("~"):
            continue
        assert finesight("train", "--data", small, *flags).error()
    assert finesight("train", "--data", name, "--out", tmp_path / "run").error()
    assert finesight("train", f"{name}.toml", "--data", small, "--out", tmp_path / "run").error()
    assert finesight("predict", trained, name).error()
    assert finesight("evaluate", name).error()
    assert not (tmp_path / "run").exists()
