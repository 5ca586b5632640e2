"""Checkpoints that a thread writes: in order, whole, as the tensors were, and no error is lost."""

import threading
from pathlib import Path

import pytest
import torch

from finesight.errors import RunError
from finesight.inference.restore import load_tensors
from finesight.run.folder import RunFolder
from finesight.training import checkpoint
from finesight.training.checkpoint import Training
from finesight.training.checkpoint_writer import CheckpointWriter


def read(run: RunFolder, name: str) -> torch.Tensor:
    return load_tensors(run.checkpoint(name) / "weights.safetensors")[0]["a"]


def test_training_goes_on_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written are the tensors of the moment of `save`, also those that share memory or are not contiguous."""
    run, may_write, save = RunFolder(tmp_path), threading.Event(), checkpoint.save_checkpoint

    def wait_and_save(*arguments: object) -> None:
        assert may_write.wait(60)
        save(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save_checkpoint", wait_and_save)
    weight = torch.arange(6.0).view(2, 3)
    with CheckpointWriter(run) as writer:
        writer.save("best", {"a": weight.T, "b": weight})
        writer.save("last", {"a": weight.T, "b": weight}, Training({"c": weight}, {"step": 1}), twin="best")
        weight += 10
        assert not run.checkpoint("best").exists()
        may_write.set()
    for name in ("best", "last"):
        assert torch.equal(read(run, name), torch.arange(6.0).view(2, 3).T)
    assert torch.equal(Training.load(run).tensors["c"], torch.arange(6.0).view(2, 3))


@pytest.mark.parametrize("is_next", [True, False])
def test_an_error_of_the_thread_is_raised(tmp_path: Path, is_next: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a later `save`, or else at the end."""

    def fail(*_: object) -> None:
        raise RunError("no space")

    monkeypatch.setattr(checkpoint, "save_checkpoint", fail)
    writer = CheckpointWriter(RunFolder(tmp_path))

    def train() -> None:
        with writer:
            for _ in range(3 if is_next else 1):
                writer.save("last", {"a": torch.zeros(1)})
            assert not is_next

    with pytest.raises(RunError, match="no space"):
        train()
