"""The training loop: its order, its arithmetic, and what it leaves behind."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trainers import Make, make_model, watch, weights_of

from finesight.backend.interrupt import StopRequest
from finesight.data.loader import Batch
from finesight.errors import FinesightError
from finesight.training.checkpoint import Training, save_checkpoint
from finesight.training.losses import BatchLoss, sum_weights
from finesight.training.trainer import Trainer

# -- the epochs


def test_it_learns_and_writes_down_how(make: Make) -> None:
    trainer = make(epochs=8, optim__warmup_epochs=0)
    assert trainer.run(StopRequest()) == 0
    lines = trainer.job.run.read_lines("journal.jsonl")
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert lines[-1]["train/loss"] < 0.7 * lines[0]["train/loss"]
    assert lines[-1]["val/accuracy"] == 1.0
    assert [line["epoch"] for line in trainer.job.run.read_lines("timings.jsonl")] == list(range(1, 9))
    assert [line["epoch"] for line in trainer.job.run.read_lines("freezing.jsonl")] == list(range(1, 9))
    assert all(line["lr"] <= 0.05 for line in lines)


def test_every_image_is_seen_once_an_epoch_in_another_order(make: Make) -> None:
    trainer = make(num_train=13)
    seen: list[Any] = []
    watch(trainer, "_forward_backward", seen, lambda batch, _: (trainer.at.epoch, batch.indices.tolist()))
    trainer.run(StopRequest())
    orders = [[index for epoch, batch in seen if epoch == number for index in batch] for number in (1, 2)]
    assert all(sorted(order) == list(range(13)) for order in orders)
    assert orders[0] != orders[1]
    assert [len(batch) for epoch, batch in seen if epoch == 1] == [4, 4, 5]


def test_the_loss_of_the_journal_is_the_mean_over_images(make: Make) -> None:
    """With a last batch of another size: a mean of the batches' means would be another number."""
    trainer = make(num_train=10, epochs=1, optim__lr=1e-12, optim__weight_decay=0.0)
    losses: list[Any] = []
    watch(trainer, "_forward_backward", losses, lambda batch, loss: (len(batch.indices), loss.item()))
    trainer.run(StopRequest())
    assert [count for count, _ in losses] == [4, 4, 2]
    expected = sum(count * loss for count, loss in losses) / 10
    (line,) = trainer.job.run.read_lines("journal.jsonl")
    assert line["train/loss"] == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_nan_ends_training(make: Make) -> None:
    trainer = make(optim__name="sgd", optim__lr=100, optim__momentum=0.99, epochs=40)
    trainer.job.loss = BatchLoss(lambda logits, targets, total: logits.sum() * math.nan, sum_weights)
    with pytest.raises(FinesightError, match=r"NaN or infinite in epoch 1, step 1\..*lower optim\.lr"):
        trainer.run(StopRequest())
    assert not (trainer.job.run.path / "checkpoints").exists()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_the_images_of_a_loss_that_is_nan_are_named(make: Make, step: int) -> None:
    """Those of that very step, though the loss is looked at once in ten steps and all later ones are NaN, too."""
    trainer = make()
    loss, batches = trainer.job.loss, list[Batch]()
    accumulate = trainer._accumulate

    def watched(batch: Batch, *arguments: Any) -> Tensor:
        batches.append(batch)
        return accumulate(batch, *arguments)

    trainer._accumulate = watched  # type: ignore[method-assign]

    def spoilt(logits: Tensor, targets: Tensor, total: Tensor) -> Tensor:
        return loss(logits, targets) * (math.nan if len(batches) == step else 1)

    trainer.job.loss = BatchLoss(spoilt, sum_weights)
    with pytest.raises(FinesightError, match=rf"in epoch 1, step {step}\.") as raised:
        trainer.run(StopRequest())
    named = [line.strip(" '") for line in str(raised.value).splitlines()[1:]]
    assert named == [trainer.job.train.keys[index] for index in batches[step - 1].indices]


def test_weights_that_are_infinite_are_not_kept(make: Make) -> None:
    """The last step's loss may be finite while what it made of the weights is not."""
    trainer = make(epochs=1)
    step = trainer.optimiser.step

    def broken_step() -> None:
        step()
        if trainer.at.step == 2:
            trainer.optimiser.param_groups[0]["params"][0].data[0] = math.inf

    trainer.optimiser.step = broken_step  # type: ignore[method-assign, assignment]
    with pytest.raises(FinesightError, match="weights are NaN or infinite in epoch 1, step 3"):
        trainer.run(StopRequest())
    assert not (trainer.job.run.path / "checkpoints").exists()


# -- the step


@pytest.mark.parametrize("parts", [2, 3, 4, 9])
def test_a_batch_in_micro_batches_is_the_same_step(make: Make, parts: int) -> None:
    """For a network without batch norm; nine parts of four images are four."""
    whole = make(name="native", epochs=1, optim__name="sgd")
    apart = make(name="apart", epochs=1, optim__name="sgd", optim__accumulate=parts, num_train=12)
    losses: dict[Trainer, list[Any]] = {whole: [], apart: []}
    for trainer, kept in losses.items():
        watch(trainer, "_forward_backward", kept, lambda batch, loss: loss.item())
        trainer.run(StopRequest())
    assert losses[apart] == pytest.approx(losses[whole], rel=1e-5)
    for name, tensor in weights_of(whole).items():
        torch.testing.assert_close(weights_of(apart)[name], tensor, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped(make: Make) -> None:
    settings = {"epochs": 1, "optim__name": "sgd", "optim__weight_decay": 0.0}
    plain, clipped = (make(name=f"{clip}", optim__clip_norm=clip, **settings) for clip in (0.0, 1e-6))
    before = weights_of(plain)
    plain.run(StopRequest())
    clipped.run(StopRequest())
    moved = [max((weights_of(t)[n] - w).abs().max().item() for n, w in before.items()) for t in (plain, clipped)]
    assert moved[0] > 1e-3
    assert moved[1] < 1e-4


def test_the_learning_rate_follows_the_step(make: Make) -> None:
    trainer = make(epochs=2, optim__warmup_epochs=1.0)
    rates: list[Any] = []
    watch(trainer, "_step", rates, lambda _: trainer.optimiser.param_groups[0]["lr"])
    trainer.run(StopRequest())
    assert rates[:3] == pytest.approx([0.05 * factor for factor in (0.01, 0.34, 0.67)])
    assert rates[3] == pytest.approx(0.05)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    lines = trainer.job.run.read_lines("journal.jsonl")
    assert [line["lr"] for line in lines] == [rates[2], rates[5]]


def test_frozen_layers_stand_still(make: Make) -> None:
    trainer = make(make_model(norm=True), model__freeze_before="head")
    before = weights_of(trainer)
    trainer.run(StopRequest())
    after = weights_of(trainer)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"5.weight", "5.bias"}


def test_mixing_is_of_seed_and_step_alone(make: Make) -> None:
    """Whatever was drawn in between."""
    quiet, noisy = (make(name=name, augment__mixup=0.5, augment__cutmix=0.5) for name in ("quiet", "noisy"))
    watch(noisy, "_forward_backward", [], lambda batch, _: torch.randn(7))
    quiet.run(StopRequest())
    noisy.run(StopRequest())
    assert all(torch.equal(tensor, weights_of(noisy)[name]) for name, tensor in weights_of(quiet).items())


def test_the_last_epochs_are_not_mixed(make: Make) -> None:
    trainer, targets = make(epochs=2, augment__mixup=0.5, augment__mix_share=0.5), []
    watch(trainer, "_make_input", targets, lambda _batch, _epoch, made: (trainer.at.epoch, made[1].is_floating_point()))
    trainer.run(StopRequest())
    assert set(targets) == {(1, True), (2, False)}


# -- the best epoch


def give_scores(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, values: list[float], metric: str) -> None:
    """Validation that measures what the test says, epoch by epoch."""
    from finesight.task import Metrics
    from finesight.training import trainer as loop

    rest = iter(values)

    class Given:
        def metrics(self) -> Metrics:
            return Metrics(6, {metric: next(rest)}, {metric: ""})

    monkeypatch.setattr(loop, "score_split", lambda *arguments: Given())


@pytest.mark.parametrize(
    ("metric", "values", "best_epoch"),
    [
        ("accuracy", [0.1, 0.5, 0.3, 0.5], 2),  # the earliest of equals
        ("accuracy", [0.0, 0.0, 0.0, 0.0], 1),
        ("log_loss", [0.9, 0.2, 0.3, 0.4], 2),  # less is better
        ("ece", [0.1, 0.05, 0.3, 0.4], 2),
    ],
)
def test_the_best_epoch_is_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch, metric: str, values: list[float], best_epoch: int
) -> None:
    trainer = make(epochs=4, checkpoint__best=metric)
    give_scores(trainer, monkeypatch, values, metric)
    states: list[Any] = []
    watch(trainer, "_finish_epoch", states, lambda *_: weights_of(trainer))
    trainer.run(StopRequest())
    assert trainer.at.best_epoch == best_epoch
    assert trainer.at.metrics == {metric: values[best_epoch - 1]}

    for name, epoch in (("best", best_epoch), ("last", 4)):
        saved = load_file(trainer.job.run.checkpoint(name) / "weights.safetensors")
        assert all(torch.equal(tensor, saved[n]) for n, tensor in states[epoch - 1].items())


def give_answers(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, values: list[tuple[float, float]]) -> None:
    """values: accuracy and log loss of validation, epoch by epoch."""
    from finesight.task import Metrics
    from finesight.training import trainer as loop

    class Given:
        def __init__(self, accuracy: float, log_loss: float) -> None:
            self.values = {"accuracy": accuracy, "log_loss": log_loss}

        def metrics(self) -> Metrics:
            return Metrics(6, self.values, dict.fromkeys(self.values, ""))

    monkeypatch.setattr(loop, "score_split", lambda *arguments: Given(*values[trainer.at.epoch - 1]))


RISING = [(0.5, 0.3), (0.5, 0.2), (5 / 6, 0.9), (4 / 6, 0.4), (4 / 6, 0.5), (1.0, 2.0)]  # of 6 images


@pytest.mark.parametrize(("epochs", "kept"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 6)])
def test_the_lower_log_loss_decides_within_one_image(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], epochs: int, kept: int
) -> None:
    trainer = make(epochs=epochs, checkpoint__best="accuracy", checkpoint__tie="log_loss")
    assert len(trainer.job.val) == 6
    give_answers(trainer, monkeypatch, RISING)
    trainer.run(StopRequest())
    assert trainer.at.best_epoch == kept
    assert trainer.job.run.read_lines("journal.jsonl")[-1]["best_epoch"] == kept
    said = capsys.readouterr().err
    assert ("lower log loss, score within one image of epoch 3" in said) == (epochs >= 4)


def test_within_one_image_of_the_highest_ever_not_of_the_kept_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each epoch of a slow decline would be within one image of the one before."""
    trainer = make(epochs=4, checkpoint__best="accuracy", checkpoint__tie="log_loss")
    give_answers(trainer, monkeypatch, [(1.0, 0.5), (5 / 6, 0.4), (4 / 6, 0.3), (0.5, 0.2)])
    trainer.run(StopRequest())
    assert trainer.at.best_epoch == 2
    assert (trainer.at.highest, trainer.at.highest_epoch) == (1.0, 1)


def test_a_resumed_run_keeps_the_same_epoch(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The highest score so far is in the checkpoint; older ones kept the highest, and have it as `best`."""
    values = [(1.0, 0.5), (5 / 6, 0.4), (4 / 6, 0.3), (4 / 6, 0.3)]
    trainer = make(epochs=4, checkpoint__best="accuracy", checkpoint__tie="log_loss")
    give_answers(trainer, monkeypatch, values)
    finish = trainer._finish_epoch
    stops = iter([0, 15])
    monkeypatch.setattr(trainer, "_finish_epoch", lambda stop: finish(stop) or next(stops))
    assert trainer.run(StopRequest()) == 15
    monkeypatch.undo()
    trainer.at = type(trainer.at)()
    trainer.resume()
    assert (trainer.at.best_epoch, trainer.at.highest, trainer.at.highest_epoch) == (2, 1.0, 1)
    give_answers(trainer, monkeypatch, values)
    trainer.run(StopRequest())
    assert trainer.at.best_epoch == 2


def test_a_checkpoint_of_before_is_resumed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(epochs=2, checkpoint__best="accuracy")
    give_answers(trainer, monkeypatch, RISING)
    trainer.run(StopRequest())
    run = trainer.job.run
    training = Training.load(run)
    for name in ("highest", "highest_epoch", "micro_batch_multiplier"):  # as the first versions wrote it
        del training.values[name]
    training.values["halvings"] = 2
    save_checkpoint(run, "last", weights_of(trainer), training)
    trainer.resume()
    assert (trainer.at.best_epoch, trainer.at.highest, trainer.at.highest_epoch) == (1, 0.5, 1)
    assert trainer.at.micro_batch_multiplier == 4


def test_a_new_highest_score_that_is_not_kept_is_no_reason_to_stop(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(epochs=4, checkpoint__best="accuracy", checkpoint__tie="log_loss", checkpoint__patience=1)
    give_answers(trainer, monkeypatch, [(0.5, 0.2), (4 / 6, 0.3), (5 / 6, 0.3), (5 / 6, 0.4)])
    trainer.run(StopRequest())
    assert len(trainer.job.run.read_lines("journal.jsonl")) == 4
    assert trainer.at.best_epoch == 3


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 3), (2, 4), (3, 6)])
def test_patience_ends_training(make: Make, monkeypatch: pytest.MonkeyPatch, patience: int, epochs: int) -> None:
    trainer = make(epochs=6, checkpoint__patience=patience, checkpoint__every=5)
    give_scores(trainer, monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.6, 0.2], "accuracy")
    assert trainer.run(StopRequest()) == 0
    assert len(trainer.job.run.read_lines("journal.jsonl")) == epochs
    assert trainer.job.run.checkpoint("last").is_dir()  # the last epoch is always kept


def test_averaged_weights_are_what_is_scored_and_kept(make: Make) -> None:

    trainer = make(ema=0.99, epochs=3)
    trainer.run(StopRequest())
    assert trainer.average
    saved = load_file(trainer.job.run.checkpoint("last") / "weights.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in trainer.average.weights.items())
    assert not torch.equal(saved["0.weight"], trainer.network.state_dict()["0.weight"])


# -- resuming


def test_resuming_cuts_what_came_after_the_checkpoint(make: Make) -> None:
    trainer = make(epochs=3)
    trainer.run(StopRequest())
    run = trainer.job.run
    lines = run.read_lines("journal.jsonl")
    run.append_line("journal.jsonl", {"epoch": 4})  # of an epoch whose checkpoint was lost
    trainer.resume()
    assert run.read_lines("journal.jsonl") == lines
    assert (trainer.at.epoch, trainer.at.step) == (4, 0)
    assert trainer.run(StopRequest()) == 0
    assert run.read_lines("journal.jsonl") == lines


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what a process maps")
def test_nothing_of_a_checkpoint_stays_open_after_resuming(make: Make) -> None:
    """Windows renames no folder while one of its files is mapped into memory."""
    trainer = make(epochs=1, optim__name="adamw", ema=0.9)
    trainer.run(StopRequest())
    trainer.resume()
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    assert [line for line in maps if str(trainer.job.run.path) in line] == []


def test_resuming_without_a_checkpoint_begins_again(make: Make) -> None:
    trainer = make()
    trainer.job.run.append_line("journal.jsonl", {"epoch": 1})
    trainer.resume()
    assert trainer.job.run.read_lines("journal.jsonl") == []
    assert trainer.at.epoch == 1
