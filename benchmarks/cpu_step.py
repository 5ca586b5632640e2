"""Training steps on one CPU core, with and without a change: processor time, in turns.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/cpu_step.py fused_norm [--work resnet50-224] [--rounds 10]

A change is the name of a workaround (`backend/workarounds.py`), or several joined by +. The other side has all
workarounds but those. A step is the trainer's: forward in the machine's precision, loss, backward, AdamW, on random
weights and images. Both sides hold the same weights and take turns step by step, so that a shared machine's speed moves
both. Ratios are time without ÷ time with the change: above 1 it pays.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.backend.device import Machine
from finesight.config import MachineSettings, ModelSettings, OptimSettings
from finesight.models.table import build_model
from finesight.training.freezing import FreezePlan
from finesight.training.optim import make_optimiser

WORKS = {  # model, size of images, batch, classes, layer before which all is frozen
    "resnet50-224": ("resnet50", 224, 16, 50, ""),
    "resnet50-224-frozen": ("resnet50", 224, 16, 50, "layer3"),
    "lite0-128": ("efficientnet_lite0", 128, 32, 50, ""),
    "lite0-160": ("efficientnet_lite0", 160, 32, 50, ""),
    "mobilenet-128": ("mobilenet_v2", 128, 32, 50, ""),
    "fcn8s-256": ("vgg16_fcn8s", 256, 2, 7, ""),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("change")
    parser.add_argument("--work", choices=WORKS, default="resnet50-224")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", default="auto")
    chosen = parser.parse_args()
    machine = Machine.resolve(MachineSettings(device="cpu", threads=1, precision=chosen.precision), to_train=True)
    names = tuple(chosen.change.split("+"))
    if unknown := set(names) - set(machine.workarounds):
        parser.error(
            f"{', '.join(unknown)}: not a workaround in use here. These are: {', '.join(machine.workarounds)}."
        )
    without = replace(machine, workarounds=tuple(name for name in machine.workarounds if name not in names))
    steps = [make_step(side, *WORKS[chosen.work]) for side in (without, machine)]
    for step in steps * 2:
        step()
    pairs = [(steps[0](), steps[1]()) for _ in range(chosen.rounds)]
    ratios = sorted(before / after for before, after in pairs)
    print(
        json.dumps(
            {
                "change": chosen.change,
                "work": chosen.work,
                "ratio": {"median": round(statistics.median(ratios), 3), "all": [round(each, 3) for each in ratios]},
                "without_s": [round(before, 4) for before, _ in pairs],
                "with_s": [round(after, 4) for _, after in pairs],
                "date": str(date.today()),
                "load": [round(each, 1) for each in os.getloadavg()],
                "machine": machine.describe(),
            },
            indent=1,
        )
    )


def make_step(machine: Machine, name: str, size: int, batch: int, num_classes: int, frozen: str) -> Callable[[], float]:
    """A function that does one step and returns its processor seconds."""
    torch.manual_seed(0)
    model = build_model(name, num_classes, "none", size=(size, size))
    network = machine.place(model.network)
    FreezePlan.from_settings(model, ModelSettings(freeze_before=frozen), OptimSettings()).apply(model, 1)
    optimiser = make_optimiser(model, OptimSettings(), fused=True)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), machine.autocast():
        shape = network(images[:2]).shape[2:]
    targets = torch.randint(0, num_classes, (batch, *shape))

    def step() -> float:
        started = time.process_time()
        with machine.autocast():
            logits: Tensor = network(images)
        F.cross_entropy(logits.float(), targets).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return time.process_time() - started

    return step


if __name__ == "__main__":
    main()
