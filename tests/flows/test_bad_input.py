"""Whatever is wrong is said in one sentence, with exit code 2, before anything is written."""

import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import SMALL, Answer, draw, draw_classes, finesight, train
from safetensors.torch import load_file, save_file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "new"


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A finished run to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def refused(answer: Answer, out: Path, *words: str) -> None:
    line = answer.error()
    for word in words:
        assert word in line
    assert not out.exists()
    assert not out.parent.exists() or out.parent.name != "runs"


# -- data


def test_there_is_no_such_folder(tmp_path: Path, out: Path) -> None:
    refused(train(tmp_path / "nowhere", out), out, "nowhere", "does not exist")


def test_no_data_is_named(out: Path) -> None:
    refused(finesight("train", "--out", out), out, "--data")


@pytest.mark.parametrize("files", [[], ["notes.txt"]])
def test_no_picture_in_it(tmp_path: Path, out: Path, files: list[str]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    refused(train(folder, out), out, "no pictures")


def test_one_class_only(tmp_path: Path, out: Path) -> None:
    refused(train(draw_classes(tmp_path / "one", 4, classes=("red",)), out, "--format", "name_prefix"), out, "'red'")


def test_all_unreadable_pictures_are_listed_at_once(small: Path, tmp_path: Path, out: Path) -> None:
    whole = (small / "red_0.png").read_bytes()
    (small / "red_0.png").write_bytes(b"")
    (small / "red_1.png").write_bytes(whole[: len(whole) // 2])
    (small / "blue_2.png").write_bytes(b"not a picture")
    shutil.move(small / "blue_2.png", draw_classes(tmp_path / "held_out", 1) / "blue_9.png")
    answer = train(small, out, "--val", tmp_path / "held_out")
    refused(answer, out, "cannot be read", "--on-bad-image skip")
    for name, reason in (("red_0.png", "is empty"), ("red_1.png", "is damaged"), ("blue_9.png", "is no picture")):
        assert f"{name}' {reason}" in answer.err


def test_decompression_bomb(small: Path, out: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (small / "red_9.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    answer = train(small, out)
    refused(answer, out, "cannot be read")
    assert "million pixels" in answer.err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,kind\nred_0.png,red\n", ("'label'",)),
        ("path,label\nred_0.png,red\nnone.png,blue\n", ("row 3", "none.png")),
        ("path,label\nred_0.png,red\nred_0.png,red\n", ("row 3", "red_0.png", "already")),
        ("path,label\n", ("birds.csv", "Expected")),
        ("", ("is empty",)),
    ],
)
def test_a_manifest_with_a_mistake(small: Path, out: Path, table: str, words: tuple[str, ...]) -> None:
    (small / "birds.csv").write_text(table)
    refused(train(small / "birds.csv", out), out, *words)


def test_validation_pictures_of_an_unknown_class(small: Path, tmp_path: Path, out: Path) -> None:
    (small / "blue_0.png").unlink()
    train_part = draw_classes(tmp_path / "two", 4, classes=("red", "green"))
    refused(train(train_part, out, "--val", small), out, "'blue'")


def test_a_batch_larger_than_the_data(small: Path, out: Path) -> None:
    refused(train(small, out, batch_size=64), out, "64", "batch_size")


# -- settings


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "resnet5O"], ("resnet5O", "Did you mean 'resnet50'?")),
        (["--model", "timm/nonsense_xyz"], ("timm/nonsense_xyz",)),
        (["--set", "model.freeze_before=layer9"], ("layer9", "layer")),
        (["--set", "optim.unfreeze=[[1, 'layer1']]"], ("optim.unfreeze",)),
        (["--set", "optim.lrr=1"], ("optim.lrr", "Did you mean 'optim.lr'?")),
        (["--set", "optim.lr=fast"], ("optim.lr", "'fast'")),
        (["--set", "optim.lr=-1"], ("optim.lr", "-1")),
        (["--set", "optim.lr=nan"], ("optim.lr", "nan")),
        (["--set", "optim=3"], ("optim", "3")),
        (["--set", "image.size=[32]"], ("image.size",)),
        (["--set", "image.size=32"], ("image.size", "32")),
        (["--set", "data.store_limit_gb=inf"], ("data.store_limit_gb", "inf")),
        (["--set", "epochs"], ("NAME=VALUE", "'epochs'")),
        (["--set", "epochs.x=1"], ("epochs",)),
        (["--epochs", "0"], ("epochs", "0")),
        (["--seed", "-1"], ("seed", "-1")),
        (["--seed", str(2**70)], ("seed",)),
        (["--on-bad-image", "skp"], ("data.on_bad_image", "'skp'")),
        (["--format", "class_folder"], ("'class_folder'", "Did you mean 'class_folders'?")),
        (["--classes", "none.csv"], ("none.csv", "does not exist")),
        (["--set", "checkpoint.best=acuracy"], ("acuracy", "Did you mean 'accuracy'?")),
        (["--set", "loss.name=crossentropy"], ("Did you mean 'cross_entropy'?",)),
        (["--set", "loss.name=focal", "--set", "augment.mixup=0.2"], ("focal", "mixup")),
        (["--set", "task=segmentation"], ("segmentation",)),
        (["--model", "fcn/timm/test_efficientnet"], ("segmentation", "classification")),
        (["--model", "alexnet"], ("32×32",)),
        (["--set", "optim.name=sgd", "--set", "optim.nesterov=true", "--set", "optim.momentum=0"], ("nesterov",)),
        (["--set", "machine.device=cuda:77"], ("cuda:77", "machine.device")),
        (["--set", "machine.device=toaster"], ("toaster", "machine.device")),
        (["--weights", "missing.safetensors"], ("missing.safetensors", "does not exist")),
    ],
)
def test_a_setting_that_cannot_be(small: Path, out: Path, flags: list[str], words: tuple[str, ...]) -> None:
    refused(train(small, out, *flags), out, *words)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("p1-cpo", ("'p1-cpo'", "Did you mean 'p1-cpu'?")),
        ("nothing_like_it", ("There are:", "demo-digits")),
        ("missing.toml", ("missing.toml", "does not exist")),
    ],
)
def test_an_unknown_recipe(small: Path, out: Path, recipe: str, words: tuple[str, ...]) -> None:
    refused(finesight("train", recipe, "--data", small, "--out", out), out, *words)


def test_a_batch_of_one_is_too_few(small: Path, out: Path) -> None:
    """Where the last map is one pixel, batch normalisation has one value a channel: seen in the first step only."""
    assert "Raise batch_size" in train(small, out, batch_size=1).error()
    assert "lower optim.accumulate" in train(small, out.with_name("other"), optim__accumulate=8).error()


def test_out_of_memory(small: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("finesight.engine.loop.Trainer._train_step", step)
    assert "lower image.size" in train(small, out).error()


def test_pictures_in_the_place_of_a_recipe(small: Path, out: Path) -> None:
    refused(finesight("train", small, "--out", out), out, f"--data {small}")


def test_a_recipe_that_is_no_toml(small: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "mine.toml").write_text("epochs = \n")
    refused(finesight("train", tmp_path / "mine.toml", "--data", small, "--out", out), out, "mine.toml", "TOML")


# -- weights


def test_weights_of_another_architecture(small: Path, tmp_path: Path, out: Path) -> None:
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    answer = train(small, out, "--weights", tmp_path / "other.safetensors")
    refused(answer, out, "another architecture", "missing", "conv1.weight")


class Trap:
    """A pickle that makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_in_a_weights_file_is_not_run(small, tmp_path, out, write) -> None:  # type: ignore[no-untyped-def]
    write({"state_dict": {"conv1.weight": Trap(tmp_path / "sprung")}}, tmp_path / "evil.pth")
    refused(train(small, out, "--weights", tmp_path / "evil.pth"), out, "evil.pth", "nothing in it was run")
    assert not (tmp_path / "sprung").exists()


# -- run folders


def test_a_run_folder_is_never_overwritten(small: Path, copy: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert "--resume" in train(small, copy).error()
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    (tmp_path / "file").write_text("mine")
    assert "already exists" in train(small, tmp_path / "file").error()
    assert "cannot be made" in train(small, tmp_path / "file" / "run").error()


COMMANDS = ("evaluate", "embed", "report", "predict")


def command(name: str, run: Path, pictures: Path, out: Path) -> Answer:
    return finesight(name, run, *([pictures, "--out", out] if name == "predict" else []))


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
    refused(command("predict", copy, small, out), out, "does not answer as it did")


@pytest.mark.parametrize("settings", [{"epochs": 3}, {"optim__lr": 0.5}, {"seed": 1}])
def test_resuming_with_another_setting(trained: Path, pictures: Path, settings: dict[str, object]) -> None:
    (name,) = settings
    answer = finesight("train", "--resume", "--out", trained, f"--set={name.replace('__', '.')}={settings[name]}")
    assert "would mix two runs" in answer.error()
    assert name.replace("__", ".") in answer.error()


def test_resuming_on_other_pictures(copy: Path, small: Path) -> None:
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
    refused(finesight("predict", trained, empty, "--out", out), out, "no pictures")
    refused(finesight("predict", trained, tmp_path / "gone", "--out", out), out, "gone")


def test_not_one_picture_can_be_read(trained: Path, tmp_path: Path) -> None:
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


def test_a_picture_is_not_overwritten_by_its_prediction(trained: Path, small: Path) -> None:
    picture = small / "red_0.png"
    before = picture.read_bytes()
    assert "called like a picture" in finesight("predict", trained, picture, "--out", picture).error()
    assert picture.read_bytes() == before


def test_reports_that_cannot_be_written(copy: Path, tmp_path: Path) -> None:
    assert "cannot be written" in finesight("report", copy, "--out", tmp_path).error()


def test_a_split_that_is_not_there(trained: Path) -> None:
    for name in ("evaluate", "embed"):
        assert "no split 'tset'" in finesight(name, trained, "--split", "tset").error()


def test_a_split_is_written_nowhere_but_in_its_run(copy: Path, small: Path) -> None:
    for name in ("../../elsewhere", "/tmp/elsewhere", "a/b", ".."):
        assert "no name for a split" in finesight("evaluate", copy, "--data", small, "--split", name).error()


def test_other_data_of_an_unknown_class(trained: Path, tmp_path: Path) -> None:
    draw(tmp_path / "more" / "purple_1.png", "red")
    draw(tmp_path / "more" / "red_1.png", "red")
    assert "'purple'" in finesight("evaluate", trained, "--data", tmp_path / "more").error()


def test_the_data_of_a_run_are_gone(copy: Path, tmp_path: Path) -> None:
    config = (copy / "config.toml").read_text()
    root = next(line for line in config.splitlines() if line.startswith("root"))
    (copy / "config.toml").write_text(config.replace(root, f'root = "{tmp_path}/gone"'))
    assert "gone" in finesight("evaluate", copy).error()


@pytest.mark.parametrize("flags", [["--method", "tnse"], ["--engine", "openTSNA"], ["--perplexity", "-1"]])
def test_maps_that_cannot_be_drawn(copy: Path, small: Path, flags: list[str]) -> None:
    assert flags[1] in finesight("embed", copy, "--data", small, *flags).error()
    assert not list(copy.glob("embedding/*/map.*"))


def test_models_that_do_not_exist() -> None:
    assert "Did you mean 'resnet50'?" in finesight("models", "resnet5O").error()
    assert "layer9" in finesight("models", "timm/test_resnet", "--freeze-before", "layer9").error()


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


def test_small_settings_are_known() -> None:
    """SMALL holds for every test of this folder: a renamed setting would make them all pass for a wrong reason."""
    from finesight.config import load_settings

    assert load_settings(overrides=SMALL).image.size == (32, 32)
