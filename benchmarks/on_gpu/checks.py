"""Checks: each returns what it saw, or raises."""

import csv
import shutil

import numpy as np
import torch
from on_gpu.bench import Bench, Result, no_waiting, take_steps

import finesight
from finesight.backend.device import Machine
from finesight.config import MachineSettings
from finesight.data.transforms import prepare
from finesight.training.trainer import Trainer


def check_device(bench: Bench) -> Result:
    machine = Machine.resolve(MachineSettings(device=bench.device), to_train=True)
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30 if bench.device == "cuda" else None
    return machine.describe() | {"memory_gib": memory, "cudnn": torch.backends.cudnn.version()}


AUGMENTATIONS: dict[str, Result] = {
    "plain": {},
    "all": {
        "augment__randaugment": 9,
        "augment__erase": 0.5,
        "augment__colour": 0.3,
        "augment__mixup": 0.2,
        "ema": 0.9,
    },
    "weights": {"loss__name": "focal", "loss__class_weights": "effective", "optim__clip_norm": 1.0},
}
LOSSES: dict[str, Result] = {
    "plain": {},
    "lovasz": {"loss__name": "cross_entropy+lovasz", "loss__class_weights": "inverse", "augment__rare_fraction": 0.5},
}


def check_steps(bench: Bench) -> Result:
    """No step waits for the GPU, its first two aside, in which algorithms are tried and memory is reserved."""
    seen = {}
    for make, variants in ((bench.classifier, AUGMENTATIONS), (bench.segmenter, LOSSES)):
        for name, changes in variants.items():
            trainer = make(**changes)
            first = take_steps(trainer, 2)
            trainer.at.step = 0
            batches = list(trainer._fetch(trainer.job.train))[:3]
            with no_waiting(bench.device):
                later = []
                for batch in batches:
                    later.append(trainer._forward_backward(batch))
                    trainer._step()
                    trainer.at.step += 1
            losses = torch.stack(first + later).tolist()
            assert all(np.isfinite(losses)), losses
            seen[f"{trainer.job.task.name} {name}"] = [round(loss, 4) for loss in losses]
    return seen


def check_bf16(bench: Bench) -> Result:
    """bf16 logits lie within a few percent of the spread of float32's."""
    trainer = bench.classifier(machine__precision="bf16")
    images = prepare(next(iter(trainer._fetch(trainer.job.train))).images.to(bench.device), trainer.model.preprocessing)
    trainer.model.eval()
    with torch.inference_mode():
        exact = trainer.model(images)
        with trainer.job.machine.autocast():
            rounded = trainer.model(images).float()
    error = float((rounded - exact).std() / exact.std())
    assert error < 0.1, error
    return {"relative_error": round(error, 5), "auto": Machine.resolve(MachineSettings(device=bench.device)).precision}


def check_compile(bench: Bench) -> Result:
    """Compiled steps, with graphs on a GPU, have the losses of eager ones, also in micro-batches."""
    plain = {"model__name": "timm/test_resnet", "image__size": [64, 64], "batch_size": 8, "machine__precision": "fp32"}
    worst = 0.0
    for accumulate in (1, 2):
        eager, compiled = (
            torch.stack(
                take_steps(bench.classifier(**plain, optim__accumulate=accumulate, machine__compile=on), 4)
            ).cpu()
            for on in (False, True)
        )
        worst = max(worst, float((compiled - eager).abs().max()))
    assert worst < 0.01, worst
    return {"largest_difference_of_losses": round(worst, 6)}


def check_resume(bench: Bench) -> Result:
    """One epoch and a resumed second one end with the bits of two epochs at once."""
    changes = {
        "epochs": 2,
        "batch_size": 8,
        "data__limit": 24,
        "optim__schedule": "constant",
        "augment__randaugment": 9,
    }
    changes |= {"image__size": [64, 64], "model__name": bench.choose("resnet50", "timm/test_resnet")}
    settings = bench.settings(bench.images, **changes, machine__deterministic=bench.device == "cuda")
    whole, parts = bench.scratch / "whole", bench.scratch / "parts"
    finesight.train(out=whole, settings=settings)
    finesight.train(out=parts, settings=settings | {"epochs": 1})
    finesight.train(out=parts, settings={"epochs": 2}, resume=True)
    name = "checkpoints/last/weights.safetensors"
    assert (whole / name).read_bytes() == (parts / name).read_bytes(), "other bits after resuming"
    return {"identical": True}


def check_predict(bench: Bench) -> Result:
    """Of each image `predict` says what `evaluate` counted; of the same images, as rounding depends on the batch."""
    run, table, images = (bench.scratch / name for name in ("whole", "predictions.csv", "validation"))
    finesight.evaluate(run)
    with (run / "evaluation/val/predictions.csv").open() as file:
        evaluated = {row["key"]: row["prediction"] for row in csv.DictReader(file)}
    images.mkdir()
    for key in evaluated:
        shutil.copy(bench.images / key, images / key)
    finesight.predict(run, images, out=table)
    with table.open() as file:
        predicted = {row[0]: row[1] for row in csv.reader(file)}
    different = [key for key, label in evaluated.items() if predicted[key] != label]
    assert not different, different
    return {"images": len(evaluated), "different": 0}


def check_memory(bench: Bench) -> Result:
    """Where memory is too small for a batch, it is computed in micro-batches. A limit stands for a small GPU."""
    trainer = bench.classifier(batch_size=bench.choose(512, 8))
    if bench.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.08)
    else:
        fail_once(trainer)
    try:
        losses = torch.stack(take_steps(trainer, 2)).tolist()
    finally:
        if bench.device == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
    assert trainer.at.micro_batch_multiplier > 1
    assert all(np.isfinite(losses)), losses
    return {"micro_batches": trainer.at.micro_batch_multiplier}


def fail_once(trainer: Trainer) -> None:
    def fail(*_: object) -> None:
        handle.remove()
        raise MemoryError("not enough memory")

    handle = trainer.network.register_forward_pre_hook(fail)
