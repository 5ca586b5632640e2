"""Whatever is wrong is said in one sentence, with exit code 2, before anything is written."""

import os
import pickle
import shutil
import struct
import zlib
from pathlib import Path

import pytest
import torch
from commands import SMALL, draw_classes, finesight, refused, train
from safetensors.torch import save_file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "new"


# -- data


def test_there_is_no_such_folder(tmp_path: Path, out: Path) -> None:
    refused(train(tmp_path / "nowhere", out), out, "nowhere", "does not exist")


def test_no_data_is_named(out: Path) -> None:
    refused(finesight("train", "--out", out), out, "--data")


@pytest.mark.parametrize("files", [[], ["notes.txt"]])
def test_no_image_in_it(tmp_path: Path, out: Path, files: list[str]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    refused(train(folder, out), out, "no images")


def test_one_class_only(tmp_path: Path, out: Path) -> None:
    refused(train(draw_classes(tmp_path / "one", 4, classes=("red",)), out, "--format", "name_prefix"), out, "'red'")


def test_all_unreadable_images_are_listed_at_once(small: Path, tmp_path: Path, out: Path) -> None:
    whole = (small / "red_0.png").read_bytes()
    (small / "red_0.png").write_bytes(b"")
    (small / "red_1.png").write_bytes(whole[: len(whole) // 2])
    (small / "blue_2.png").write_bytes(b"not an image")
    shutil.move(small / "blue_2.png", draw_classes(tmp_path / "held_out", 1) / "blue_9.png")
    answer = train(small, out, "--val", tmp_path / "held_out")
    refused(answer, out, "cannot be read", "--on-bad-image skip")
    for name, reason in (("red_0.png", "is empty"), ("red_1.png", "is damaged"), ("blue_9.png", "is not an image")):
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
        ("path,kind,age\nred_0.png,red,3\n", ("'label'",)),
        ("path,label\nred_0.png,red\nnone.png,blue\n", ("row 3", "none.png")),
        ("path,label\nred_0.png,red\nred_0.png,blue\n", ("row 3", "red_0.png")),
        ("path,label\n", ("birds.csv", "Expected")),
        ("", ("is empty",)),
    ],
)
def test_a_manifest_with_a_mistake(small: Path, out: Path, table: str, words: tuple[str, ...]) -> None:
    (small / "birds.csv").write_text(table)
    refused(train(small / "birds.csv", out), out, *words)


def test_validation_images_of_an_unknown_class(small: Path, tmp_path: Path, out: Path) -> None:
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
        (["--set", "image.size=[32, 32, 32]"], ("image.size",)),
        (["--set", "image.size=wide"], ("image.size", "'wide'")),
        (["--set", "data.image_cache_gb=inf"], ("data.image_cache_gb", "inf")),
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
        ("nothing_like_it", ("Shipped recipes:", "demo-digits")),
        ("missing.toml", ("missing.toml", "does not exist")),
    ],
)
def test_an_unknown_recipe(small: Path, out: Path, recipe: str, words: tuple[str, ...]) -> None:
    refused(finesight("train", recipe, "--data", small, "--out", out), out, *words)


def test_models_that_do_not_exist() -> None:
    assert "Did you mean 'resnet50'?" in finesight("models", "resnet5O").error()
    assert "layer9" in finesight("models", "timm/test_resnet", "--freeze-before", "layer9").error()


def test_a_batch_of_one_is_too_few(small: Path, out: Path) -> None:
    """Where the last map is one pixel, batch normalisation has one value a channel: seen in the first step only."""
    assert "Raise batch_size" in train(small, out, batch_size=1).error()
    assert "lower optim.accumulate" in train(small, out.with_name("other"), optim__accumulate=8).error()


def test_images_in_the_place_of_a_recipe(small: Path, out: Path) -> None:
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
    refused(train(small, out, "--weights", tmp_path / "evil.pth"), out, "evil.pth", "was run")
    assert not (tmp_path / "sprung").exists()


def test_small_settings_are_known() -> None:
    """SMALL holds for every test of this folder: a renamed setting would make them all pass for a wrong reason."""
    from finesight.config import load_settings

    assert load_settings(overrides=SMALL).image.size == (32, 32)
