"""What the machine can do at most, and the share of it that finesight's training reaches. Prints JSON.

python benchmarks/peers/limit.py
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from work import WORKS

from finesight.backend.device import computes_bf16
from finesight.models import build_model

MATRIX_SIZES = (1024, 2048, 4096)
COUNTED = ("resnet50-224", "fcn8s-512")  # torch counts the backward pass of depthwise convolutions many times too high
COPIED = 2**28  # float32 numbers, 1 GiB: more than any cache holds


def measure_limit() -> dict[str, Any]:
    """GFLOP/s of square matrix products a size, and GB/s of a copy, read and written.

    bf16 only where the processor computes in it: imitated, it takes over a quarter of an hour.
    """
    target, source = torch.empty(COPIED), torch.ones(COPIED)
    dtypes = {"fp32": torch.float32}
    if computes_bf16(torch.device("cpu")):
        dtypes = {"bf16": torch.bfloat16} | dtypes
    return {
        "matrix_gflops": {
            name: {size: _matrix_rate(size, dtype) for size in MATRIX_SIZES} for name, dtype in dtypes.items()
        },
        "copy_gb_per_second": round(2 * 4 * COPIED * _rate(lambda: target.copy_(source)) / 1e9, 1),
    }


def _matrix_rate(size: int, dtype: torch.dtype) -> float:
    left, right = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    product = torch.empty(size, size, dtype=dtype)
    return round(2 * size**3 * _rate(lambda: torch.matmul(left, right, out=product)) / 1e9, 1)


def _rate(work: Callable[[], object]) -> float:
    """Repetitions a second, the best of three times half a second: the machine's limit, not its mean."""
    work()
    best = 0.0
    for _ in range(3):
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < 0.5:
            work()
            count += 1
        best = max(best, count / (time.perf_counter() - started))
    return best


def count_training_gflop(work: str) -> float:
    """Of one image's forward and backward pass, counted without computing; a multiply-add is two operations."""
    size = WORKS[work].size
    network = build_model(WORKS[work].network, 10, "none").network.to("meta")
    with FlopCounterMode(display=False) as counter:
        logits = network(torch.empty(2, 3, size, size, device="meta"))
        targets = torch.zeros(2, *logits.shape[2:], dtype=torch.long, device="meta")
        nn.functional.cross_entropy(logits, targets).backward()
    return counter.get_total_flops() / 2 / 1e9


def share_of_limit(rates: dict[str, float], limit: dict[str, Any]) -> dict[str, dict[str, float]]:
    """For works and finesight's images a second: the share of the best matrix rate that training reaches."""
    most = max(rate for rates in limit["matrix_gflops"].values() for rate in rates.values())
    shares = {}
    for work, rate in rates.items():
        if work in COUNTED:
            gflop = count_training_gflop(work)
            shares[work] = {"gflop_per_image": round(gflop, 2), "share": round(gflop * rate / most, 3)}
    return shares


def measure_elsewhere() -> dict[str, Any]:
    """`measure_limit` in a process of its own: a turn's peak memory counts that of the process it was forked from."""
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True)
    limit: dict[str, Any] = json.loads(done.stdout)
    return limit


if __name__ == "__main__":
    print(json.dumps(measure_limit()))
