"""Stopped and resumed is as good as never stopped: the same weights and the same journal, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import SMALL, draw_classes, finesight, train

from finesight.backend.interrupt import StopRequest
from finesight.training.trainer import Trainer

SETTINGS = {"epochs": 2, "augment__mixup": 0.2, "ema": 0.9, "model__dropout": 0.2}
SAME = [
    *("journal.jsonl", "freezing.jsonl", "splits.csv", "evaluation/val/predictions.csv"),
    *("checkpoints/last/weights.safetensors", "checkpoints/last/training.safetensors"),
    "checkpoints/best/weights.safetensors",
]


def assert_same(run: Path, other: Path) -> None:
    different = [name for name in SAME if (run / name).read_bytes() != (other / name).read_bytes()]
    assert not different


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("data") / "images", per_class=10)  # 27 to train on: four steps


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "native"
    assert train(data, out, **SETTINGS).code == 0
    return out


@pytest.mark.parametrize("steps", [1, 4, 6, 8])
def test_stopped_after_any_step(
    steps: int, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1: before the first validation; 4 and 8: an epoch's last step, its validation still to come."""
    out = tmp_path / "my run"
    step, done = Trainer._forward_backward, []

    def interrupted_step(trainer, batch):  # type: ignore[no-untyped-def]
        done.append(batch)
        if len(done) == steps:
            signal.getsignal(signal.SIGINT)(
                signal.SIGINT, None
            )  # a real one ended the test's own process (test_kill.py)
        return step(trainer, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_forward_backward", interrupted_step)
        answer = train(data, out, **SETTINGS)
    assert answer.code == 130
    assert len(done) == steps
    assert f"finesight train --resume --out '{out}'" in answer.err
    assert "Traceback" not in answer.err
    labels = tmp_path / "labels.csv"
    assert finesight("predict", out, data, "--out", labels).code == 0
    assert len(labels.read_text().splitlines()) == 31
    answer = finesight("train", "--resume", "--out", out, "--json")
    assert "weights of the checkpoint" in answer.err
    assert answer.code == 0, answer.err
    assert answer.json()["run"] == str(out)
    assert_same(out, whole)


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize(
    ("name", "call", "every"),
    [
        ("_forward_backward", 3, 1),
        ("_finish_epoch", 2, 1),
        ("_save", 1, 1),
        ("_save", 2, 1),
        ("_forward_backward", 7, 5),
    ],
)
def test_killed_without_warning(
    name: str, call: int, every: int, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is saved on the way down: what came after the last checkpoint, if there is one, is done again."""
    out = tmp_path / "run"
    method, calls = getattr(Trainer, name), []

    def cut(trainer, *arguments, **options):  # type: ignore[no-untyped-def]
        calls.append(name)
        if len(calls) == call:
            raise PowerCut
        return method(trainer, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, name, cut)
        with pytest.raises(PowerCut):
            train(data, out, **SETTINGS, checkpoint__every=every)
    assert finesight("train", "--resume", "--out", out).code == 0
    assert_same(out, whole)


def test_resuming_what_is_finished_changes_nothing(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    assert finesight("train", "--resume", "--out", copy).code == 0
    assert_same(copy, whole)


def test_resuming_with_the_same_words(data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is repeated with --resume, its path now relative; how often it is saved may change."""
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    monkeypatch.chdir(data.parent)
    assert train(Path(data.name), copy, "--resume", **SETTINGS, checkpoint__every=3).code == 0
    assert_same(copy, whole)


def test_a_first_epoch_starts_again_from_its_weights(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before any checkpoint: the weights it began with must be read again, not drawn a second time."""
    start = whole / "checkpoints/best/weights.safetensors"
    settings = SETTINGS | {"model__weights": str(start), "checkpoint__every": 2}
    assert train(data, tmp_path / "straight", **settings).code == 0

    def cut(trainer: Trainer, stop: StopRequest) -> int:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_finish_epoch", cut)
        with pytest.raises(PowerCut):
            train(data, tmp_path / "cut", **settings)
    assert finesight("predict", tmp_path / "cut", data).code == 2  # there are no weights yet
    assert finesight("train", "--resume", "--out", tmp_path / "cut").code == 0
    assert_same(tmp_path / "cut", tmp_path / "straight")


def test_ctrl_c_in_a_terminal(data: Path, whole: Path, tmp_path: Path) -> None:
    """A true process with a decoding process of its own: the signal reaches both, as a terminal's Ctrl-C does."""
    out = tmp_path / "run"
    settings = SMALL | {name.replace("__", "."): value for name, value in SETTINGS.items()}
    settings |= {"epochs": 200, "data.image_cache": "off", "data.workers": 1}
    flags = [f"--set={name}={value}" for name, value in settings.items()]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "finesight", "train", "--data", data, "--out", out, *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(out / "checkpoints/last/training.safetensors", process)
        os.killpg(process.pid, signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert not printed
    assert said.count("Stopping after this step") == 1
    assert f"finesight train --resume --out {out}" in said
    assert "Traceback" not in said
    assert finesight("predict", out, data, "--out", tmp_path / "labels.csv").code == 0


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 90
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
