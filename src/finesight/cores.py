"""How many CPU cores this process may use: of those it is bound to, as many as its control group has time for."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from finesight.control_groups import list_groups

# By affinity, as taskset, Slurm and cpusets set it, where the system tells. Read before torch is imported, which with
# OMP_PROC_BIND binds this thread to a single core, and each of its others to another.
_BOUND = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_cores() -> int:
    """At least 1. A container of two cores on a machine of 64 has two: 64 threads would wait for each other there."""
    return max(1, min([_BOUND, *map(math.ceil, _list_quotas())]))


def _list_quotas() -> Iterator[float]:
    """Cores' worth of time that this process's groups, and those above them, may use, where that is limited."""
    for version, folder in list_groups("cpu"):
        if version == 2:
            yield from _read_quota(folder / "cpu.max")
        else:
            yield from _read_quota(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _read_quota(*files: Path) -> Iterator[float]:
    """Of the two numbers in the files: microseconds of CPU time in a period (`max` or -1: no limit), and the period."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = " ".join(file.read_text(encoding="utf-8") for file in files).split()
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
