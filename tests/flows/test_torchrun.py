"""Several processes train as one does, and go on when one of them is killed. Real processes over gloo."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from commands import SMALL, draw_classes, finesight, train
from test_annotations import write_data
from test_interruption import SAME

from finesight.app.prove_resume import compare_files
from finesight.inference.restore import load_tensors
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import Training
from reliability import Tally
from torchrun import TIMEOUT, torchrun

pytestmark = pytest.mark.timeout(2 * TIMEOUT)

# 27 images to train on: batches of 8, 8, 8 and 3, the last too small to be divided. SGD, because Adam divides by
# second moments near zero, and so magnifies the last bits of a gradient.
SETTINGS = SMALL | {
    **{"epochs": 3, "batch_size": 8, "optim.name": "sgd", "optim.lr": 0.05, "optim.clip_norm": 1.0, "ema": 0.9},
    **{"machine.sync_norm": True, "machine.precision": "fp32", "loss.class_weights": "inverse"},
    **{"checkpoint.minutes": 0},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("data") / "images", per_class=10)


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two ranks that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "two"
    flags = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()]
    done = torchrun("-m", "finesight", "train", "--data", data, "--out", out, *flags, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(out)  # one object: the other rank printed nothing
    assert done.stderr.count("Epoch 3/3") == 1
    return out


def test_two_ranks_train_as_one(data: Path, two: Path, tmp_path: Path) -> None:
    """The same global batches: losses and metrics of every epoch to 1e-3, weights to 1e-3 of the largest."""
    one = tmp_path / "one"
    assert train(data, one, **{name.replace(".", "__"): value for name, value in SETTINGS.items()}).code == 0
    lines, expected = RunFolder(two).read_lines("journal.jsonl"), RunFolder(one).read_lines("journal.jsonl")
    assert len(lines) == 3
    for line, alone in zip(lines, expected, strict=True):
        assert line == pytest.approx(alone, rel=1e-3, abs=1e-4)
    (weights, _), (alone_weights, _) = (
        load_tensors(run / "checkpoints/last/weights.safetensors") for run in (two, one)
    )
    for name, tensor in weights.items():
        assert (tensor - alone_weights[name]).abs().max() <= 1e-3 * alone_weights[name].abs().max().clamp(min=1), name
    answers, alone_answers = (
        load_tensors(run / "evaluation/val/logits.safetensors")[0]["logits"] for run in (two, one)
    )
    torch.testing.assert_close(answers, alone_answers, rtol=1e-3, atol=1e-3)
    assert json.loads((two / "environment.json").read_text())["ranks"] == 2


def test_a_killed_rank_recovers(data: Path, two: Path, tmp_path: Path, reliability: Tally) -> None:
    """SIGKILL to one of them: torchrun restarts both, they go on, and the end is the same bit for bit."""
    out, table = tmp_path / "run", tmp_path / "labels.csv"
    script = Path(__file__).parent / "ranked.py"
    done = torchrun(script, data, out, table, json.dumps(SETTINGS), restarts=1)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["restarts"], result["agree"]) == (1, True)
    assert "Continuing after 1 of 3 epochs." in done.stderr
    assert [name for name in SAME if (out / name).read_bytes() != (two / name).read_bytes()] == []
    trained, scored, num_samples, is_there = result["answers"]
    assert scored == trained  # of the best epoch's weights, by two ranks both times
    assert (num_samples, is_there) == (30, True)
    assert set(tmp_path.iterdir()) == {out, table}
    alone = finesight("predict", out, data, "--out", tmp_path / "alone.csv")
    assert alone.code == 0
    rows, expected = (list(csv.DictReader(path.read_text().splitlines())) for path in (table, tmp_path / "alone.csv"))
    assert [row["filename"] for row in rows] == [row["filename"] for row in expected]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    shares = [[float(row["probability"]) for row in table] for table in (rows, expected)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)
    lost = 3 - len(RunFolder(out).read_lines("journal.jsonl"))
    reliability("kill", "kill -9 of one of two ranks", epochs_lost=lost, images_lost=30 - len(rows))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit")
def test_one_rank_has_too_little_memory(data: Path, tmp_path: Path, reliability: Tally) -> None:
    """Its eight images want 800 MB, and it has 600: both ranks compute theirs in two parts from then on."""
    script = Path(__file__).parent / "starved.py"
    changed = {"machine.sync_norm": False, "image.size": [64, 64], "batch_size": 16, "epochs": 1, "augment.cutmix": 1.0}
    done = torchrun(script, data, tmp_path, json.dumps(SETTINGS | changed))
    assert done.returncode == 0, done.stderr
    told = "From epoch 1, step 1 on a batch is computed in 2 micro-batches by each rank"
    assert done.stderr.count(told) == 1, done.stderr
    assert Training.load(RunFolder(tmp_path / "starved")).values["micro_batch_multiplier"] == 2
    different = set(compare_files(tmp_path / "plain", tmp_path / "starved")[1])
    assert different == {"config.toml", "checkpoints/last/training.safetensors"}  # which tell of parts
    reliability("fault", "memory of one of two ranks for 1/2 of its part")


def test_two_ranks_draw_masks_once_and_plan_alike(tmp_path: Path) -> None:
    """Batch size, learning rate and epochs are decided by steps on this machine; both ranks decide the same."""
    data, out = write_data(tmp_path / "data"), tmp_path / "run"
    settings = SETTINGS | {"model.name": "fcn/timm/test_resnet", "image.size": [24, 32], "snapshots.count": 0}
    found = {"optim.lr": "auto", "batch_size": "auto", "loss.class_weights": "none"}
    done = torchrun(Path(__file__).parent / "ranked_masks.py", data, out, json.dumps(settings | found))
    assert done.returncode == 0, done.stderr
    (drawn, ended), (drawn_too, ended_too) = json.loads(done.stdout)
    assert (drawn, drawn_too) == (6, 0)
    assert ended == ended_too
    run = RunFolder(out)
    kept, test = run.read_settings(), run.read_json(schema.RANGE_TEST)
    assert ended[:3] == [test["chosen"], kept.batch_size, [list(each) for each in kept.budget.plan]]
    assert kept.budget.plan == ((0.0, 2.0),)
    assert done.stderr.count(f"optim.lr is {test['chosen']:g}") == 1
    assert done.stderr.count("Budget of 1 hours: 2 epochs") == 1
    assert run.read_json(schema.BUDGET)["used_s"] > 0


def test_an_error_of_all_ranks_is_told_once(tmp_path: Path) -> None:
    done = torchrun("-m", "finesight", "train", "--data", tmp_path / "none", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr.count("Error: Folder") == 1
    assert "Rank 1" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process as the only one that torchrun started."""
    ranked = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1, "TORCHELASTIC_RESTART_COUNT": 0}
    for name, value in (ranked | {"TORCHELASTIC_RUN_ID": "job 7"}).items():
        monkeypatch.setenv(name, str(value))
    return monkeypatch


def test_an_error_of_one_rank_is_told_by_it(launched: pytest.MonkeyPatch) -> None:
    launched.setenv("RANK", "1")
    line, *more = finesight("inspect", "/nowhere").err.splitlines()
    assert line.startswith("Rank 1: Error: Folder '/nowhere' does not exist")
    assert not more


@pytest.mark.parametrize(
    ("restarts", "job", "goes_on"), [(0, "job 7", True), (0, "job 8", False), (1, "job 8", True), (0, "none", False)]
)
def test_the_same_command_again(
    restarts: int, job: str, goes_on: bool, data: Path, tmp_path: Path, launched: pytest.MonkeyPatch
) -> None:
    """In the same launch, or after a restart, it goes on with its run; else the folder is taken, as ever."""
    if job == "none":
        launched.setenv("TORCHELASTIC_RUN_ID", job)
    assert train(data, tmp_path / "run").code == 0
    launched.setenv("TORCHELASTIC_RUN_ID", job)
    launched.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))
    again = train(data, tmp_path / "run")
    assert again.code == (0 if goes_on else 2), again.err
    assert ("is finished: 1 of 1 epochs" in again.err) is goes_on
    assert "already exists" in train(data, tmp_path / "run", epochs=2).error()  # another command never


def test_what_torchrun_cannot_start(data: Path, two: Path, tmp_path: Path, launched: pytest.MonkeyPatch) -> None:
    flags = ["--set=model.name=timm/test_resnet", "--set=model.weights=none"]
    assert "name the run folder with --out" in finesight("train", "--data", data, *flags).error()
    launched.setenv("WORLD_SIZE", "8")
    copy = shutil.copytree(two, tmp_path / "copy")
    assert "start this command without it" in finesight("report", copy).error()
