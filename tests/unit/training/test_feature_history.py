"""Training history: which epochs it keeps, and that it changes nothing."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from trainers import CLASSES, Make, weights_of

from finesight.analysis.feature_history import start_history
from finesight.backend.interrupt import StopRequest
from finesight.config import load_settings
from finesight.data.transforms import prepare
from finesight.models.contract import pool
from finesight.training.trainer import Trainer


def with_history(trainer: Trainer) -> Trainer:
    job = trainer.job
    job.callbacks = job.task.watch_training(job.run, job.val, job.classes, job.settings)
    return trainer


def read_history(trainer: Trainer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (trainer.job.run.path / "film").glob("*")}


def test_features_of_first_middle_and_last_epoch_are_kept(make: Make) -> None:
    trainer = with_history(make(epochs=5))
    trainer.run(StopRequest())
    assert sorted(read_history(trainer)) == ["1.safetensors", "3.safetensors", "5.safetensors", "samples.csv"]
    last = load_file(trainer.job.run.path / "film/5.safetensors")
    images = prepare(trainer.job.val.__getitems__(list(range(6))).images, trainer.job.model.preprocessing)
    logits, seen = trainer.job.model.eval().forward_with_features(images)
    torch.testing.assert_close(last["features"].float(), pool(seen), atol=1e-2, rtol=1e-2)
    assert last["predictions"].tolist() == logits.argmax(1).tolist()


def test_the_history_changes_nothing_and_a_resumed_one_is_the_same(make: Make) -> None:
    bare, watched = make(name="bare", epochs=3), with_history(make(name="watched", epochs=3))
    bare.run(StopRequest()), watched.run(StopRequest())
    assert all(torch.equal(a, b) for a, b in zip(weights_of(bare).values(), weights_of(watched).values(), strict=True))
    first = with_history(make(name="cut", epochs=3))
    first._train_epoch(StopRequest())
    first._finish_epoch(StopRequest())
    again = with_history(make(name="again", epochs=3))
    shutil.copytree(first.job.run.path, again.job.run.path, dirs_exist_ok=True)
    again.resume()
    again.run(StopRequest())
    assert read_history(again) == read_history(watched)


def test_a_run_that_stops_early_keeps_its_own_last_epoch(make: Make) -> None:
    trainer = with_history(make(epochs=9, optim__lr=1e-9, checkpoint__patience=2))
    trainer.run(StopRequest())
    assert sorted(read_history(trainer)) == ["1.safetensors", "3.safetensors", "samples.csv"]


@pytest.mark.parametrize("setting", [{"film__features": False}, {"machine__compile": True}])
def test_no_history_where_none_is_wanted_or_can_be(make: Make, setting: dict[str, bool]) -> None:
    trainer = make(film__features=setting.get("film__features", True))
    settings = load_settings(overrides={key.replace("__", "."): value for key, value in setting.items()})
    assert start_history(trainer.job.run, trainer.job.val, CLASSES, settings) is None
