"""How near a training step comes to what one CPU core can do: matrix products and memory traffic, one after the other.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/roofline.py [--work resnet50-224] [--rounds 10]

The core's rates are measured beside the step, in turns with it: a large matrix product in the machine's precision, and
a copy of more than the caches hold. Work is that of plain PyTorch operations, without finesight's workarounds:
multiplications and additions of convolutions and matrix products, and the bytes that each operation reads and writes.
Fused operations move less, so the fraction is not bounded by 1. Only networks without grouped convolutions: torch
counts the backward pass of those as that of whole ones.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import torch
from cpu_step import WORKS, make_step
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from finesight.backend.device import Machine
from finesight.config import MachineSettings

SIDE = 3072  # of the matrices, whose product takes about a tenth of a second with AMX
COPIED = 1 << 28  # float32 numbers


class TrafficCounter(TorchDispatchMode):
    """Bytes that operations read and write. An operation whose result lies in its input's memory moves nothing."""

    bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        read, written = ([t for t in tree_leaves(each) if isinstance(t, torch.Tensor)] for each in (args, result))
        places = {t.untyped_storage().data_ptr() for t in read}
        is_in_place = function._schema.is_mutable
        if is_in_place or any(t.untyped_storage().data_ptr() not in places for t in written):
            self.bytes += sum(t.numel() * t.element_size() for t in (*read, *written))
        return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=("resnet50-224", "fcn8s-256"), default="resnet50-224")
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    machine = Machine.resolve(MachineSettings(device="cpu", threads=1), to_train=True)
    plain = make_step(replace(machine, workarounds=()), *WORKS[chosen.work])
    plain()
    with FlopCounterMode(display=False) as flops, TrafficCounter() as traffic:
        plain()
    step, multiply, copy = make_step(machine, *WORKS[chosen.work]), make_product(machine), make_copy()
    for warm_up in (step, step, multiply, copy):
        warm_up()
    rounds = [(step(), multiply(), copy()) for _ in range(chosen.rounds)]
    operations, moved = flops.get_total_flops(), traffic.bytes
    fractions = []
    for step_s, multiply_s, copy_s in rounds:
        matrix_s = operations * multiply_s / (2 * SIDE**3)
        fractions.append((matrix_s + moved * copy_s / (8 * COPIED)) / step_s)
    print(
        json.dumps(
            {
                "work": chosen.work,
                "gflop": round(operations / 1e9, 1),
                "gigabytes": round(moved / 1e9, 2),
                "fraction": {
                    "median": round(statistics.median(fractions), 3),
                    "all": [round(each, 3) for each in sorted(fractions)],
                },
                "step_s": [round(each, 3) for each, _, _ in rounds],
                "gflop_per_s": [round(2 * SIDE**3 / each / 1e9) for _, each, _ in rounds],
                "gigabytes_per_s": [round(8 * COPIED / each / 1e9, 1) for _, _, each in rounds],
                "date": str(date.today()),
                "load": [round(each, 1) for each in os.getloadavg()],
                "machine": machine.describe(),
            },
            indent=1,
        )
    )


def make_product(machine: Machine) -> Callable[[], float]:
    """A function that multiplies two matrices and returns its processor seconds."""
    dtype = torch.bfloat16 if machine.precision == "bf16" else torch.float32
    first, second = torch.randn(2, SIDE, SIDE, dtype=dtype)

    def multiply() -> float:
        started = time.process_time()
        torch.mm(first, second)
        return time.process_time() - started

    return multiply


def make_copy() -> Callable[[], float]:
    """A function that copies numbers and returns its processor seconds: it reads and writes 4 bytes of each."""
    source, target = torch.ones(2, COPIED)

    def copy() -> float:
        started = time.process_time()
        target.copy_(source)
        return time.process_time() - started

    return copy


if __name__ == "__main__":
    main()
