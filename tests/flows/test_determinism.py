"""--seed fixes everything on a processor: the same command in two processes gives the same files, bit for bit."""

import json
from pathlib import Path

import pytest
from commands import SMALL, draw_classes
from killing import run

from finesight.app.prove_resume import compare_files
from finesight.run.folder import RunFolder
from reliability import Tally

pytestmark = pytest.mark.timeout(600)
SETTINGS = SMALL | {
    **{
        "epochs": 2,
        "ema": 0.9,
        "model.dropout": 0.2,
        "augment.mixup": 0.2,
        "augment.cutmix": 1.0,
        "data.image_cache": "off",
    },
    **{"augment.colour": 0.3, "augment.erase": 0.3, "augment.randaugment": 5},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_classes(tmp_path_factory.mktemp("data") / "images", per_class=10)


def train(data: Path, out: Path, seed: int = 7, **changed: object) -> Path:
    settings = SETTINGS | {name.replace("__", "."): value for name, value in changed.items()}
    flags = [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]
    assert run("train", "--data", data, "--out", out, "--seed", seed, *flags) == 0
    return out


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("runs") / "first", data__workers=0)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_same_command_twice(workers: int, data: Path, first: Path, tmp_path: Path, reliability: Tally) -> None:
    """And the number of workers, which read ahead, changes nothing either."""
    again = train(data, tmp_path / "again", data__workers=workers)
    assert set(compare_files(first, again)[1]) <= {"config.toml"}  # which tells the number of workers
    reliability("repetition", f"training with {workers or 'no'} loader worker{'s' * (workers != 1)}")


@pytest.mark.slow  # two threads that wait for each other, where others want the cores too
def test_the_same_command_twice_on_two_threads(data: Path, tmp_path: Path, reliability: Tally) -> None:
    runs = [train(data, tmp_path / name, machine__threads=2, data__workers=2) for name in ("one", "two")]
    assert compare_files(*runs)[1] == []
    reliability("repetition", "training on two threads, with 2 loader workers")


def test_another_seed_is_another_run(data: Path, first: Path, tmp_path: Path) -> None:
    other = train(data, tmp_path / "other", seed=8, data__workers=0)
    assert RunFolder(other).read_lines("journal.jsonl") != RunFolder(first).read_lines("journal.jsonl")
