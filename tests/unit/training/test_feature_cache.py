"""The feature cache while only the head is trained: when, and that nothing else changes or is lost."""

import shutil
from typing import Any

import pytest
import torch
from torch import nn
from trainers import Make, make_model, weights_of

from finesight.backend.interrupt import StopRequest
from finesight.inference.predictor import Predictor
from finesight.training import feature_cache
from finesight.training import trainer as loop
from finesight.training.feature_cache import FeatureCache
from finesight.training.trainer import Trainer

PROBE = {"model__freeze_before": "head", "augment__flip": 0.5, "augment__scale": [0.5, 1.0], "augment__variants": 2}


def journal_of(trainer: Trainer) -> list[dict[str, Any]]:
    return trainer.job.run.read_lines("journal.jsonl")


def count_images(trainer: Trainer) -> list[int]:
    """Takes the number of images of each batch that the whole network sees from now on; one is an engine's example."""
    seen: list[int] = []
    first: nn.Module = trainer.network.get_submodule("0")
    first.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])) if len(inputs[0]) > 1 else None)
    return seen


def test_it_is_the_same_training_with_fewer_passes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = make(name="cached", model=make_model(norm=True), epochs=6, **PROBE)
    assert cached.cache
    seen = count_images(cached)
    cached.run(StopRequest())
    assert sum(seen) == 2 * 12 + 6  # two variants of the training images, and the validation images
    monkeypatch.setattr(loop, "make_feature_cache", lambda job, plan: None)
    plain = make(name="plain", model=make_model(norm=True), epochs=6, **PROBE)
    seen = count_images(plain)
    plain.run(StopRequest())
    assert sum(seen) == 6 * (12 + 6)
    torch.testing.assert_close(weights_of(cached), weights_of(plain))
    for one, other in zip(journal_of(cached), journal_of(plain), strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], abs=1e-5)
        assert one["val/accuracy"] == other["val/accuracy"]
    assert cached.job.run.read_lines("freezing.jsonl")[0] == plain.job.run.read_lines("freezing.jsonl")[0]


def test_variants_are_taken_in_turn(make: Make) -> None:
    """Frozen or not: the third epoch of two variants sees what the first saw, in another order."""
    trainer = make(epochs=3, **{**PROBE, "model__freeze_before": ""})
    assert trainer.cache is None
    images: dict[int, torch.Tensor] = {}
    batch = trainer.job.train.__getitems__([0, 1, 2, 3])
    for trainer.at.epoch in (1, 2, 3):
        images[trainer.at.epoch] = trainer._make_input(batch, trainer.at.epoch)[0]
    assert torch.equal(images[1], images[3])
    assert not torch.equal(images[1], images[2])


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"model__freeze_before": ""}, ""),
        ({"model__freeze_before": "3"}, ""),  # the pooling before flatten and the head: no weights between
        ({"model__frozen_norm": "tracking"}, ""),
        ({"optim__unfreeze": [[2, "0"]]}, ""),
        ({"augment__variants": 0}, "--set augment.variants=4"),
        ({"augment__mixup": 0.2}, "--set augment.mixup=0"),
        ({"image__first_size": [4, 4]}, "images of one size"),
    ],
)
def test_when_features_are_cached(
    changed: dict[str, Any], hint: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make(model=make_model(norm=True), **{**PROBE, **changed})
    assert bool(trainer.cache) == (changed == {"model__freeze_before": "3"})
    said = capsys.readouterr().err
    assert hint in said
    assert ("Note: only the head is trained" in said) == bool(hint)
    trainer.run(StopRequest())


def test_dropout_hinders(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_model()
    model.network = nn.Sequential(*model.network[:-1], nn.Dropout(0.5), model.network[-1])
    model.head = "5"
    assert make(model=model, **PROBE).cache is None
    assert "--set model.dropout=0" in capsys.readouterr().err
    model.network[4].p = 0.0
    assert make(model=model, name="still", **PROBE).cache


def test_what_comes_after_the_head_is_not_left_out(make: Make) -> None:
    model = make_model()
    model.network = nn.Sequential(*model.network, nn.Tanh())
    assert make(model=model, **PROBE).cache is None


def test_too_many_to_cache(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "MOST_BYTES", 16 * 4 * (2 * 12 + 6) - 1)
    assert make(name="many", **PROBE).cache is None
    monkeypatch.setattr(feature_cache, "MOST_BYTES", 16 * 4 * (2 * 12 + 6))
    assert make(name="few", **PROBE).cache


@pytest.mark.parametrize("after", [1, 4, 7, 9])
def test_stopped_anywhere_and_resumed_it_is_the_same(after: int, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within a pass that computes features."""
    whole = make(name="native", epochs=4, batch_size=4, **PROBE)
    whole.run(StopRequest())
    stopped = make(name="stopped", epochs=4, batch_size=4, **PROBE)
    calls = 0

    def count_down(self: StopRequest) -> int:
        nonlocal calls
        calls += 1
        return 15 if calls > after else 0

    with monkeypatch.context() as patched:
        patched.setattr(StopRequest, "signal", property(count_down, lambda self, value: None), raising=False)
        assert stopped.run(StopRequest()) == 15
    resumed = make(name="resumed", epochs=4, batch_size=4, **PROBE)
    shutil.copytree(stopped.job.run.path, resumed.job.run.path, dirs_exist_ok=True)
    resumed.resume()
    assert resumed.run(StopRequest()) == 0
    torch.testing.assert_close(weights_of(resumed), weights_of(whole), rtol=0, atol=0)
    assert journal_of(resumed) == journal_of(whole)


def test_features_are_those_of_the_images(make: Make) -> None:
    trainer = make(**PROBE)
    assert isinstance(trainer.cache, FeatureCache)
    rows = trainer.cache.validation(StopRequest())
    assert rows is not None
    batch = trainer.job.val.__getitems__([2, 0])
    predictor = Predictor(trainer.job.model, trainer.job.machine, trainer.job.settings)
    expected = predictor.model.eval().embed(predictor.prepare(batch.images))
    torch.testing.assert_close(rows.__getitems__([2, 0]).images, expected)
    assert rows.__getitems__([2, 0]).targets.tolist() == batch.targets.tolist()
