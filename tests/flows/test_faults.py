"""Real faults during training: a sentence that says what to do, and nothing lost once it is done."""

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import SMALL, draw_classes, finesight, train
from disk import small_disk
from killing import LittleMemory, run

from finesight.app.prove_resume import compare_files
from finesight.data.loader import MAX_DEATHS, ImageDataset, load_batches
from finesight.errors import DataError
from finesight.inference.restore import load_tensors
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import Training
from finesight.training.trainer import Trainer
from reliability import Tally

pytestmark = pytest.mark.timeout(600)
SETTINGS: dict[str, Any] = {"epochs": 2, "ema": 0.9, "model__dropout": 0.2, "data__store": "off", "data__workers": 0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "images", per_class=10)  # 27 to train on: four steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbed, of the same images."""
    folder = tmp_path_factory.mktemp("native")
    assert train(draw_classes(folder / "images", per_class=10), folder / "run", **SETTINGS).code == 0
    return folder / "run"


def at_step(monkeypatch: pytest.MonkeyPatch, number: int, fault: Callable[[], object]) -> None:
    """The fault happens right before the run's step of that number, from 1."""
    step, done = Trainer._forward_backward, []

    def faulty_step(trainer: Trainer, batch: Any) -> torch.Tensor:
        done.append(batch)
        if len(done) == number:
            fault()
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "_forward_backward", faulty_step)


def assert_goes_on(out: Path, whole: Path) -> None:
    """The same bit for bit, but for config.toml, which names the folder of the images."""
    answer = finesight("train", "--resume", "--out", out)
    assert answer.code == 0, answer.err
    _, different = compare_files(whole, out)
    assert [name for name in different if name != "config.toml"] == []


def tensors(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (out / "checkpoints").rglob("*.safetensors")}


# -- the disk


@pytest.mark.parametrize("what", ["the disk is full", "the folder is read only"])
def test_nothing_can_be_written(
    what: str, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally
) -> None:
    """From the second epoch's first step on; then it is found again before the first step of a resumed run."""
    with small_disk(tmp_path / "disk") as disk:
        out = disk.path / "run"
        is_full = what == "the disk is full"
        with monkeypatch.context() as patched:
            at_step(patched, 5, disk.fill if is_full else lambda: disk.forbid_writing(out / "checkpoints"))
            answer = train(data, out, **SETTINGS)
        kept = tensors(out)
        assert "No space left" in answer.error() if is_full else "Read-only" in answer.error()
        assert f"finesight train --resume --out {out}" in answer.err
        again = finesight("train", "--resume", "--out", out)
        assert "is intact" in again.error()
        assert tensors(out) == kept
        disk.empty() if is_full else disk.allow_writing(out / "checkpoints")
        assert_goes_on(out, whole)
    reliability("fault", f"{what} during training")


# -- the images


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("what", "fault", "workers"),
    [("deleted", Path.unlink, 0), ("deleted", Path.unlink, 1), ("cut off", cut, 0), ("cut off", cut, 2)],
)
def test_a_image_is_lost(
    what: str,
    fault: Callable[[Path], None],
    workers: int,
    data: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reliability: Tally,
) -> None:
    """Found in the second epoch at the latest. Steps before it are kept, and are not done again."""
    out = tmp_path / "run"
    with monkeypatch.context() as patched:

        def harm() -> None:
            harmed.append(data / RunFolder(out).read_splits()["train"][0][0])
            kept.append(harmed[0].read_bytes())
            fault(harmed[0])

        harmed: list[Path] = []
        kept: list[bytes] = []
        at_step(patched, 2, harm)
        answer = train(data, out, **SETTINGS | {"data__workers": workers})
    assert harmed[0].name in answer.error()
    assert "Nothing is lost" in answer.err
    assert len(answer.err.splitlines()) < 8  # no traceback of a worker
    again = finesight("train", "--resume", "--out", out)
    assert harmed[0].name in again.err
    harmed[0].write_bytes(kept[0])
    assert_goes_on(out, whole)
    reliability("fault", f"an image {what} during training, {workers or 'no'} loader worker{'s' * (workers != 1)}")


# -- the processes


def test_a_loader_worker_is_killed(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally
) -> None:
    """By SIGKILL, as the system does for want of memory. It is replaced from the next batch on."""

    def kill_one() -> None:
        os.kill(max(process.pid or 0 for process in multiprocessing.active_children()), signal.SIGKILL)

    with monkeypatch.context() as patched:
        at_step(patched, 1, kill_one)
        answer = train(data, tmp_path / "run", **SETTINGS | {"data__workers": 2, "batch_size": 4})
    straight = train(data, tmp_path / "straight", **SETTINGS | {"data__workers": 2, "batch_size": 4})
    assert answer.code == straight.code == 0, answer.err
    assert answer.err.count("a process that reads images was killed") == 1
    assert compare_files(tmp_path / "straight", tmp_path / "run")[1] == []
    reliability("fault", "a loader worker killed")


class Deadly:
    """Pixels whose reading kills the process that reads."""

    note = ""

    def __len__(self) -> int:
        return 4

    def read(self, indices: Sequence[int]) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.slow
def test_workers_that_always_die(reliability: Tally) -> None:
    dataset = ImageDataset(Deadly(), np.arange(4), ["a", "b", "c", "d"])
    with pytest.raises(DataError, match=r"died 3 times in a row.*data\.workers = 0"):
        list(load_batches(dataset, [[0, 1], [2, 3]], workers=1))
    reliability("fault", "loader workers that die again and again", MAX_DEATHS)


# -- the memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit")
@pytest.mark.parametrize(("spare_mb", "multiplier"), [(2400, 2), (1520, 4)])
def test_memory_is_too_small_for_a_batch(
    spare_mb: int, multiplier: int, data: Path, tmp_path: Path, reliability: Tally
) -> None:
    """Eight images want 3.2 GB. What is spare beyond a micro-batch is for what is imported after the first step.

    What comes out is what optim.accumulate gives: normalisation, too, is as if nothing had been tried before.
    """
    plain, out, said = tmp_path / "plain", tmp_path / "run", tmp_path / "said.txt"
    settings = SMALL | {"data.workers": 0, "image.size": [64, 64]}
    flags = ["--data", data, *(f"--set={name}={json.dumps(value)}" for name, value in settings.items())]
    accumulate = f"--set=optim.accumulate={multiplier}"
    assert run("train", "--out", plain, *flags, accumulate, prepare=LittleMemory(9000)) == 0
    assert run("train", "--out", out, *flags, prepare=LittleMemory(spare_mb), said=said) == 0, said.read_text()
    assert said.read_text().count(f"is computed in {multiplier} micro-batches; batch size and learning rate stay") == 1
    assert Training.load(RunFolder(out)).values["micro_batch_multiplier"] == multiplier
    different = set(compare_files(plain, out)[1])
    assert different == {
        "config.toml",
        "checkpoints/last/training.safetensors",
    }  # which hold accumulate and the multiplier
    reliability("fault", f"memory for 1/{multiplier} of a batch", multiplier.bit_length() - 1)


# -- the numbers, the clock


def test_training_that_goes_astray(data: Path, tmp_path: Path, reliability: Tally) -> None:
    """A learning rate that no network survives: what was kept last is made of numbers."""
    out = tmp_path / "run"
    wild = {"optim__name": "sgd", "optim__lr": 100, "optim__momentum": 0.99, "optim__schedule": "constant"}
    answer = train(data, out, **SETTINGS | wild | {"epochs": 60, "checkpoint__minutes": 0})
    assert re.search(r"NaN or infinite in epoch|are NaN or infinite: training diverged", answer.error())
    assert tensors(out)
    for path in tensors(out):
        assert all(tensor.isfinite().all() for tensor in load_tensors(path)[0].values())
    reliability("fault", "training that goes astray")


def test_a_clock_that_jumps(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reliability: Tally
) -> None:
    """An hour to and fro at every look. Nobody sets the machine's clock in a test: torch's and Python's calls are."""
    true, looks = time.time, []

    def jumping() -> float:
        looks.append(true())
        return looks[-1] + 3600 * (-1) ** len(looks)

    monkeypatch.setattr(time, "time", jumping)
    assert train(data, tmp_path / "run", **SETTINGS).code == 0
    assert [name for name in compare_files(whole, tmp_path / "run")[1] if name != "config.toml"] == []
    timings = RunFolder(tmp_path / "run").read_lines("timings.jsonl")
    assert all(0 < line["train_s"] < 600 for line in timings)
    reliability("fault", "a clock that jumps", len(timings))


def test_no_decision_looks_at_the_clock_on_the_wall() -> None:
    source = Path(__file__).parents[2] / "src"
    looks = re.compile(r"time\.time\(|datetime\.(now|utcnow|today)|date\.today")
    told = {"budget.py", "training_run.py"}  # the expected end is said, the start is recorded
    ages = {"cache.py"}  # of files in the cache, which only that clock knows
    found = {path.name for path in source.rglob("*.py") if looks.search(path.read_text(encoding="utf-8"))}
    assert found == told | ages
