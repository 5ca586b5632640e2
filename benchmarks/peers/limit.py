"""What the machine can do at most, and the share of it that finesight's training reaches. Prints JSON.

python benchmarks/peers/limit.py
"""

import json
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from work import WORKS

from finesight.models import build_model

MATRIX_SIZES = (1024, 2048, 4096)
COPIED = 2**28  # float32 numbers, 1 GiB: more than any cache holds
LONG_ENOUGH = 1.0  # seconds a measurement lasts at least


def measure_limit() -> dict[str, object]:
    """Best of all sizes: GFLOP/s of square matrix products, and GB/s of a copy, read and written."""
    matrices = {
        str(dtype).removeprefix("torch."): {size: _matrix_rate(size, dtype) for size in MATRIX_SIZES}
        for dtype in (torch.bfloat16, torch.float32)
    }
    source = torch.ones(COPIED)
    target = torch.empty_like(source)
    copies = _rate(lambda: target.copy_(source))
    return {
        "matrix_gflops": {name: max(rates.values()) for name, rates in matrices.items()},
        "matrix_gflops_by_size": matrices,
        "copy_gb_per_second": round(2 * 4 * COPIED * copies / 1e9, 1),
    }


def _matrix_rate(size: int, dtype: torch.dtype) -> float:
    left, right = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    product = torch.empty(size, size, dtype=dtype)
    return round(2 * size**3 * _rate(lambda: torch.matmul(left, right, out=product)) / 1e9, 1)


def _rate(work: Callable[[], object]) -> float:
    """Repetitions a second, of the faster of two halves: the machine's limit, not its mean."""
    work()
    best = 0.0
    for _ in range(2):
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < LONG_ENOUGH / 2:
            work()
            count += 1
        best = max(best, count / (time.perf_counter() - started))
    return best


def count_training_flops(work: str) -> float:
    """GFLOP of one picture's forward and backward pass, counted on the meta device; a multiply-add is two."""
    size = WORKS[work].size
    network = build_model(WORKS[work].network, 10, "none").network.to("meta")
    with FlopCounterMode(display=False) as counter:
        logits = network(torch.empty(2, 3, size, size, device="meta"))
        targets = torch.zeros(2, *logits.shape[2:], dtype=torch.long, device="meta")
        nn.functional.cross_entropy(logits, targets).backward()
    return counter.get_total_flops() / 2 / 1e9


def share_of_limit(rates: dict[str, float], limit: dict[str, object]) -> dict[str, dict[str, float]]:
    """For works and finesight's pictures a second: GFLOP/s, and their share of the better of the two matrix rates."""
    most = max(limit["matrix_gflops"].values())  # type: ignore[attr-defined]
    shares = {}
    for work, rate in rates.items():
        gflop = count_training_flops(work)
        shares[work] = {
            "gflop_per_picture": round(gflop, 2),
            "gflops": round(gflop * rate, 1),
            "share": round(gflop * rate / most, 3),
        }
    return shares


if __name__ == "__main__":
    print(json.dumps(measure_limit()))
