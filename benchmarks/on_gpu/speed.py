"""Speed of steps, and of epochs against timm's."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from on_gpu.bench import CLASSES, Bench, Result, take_steps, wait
from PIL import Image
from torch.utils.data import Dataset

from finesight.backend.interrupt import StopRequest
from finesight.training.trainer import Trainer


def measure_steps(bench: Bench) -> Result:
    """Of each variant: milliseconds a step, images a second, busy share, peak memory."""
    batch, small = bench.choose(256, 8), bench.choose("efficientnet_lite0", "timm/test_resnet")
    heavy = {"batch_size": batch, "augment__randaugment": 9, "augment__erase": 0.5}
    variants: dict[str, tuple[Callable[..., Trainer], Result]] = {
        "resnet50, batch 32": (bench.classifier, {}),
        f"resnet50, batch {batch}": (bench.classifier, {"batch_size": batch}),
        f"resnet50, batch {batch}, RandAugment and erasing": (bench.classifier, heavy),
        "efficientnet_lite0, batch 32": (bench.classifier, {"model__name": small}),
        "vgg16_fcn8s, batch 16": (bench.segmenter, {}),
    }
    return {name: measure(bench, make(**changes)) for name, (make, changes) in variants.items()}


def measure_graphs(bench: Bench) -> Result:
    return {"resnet50, batch 32, compiled": measure(bench, bench.classifier(machine__compile=True))}


def measure(bench: Bench, trainer: Trainer) -> Result:
    count, profiled, cuda = bench.choose(30, 2), bench.choose(10, 1), bench.device == "cuda"
    take_steps(trainer, bench.choose(8, 1))
    wait(bench.device)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    take_steps(trainer, count)
    wait(bench.device)
    seconds = (time.perf_counter() - started) / count
    activities = [torch.profiler.ProfilerActivity.CUDA if cuda else torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as profile:
        take_steps(trainer, profiled)
        wait(bench.device)
    kernels = sum(each.self_device_time_total if cuda else each.self_cpu_time_total for each in profile.key_averages())
    return {
        "step_ms": round(seconds * 1000, 2),
        "images_per_second": round(min(trainer.job.settings.batch_size, len(trainer.job.train)) / seconds, 1),
        "busy_share": round(kernels / 1e6 / profiled / seconds, 3),
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
        "images_on_device": trainer.job.train.is_resident,
    }


def race_timm(bench: Bench) -> Result:
    return race(bench, compiled=False)


def race_timm_compiled(bench: Bench) -> Result:
    return race(bench, compiled=True)


def race(bench: Bench, compiled: bool) -> Result:
    """Images a second of epochs in turns, after a first one of each side."""
    batch = bench.choose(256, 8)
    ours = bench.classifier(batch_size=batch, machine__compile=compiled)
    sides = {"timm": make_timm_epoch(bench, batch, compiled), "finesight": lambda: train_epoch(ours)}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(bench.choose(4, 2)):
        for name, run in sides.items():
            wait(bench.device)
            started = time.perf_counter()
            num_images = run()
            wait(bench.device)
            if number:
                rates[name].append(round(num_images / (time.perf_counter() - started), 1))
    return {"images_per_second": rates, "batch": batch}


def train_epoch(trainer: Trainer) -> int:
    trainer.at.step = trainer.at.num_seen = 0
    trainer._train_epoch(StopRequest())
    return len(trainer.job.train)


class Photos(Dataset):
    """What timm's loader reads: images and the class in their names."""

    transform: Any = None  # timm's loader sets it

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.rglob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path = self.paths[index]
        return self.transform(Image.open(path).convert("RGB")), CLASSES.index(path.name.split("_")[0])


def make_timm_epoch(bench: Bench, batch: int, compiled: bool) -> Callable[[], int]:
    """timm's model, prefetching loader, loss and optimiser in the loop of its train.py, which is not in the wheel:
    --channels-last --amp --amp-dtype bfloat16 --torchcompile --color-jitter 0 --opt adamw, fused."""
    import timm
    from timm.data import create_loader
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2

    network = timm.create_model(bench.choose("resnet50", "test_resnet"), num_classes=len(CLASSES))
    network = network.to(bench.device, memory_format=torch.channels_last).train()
    optimiser = create_optimizer_v2(network, opt="adamw", lr=1e-4, weight_decay=0.05, fused=True)
    criterion, forward = LabelSmoothingCrossEntropy(0.1), network
    if compiled:
        network.compile()
    size = bench.choose(224, 32)
    loader = create_loader(
        Photos(bench.images),
        input_size=(3, size, size),
        batch_size=batch,
        is_training=True,
        color_jitter=0.0,
        interpolation="bilinear",
        num_workers=bench.choose(len(os.sched_getaffinity(0)), 1),
        device=torch.device(bench.device),
        persistent_workers=True,
    )

    def run() -> int:
        count = 0
        for images, targets in loader:
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(bench.device, torch.bfloat16):
                loss = criterion(forward(images), targets)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            count += len(targets)
        return count

    return run
