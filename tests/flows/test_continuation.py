"""A bulk prediction that was stopped goes on with the same command, and never mixes two predictions."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import draw, draw_classes, finesight, train
from PIL import Image

from finesight.data import batches
from finesight.inference.predictor import Predictor


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("labels")
    assert train(draw_classes(home / "images", per_class=8), home / "run", batch_size=4).code == 0
    return home / "run"


@pytest.fixture(scope="module")
def mask_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("masks")
    for number in range(6):
        draw(home / f"pairs/{number}_sat.png", "red", seed=number, size=32)
        mask = np.zeros((32, 32, 3), np.uint8)
        mask[8:-8, 8:-8] = 255
        Image.fromarray(mask).save(home / f"pairs/{number}_mask.png")
    model = {"model__name": "fcn/timm/test_resnet", "film__count": 0, "batch_size": 2}
    answer = train(home / "pairs", home / "run", **model)
    assert answer.code == 0, answer.err
    return home / "run"


def stop_after(monkeypatch: pytest.MonkeyPatch, module: object, name: str, number: int) -> list[int]:
    """Ctrl-C in the call of that number; the list grows with every call."""
    function, calls = getattr(module, name), []

    def interrupted(*arguments):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == number:
            handler = signal.getsignal(signal.SIGINT)  # a signal itself can end a process whose main thread used AMX
            assert callable(handler)
            handler(signal.SIGINT, None)
        return function(*arguments)

    monkeypatch.setattr(module, name, interrupted)
    return calls


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve for four batches of eight … and one that cannot be read."""
    folder = draw_classes(tmp_path / "images", per_class=6)
    (folder / "broken.png").touch()
    return folder


def test_a_stopped_table_goes_on(run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, whole = tmp_path / "labels.csv", tmp_path / "whole.csv"
    assert finesight("predict", run, images, "--out", whole).code == 1
    with monkeypatch.context() as patched:
        calls = stop_after(patched, Predictor, "logits", 2)
        answer = finesight("predict", run, images, "--out", out)
    assert answer.code == 130
    assert "the same command continues with the rest" in answer.err
    assert len(calls) == 2
    assert not out.exists()
    rows = tmp_path / ".labels.csv.rows"
    (kept,) = rows.glob("*.jsonl")
    assert len(kept.read_text().splitlines()) in (15, 16)  # two batches of eight, one image of which may be broken
    other = shutil.copytree(run, tmp_path / "other")
    (other / "checkpoints/best/weights.safetensors").unlink()
    shutil.copy(run / "checkpoints/last/weights.safetensors", other / "checkpoints/best")
    kept.write_text(kept.read_text() + '["red_0.png", 1')  # a line that a power cut left
    calls = stop_after(monkeypatch, Predictor, "logits", 99)
    answer = finesight("predict", run, images, "--out", out, "--json")
    assert answer.code == 1
    assert answer.json()["num_samples"] == 18
    assert answer.json()["unreadable"] == [["broken.png", "is empty (0 bytes)"]]
    assert len(calls) == 1
    assert out.read_text().splitlines()[0] == "filename,label,probability"
    lines, expected = out.read_text().splitlines(), whole.read_text().splitlines()
    assert [line.split(",")[:2] for line in lines] == [line.split(",")[:2] for line in expected]
    assert not rows.exists()


@pytest.mark.parametrize("answer", ["[-1, 0.5]", "[99, 0.5]", "[1]", "7"])
def test_a_stopped_table_with_a_damaged_row(
    answer: str, run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "labels.csv"
    with monkeypatch.context() as patched:
        stop_after(patched, Predictor, "logits", 1)
        assert finesight("predict", run, images, "--out", out).code == 130
    (kept,) = (tmp_path / ".labels.csv.rows").glob("*.jsonl")
    key, changed, _ = json.loads(kept.read_text().splitlines()[0])
    kept.write_text(f'["{key}", {changed}, {answer}]\n')
    assert "labels.csv.rows is damaged" in finesight("predict", run, images, "--out", out).error()
    assert not out.exists()


def test_a_stopped_table_is_not_mixed(run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, moved = tmp_path / "labels.csv", tmp_path / "moved"
    with monkeypatch.context() as patched:
        stop_after(patched, Predictor, "logits", 1)
        assert finesight("predict", run, images, "--out", out).code == 130
    shutil.copytree(images, moved)
    refused = finesight("predict", run, moved, "--out", out).error()
    assert "predictions of other images" in refused
    assert str(tmp_path / ".labels.csv.rows") in refused
    draw(images / "red_0.png", "blue")  # changed since: its row is made again
    os.utime(images / "red_0.png", (1, 1))
    calls = stop_after(monkeypatch, Predictor, "logits", 99)
    assert finesight("predict", run, images, "--out", out).code == 1
    assert len(calls) == 2  # eleven images and that one
    fresh = tmp_path / "fresh.csv"
    assert finesight("predict", run, images, "--out", fresh).code == 1
    assert labels_of(out) == labels_of(fresh)


def labels_of(table: Path) -> list[str]:
    return [line.rpartition(",")[0] for line in table.read_text(encoding="utf-8").splitlines()]


def tell(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*.*")):
        if path.is_file():
            yield path.name, path.stat().st_mtime_ns


def test_stopped_masks_go_on(mask_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, out, over = tmp_path / "images", tmp_path / "out", tmp_path / "over"
    for number in range(4):
        draw(images / f"{number}.png", "red", seed=number, size=32)
    monkeypatch.setattr(batches, "MOST_PIXELS", 1)
    with monkeypatch.context() as patched:
        calls = stop_after(patched, Predictor, "_start_group", 2)
        assert finesight("predict", mask_run, images, "--out", out).code == 130
    assert len(calls) == 2
    before = dict(tell(out))
    assert list(before) == [".finesight.json", "0.png", "1.png"]
    with monkeypatch.context() as patched:
        calls = stop_after(patched, Predictor, "_start_group", 99)
        answer = finesight("predict", mask_run, images, "--out", out, "--json")
        assert answer.json()["num_samples"] == 4
        assert len(calls) == 2
        assert before.items() <= dict(tell(out)).items()
        assert finesight("predict", mask_run, images, "--out", out).code == 0
        assert len(calls) == 2  # all is done
        os.utime(images / "3.png")  # changed since
        assert finesight("predict", mask_run, images, "--out", out).code == 0
        assert len(calls) == 3
        assert finesight("predict", mask_run, images, "--out", out, "--overlay", over).code == 0
        assert len(calls) == 7  # overlays are to be made of all
        assert len(list(over.iterdir())) == 4


def test_images_of_one_size_are_segmented_at_once(
    mask_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each still gets its own mask, whatever its neighbours are; one that cannot be read is passed over."""
    images = tmp_path / "images"
    for number, size in enumerate((32, 32, 32, 40, 40, 32)):
        draw(images / f"{number}.png", ("red", "green", "blue")[number % 3], seed=number, size=size)
    (images / "1b.png").touch()
    calls = stop_after(monkeypatch, Predictor, "_start_group", 99)
    assert finesight("predict", mask_run, images, "--out", tmp_path / "together").code == 1
    assert len(calls) == 2  # of four and of two
    monkeypatch.setattr(batches, "MOST_PIXELS", 1)
    assert finesight("predict", mask_run, images, "--out", tmp_path / "alone").code == 1
    assert len(calls) == 2 + 6
    for path in sorted((tmp_path / "alone").glob("*.png")):
        assert (tmp_path / "together" / path.name).read_bytes() == path.read_bytes()


def test_masks_are_not_mixed(mask_run: Path, tmp_path: Path) -> None:
    images, out = draw(tmp_path / "images/a.png", "red", size=32).parent, tmp_path / "out"
    assert finesight("predict", mask_run, images, "--out", out).code == 0
    before = dict(tell(out))
    assert "predictions of other tta," in finesight("predict", mask_run, images, "--out", out, "--tta").error()
    moved = shutil.copytree(images, tmp_path / "moved")
    assert "of other images," in finesight("predict", mask_run, moved, "--out", out).error()
    (out / ".finesight.json").unlink()
    assert "'a.png', which this command did not write" in finesight("predict", mask_run, images, "--out", out).error()
    for damaged in ("", "[]", "{}"):
        (out / ".finesight.json").write_text(damaged)
        assert "of other weights and" in finesight("predict", mask_run, images, "--out", out).error()
    assert {name: time for name, time in tell(out) if name != ".finesight.json"}.items() <= before.items()
