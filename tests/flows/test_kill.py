"""Killed by SIGKILL at any moment and resumed any number of times, a run is the one that nothing disturbed."""

import json
import math
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from commands import SMALL, draw_classes, finesight
from killing import AtWrite, InCall, Process, run, start

from finesight.app.prove_resume import compare_files
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import read_csv
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import Training
from finesight.training.schedule import find_position
from reliability import Tally

pytestmark = pytest.mark.timeout(900)  # many processes, on a machine that may have other things to do
SETTINGS = SMALL | {"epochs": 2, "ema": 0.9, "model.dropout": 0.2, "data.image_cache": "off", "checkpoint.minutes": 0}
Found = TypeVar("Found")
MOST_WRITES = 45  # from one kill to the next; a resumed run writes a dozen times before its first step


def flags(**changed: object) -> list[str]:
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changed.items()}
    return [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("data") / "images", per_class=10)  # 27 to train on: four steps


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "native"
    assert run("train", "--data", data, "--out", out, *flags(data__workers=0)) == 0
    return out


def assert_nothing_lost(out: Path, whole: Path, reliability: Tally, what: str, kills: int) -> None:
    _, different = compare_files(whole, out)
    assert [name for name in different if name != "config.toml"] == []  # which tells the number of workers
    epochs = [len(RunFolder(each).read_lines("journal.jsonl")) for each in (whole, out)]
    header = ("key", "target", "prediction", "confidence")
    answered = [len(list(read_csv(each / "evaluation/val/predictions.csv", header))) for each in (whole, out)]
    lost = {"epochs_lost": epochs[0] - epochs[1], "images_lost": answered[0] - answered[1]}
    reliability("kill", what, kills, **lost)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed by /proc")
def test_a_kill_leaves_no_process_behind(data: Path, whole: Path, tmp_path: Path, reliability: Tally) -> None:
    out = tmp_path / "run"
    process = start("train", "--data", data, "--out", out, *flags(data__workers=2, epochs=500))
    try:
        wait_for(out / "checkpoints/last/training.safetensors", process)
        members = wait_until(lambda: found if len(found := family(process)) >= 3 else None)  # itself, two that read
    finally:
        process.kill()
        process.join()
    wait_until(lambda: not members & processes().keys())
    reliability("kill", "with 2 loader workers, which end with it")


def family(ancestor: Process) -> set[tuple[int, str]]:
    """It and all that it started, and that they started."""
    parents = {pid: parent for (pid, _), parent in processes().items()}

    def belongs(pid: int) -> bool:
        return pid == ancestor.pid or (pid in parents and belongs(parents[pid]))

    return {(pid, begin) for pid, begin in processes() if belongs(pid)}


def processes() -> dict[tuple[int, str], int]:
    """Parents of running processes, by number and time of start: a number alone may be given to another one."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if fields[0] != "Z":
                found[int(stat.parent.name), fields[19]] = int(fields[1])
    return found


def wait_until(find: Callable[[], Found | None]) -> Found:
    """The first thing found that counts as true."""
    for _ in range(600):
        if found := find():
            return found
        time.sleep(0.1)
    raise AssertionError("not within a minute")


@pytest.mark.parametrize(
    ("workers", "seed", "most_kills"),
    [(0, 1, 6), (1, 2, 2), (2, 3, 2), *(pytest.param(n % 3, n, 99, marks=pytest.mark.slow) for n in range(4, 22))],
)
def test_killed_again_and_again_before_a_write(
    workers: int, seed: int, most_kills: int, data: Path, whole: Path, tmp_path: Path, reliability: Tally
) -> None:
    """At random ones of all the moments at which a file or folder is about to be made, renamed or deleted."""
    moments, kills, out = random.Random(seed), 0, tmp_path / "run"
    begin = ["train", "--data", data, "--out", out, *flags(data__workers=workers)]
    go_on = ["train", "--resume", "--out", out]
    while True:
        number = moments.randint(1, MOST_WRITES) if kills < most_kills else sys.maxsize
        code = run(*(go_on if RunFolder(out).is_run() else begin), prepare=AtWrite(out, number))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills
    what = f"before a write, {workers or 'no'} loader worker{'s' * (workers != 1)}"
    assert_nothing_lost(out, whole, reliability, what, kills)


@pytest.mark.slow
def test_killed_before_every_write(data: Path, whole: Path, tmp_path: Path, reliability: Tally) -> None:
    """One run after the other, killed once each, until one comes to its end."""
    number, code = 0, -signal.SIGKILL
    while code:
        number += 1
        out = tmp_path / f"run-{number}"
        begin = ["train", "--data", data, "--out", out, *flags(data__workers=0)]
        code = run(*begin, prepare=AtWrite(out, number))
        if code:
            assert code == -signal.SIGKILL
            assert run(*(["train", "--resume", "--out", out] if RunFolder(out).is_run() else begin)) == 0
            assert_nothing_lost(out, whole, reliability, "before every write of a run, one after the other", 1)
        shutil.rmtree(out)
    assert number > 80


@pytest.mark.parametrize(
    ("what", "where", "number"),
    [
        ("inside a step", "finesight.training.trainer:Trainer._accumulate", 3),
        ("inside an evaluation", "finesight.inference.predictor:Predictor._in_parts", 2),
        ("between the files of a checkpoint", "finesight.training.checkpoint:save_tensors", 6),
        ("between the two renames of a checkpoint", "finesight.run.files:sync_folder", 3),
        ("inside the last evaluation", "finesight.app.training_run:write_selftest", 1),
    ],
)
def test_killed_inside(
    what: str, where: str, number: int, data: Path, whole: Path, tmp_path: Path, reliability: Tally
) -> None:
    out = tmp_path / "run"
    begin = ["train", "--data", data, "--out", out, *flags(data__workers=0)]
    assert run(*begin, prepare=InCall(where, number)) == -signal.SIGKILL
    assert run("train", "--resume", "--out", out) == 0
    assert_nothing_lost(out, whole, reliability, what, 1)


@pytest.mark.usefixtures("whole")  # for which the kernel is compiled already
def test_killed_within_a_time_budget(data: Path, tmp_path: Path, reliability: Tally) -> None:
    """The time before counts, and the training ends within all of it with its schedule complete."""
    out, said, hours = tmp_path / "run", tmp_path / "said", 0.004
    begin = ["train", "--data", data, "--out", out, *flags(data__workers=0), "--hours", hours]
    assert run(*begin, prepare=InCall("finesight.training.trainer:Trainer._keep_to_budget", 6)) == -signal.SIGKILL
    folder = RunFolder(out)
    before = folder.read_json(schema.BUDGET)
    assert run("train", "--resume", "--out", out, said=said) == 0
    told = re.search(r"Budget: (\d+) s of 14 s are used\.", said.read_text())
    assert told
    assert int(told[1]) >= int(before["used_s"])
    settings, lines = folder.read_settings(), folder.read_lines(schema.JOURNAL)
    planned = settings.budget.plan[-1][1]
    assert before["used_s"] < folder.read_json(schema.BUDGET)["used_s"] < 1.2 * 3600 * hours
    assert [line["epoch"] for line in lines] == list(range(1, math.ceil(planned) + 1))
    assert lines[-1]["planned_epochs"] == planned
    assert find_position(settings, planned) == pytest.approx(settings.epochs)
    assert lines[-1]["lr"] < max(line["lr"] for line in lines)
    reliability("kill", "within a time budget")


@pytest.mark.parametrize(("workers", "kills"), [(2, 2), pytest.param(0, 12, marks=pytest.mark.slow)])
def test_killed_at_random_times(
    workers: int, kills: int, data: Path, whole: Path, tmp_path: Path, reliability: Tally
) -> None:
    """From outside, wherever it is: also where no line of Python could tell."""
    out, moments = tmp_path / "run", random.Random(workers)
    begin = ["train", "--data", data, "--out", out, *flags(data__workers=workers)]
    survived = 0
    for _ in range(kills):
        process = start(*begin)
        wait_for(out / "checkpoints/last/training.safetensors", process)
        process.join(moments.uniform(0, 0.3))
        process.kill()
        process.join()
        survived += process.exitcode == -signal.SIGKILL
        begin = ["train", "--resume", "--out", out]
    assert run(*begin) == 0  # the lock died with the process, and not with the workers
    assert_nothing_lost(out, whole, reliability, "at a random time", survived)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_killed_inside_the_line_of_a_journal(
    share: float, data: Path, whole: Path, tmp_path: Path, reliability: Tally
) -> None:
    """A line that is only partly on the disk, up to all but its end."""
    out = tmp_path / "run"
    begin = ["train", "--data", data, "--out", out, *flags(data__workers=0)]
    assert run(*begin, prepare=InCall("finesight.training.checkpoint:save_checkpoint", 5)) == -signal.SIGKILL
    for name in ("journal.jsonl", "freezing.jsonl", "timings.jsonl"):
        line = (whole / name).read_bytes().splitlines()[0]
        with (out / name).open("ab") as file:
            file.write(line[: 1 + round(share * (len(line) - 1))])
    assert run("train", "--resume", "--out", out) == 0
    assert_nothing_lost(out, whole, reliability, "inside a line of the journal", 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_after_the_step(
    number: signal.Signals, data: Path, whole: Path, tmp_path: Path, reliability: Tally
) -> None:
    """With checkpoints hours apart, what is kept is kept because of the signal; as soon as the folder is a run."""
    out = tmp_path / "run"
    process = start("train", "--data", data, "--out", out, *flags(data__workers=2), "--checkpoint-every", "2h")
    wait_for(out / "model.json", process)
    assert process.pid
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    assert Training.load(RunFolder(out)).values["step"] >= 1
    assert run("train", "--resume", "--out", out) == 0
    _, different = compare_files(whole, out)
    assert [name for name in different if name != "config.toml"] == []
    reliability("fault", f"{number.name} during training")


def test_a_second_process_is_refused_until_the_first_is_dead(data: Path, tmp_path: Path, reliability: Tally) -> None:
    out = tmp_path / "run"
    process = start("train", "--data", data, "--out", out, *flags(epochs=500))
    try:
        wait_for(out / "checkpoints/last/training.safetensors", process)
        assert "is being trained by another process" in finesight("train", "--resume", "--out", out).error()
    finally:
        process.kill()
        process.join()
    with RunFolder(out).lock():
        pass
    reliability("fault", "a second run on the same folder")


def test_a_folder_in_use_is_refused_until_it_is_free(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.lock(), pytest.raises(RunError, match="is being trained by another process"), folder.lock():
        pass
    with folder.lock():
        pass


def wait_for(path: Path, process: Process) -> None:
    end = time.monotonic() + 600
    while not path.exists():
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
