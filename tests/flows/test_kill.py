"""Real processes, killed by kill -9 at random moments, and a disk that is really full."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import SMALL, draw_classes, finesight, train
from test_interruption import SAME

from finesight.engine.checkpoint import load_tensors, save_checkpoint
from finesight.errors import RunError
from finesight.run import RunFolder

SETTINGS = SMALL | {"epochs": 3, "ema": 0.9, "model.dropout": 0.2, "data.store": "off", "checkpoint.minutes": 0}


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "finesight", "train", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("workers", "kills"),
    [(2, 1), pytest.param(0, 6, marks=pytest.mark.slow), pytest.param(2, 6, marks=pytest.mark.slow)],
)
def test_killed_at_random_moments(workers: int, kills: int, tmp_path: Path) -> None:
    data = draw_classes(tmp_path / "pictures", per_class=10)
    settings = SETTINGS | {"data.workers": workers}
    whole, out = tmp_path / "whole", tmp_path / "run"
    assert train(data, whole, **settings).code == 0
    moments = random.Random(workers)
    arguments: list[object] = ["--data", data, *(f"--set={name}={json.dumps(v)}" for name, v in settings.items())]
    for _ in range(kills):
        process = start("--out", out, *arguments)
        try:
            wait_for(out / "checkpoints/last/training.safetensors", process)
            time.sleep(moments.uniform(0, 0.3))
        finally:
            process.kill()
        process.communicate()
        arguments = ["--resume"]
    answer = finesight("train", "--resume", "--out", out)
    assert answer.code == 0, answer.err  # its lock died with the process, and not with the workers
    assert [name for name in SAME if (out / name).read_bytes() != (whole / name).read_bytes()] == []


@pytest.mark.slow
def test_a_second_process_is_refused(tmp_path: Path) -> None:
    data, out = draw_classes(tmp_path / "pictures", per_class=10), tmp_path / "run"
    flags = [f"--set={name}={json.dumps(value)}" for name, value in (SETTINGS | {"epochs": 500}).items()]
    process = start("--data", data, "--out", out, *flags)
    try:
        wait_for(out / "checkpoints/last/training.safetensors", process)
        assert "is being trained by another process" in finesight("train", "--resume", "--out", out).error()
    finally:
        process.kill()
        process.communicate()


def test_a_folder_in_use_is_refused_until_it_is_free(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.lock(), pytest.raises(RunError, match="is being trained by another process"), run.lock():
        pass
    with run.lock():
        pass


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        data, out = draw_classes(tmp_path / "pictures", per_class=10), disk / "run"
        assert train(data, out, epochs=1).code == 0
        kept = {path: path.read_bytes() for path in (out / "checkpoints").rglob("*.safetensors")}
        with (disk / "filler").open("ab", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass
        weights, _ = load_tensors(out / "checkpoints/last/weights.safetensors")
        with pytest.raises(RunError, match="cannot be written"):
            save_checkpoint(RunFolder(out), "last", weights)
        assert {path: path.read_bytes() for path in (out / "checkpoints").rglob("*.safetensors")} == kept
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
