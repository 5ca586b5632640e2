"""How many CPU cores this process may use: of those it is bound to, as many as its control group has time for."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")  # where Linux shows limits, also within a container
MEMBERSHIP = Path("/proc/self/cgroup")


def count_cores() -> int:
    """At least 1. A container of two cores on a machine of 64 has two: 64 threads would wait for each other there."""
    return max(1, min([_count_bound(), *map(math.ceil, _list_quotas())]))


def _count_bound() -> int:
    """By affinity, as taskset, Slurm and cpusets set it, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _list_quotas() -> Iterator[float]:
    """Cores' worth of time that this process's groups, and those above them, may use, where that is limited.

    Version 2 is one hierarchy, its line is `0::/PATH`. Version 1 has one for each resource: `4:cpu,cpuacct:/PATH`.
    Files that a container does not show are passed over.
    """
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:  # macOS and Windows have no control groups
        return
    for line in lines:
        _, resources, path = line.split(":", 2)
        group = PurePosixPath(path.lstrip("/"))
        for each in (group, *group.parents):
            if not resources:
                yield from _read_quota(CGROUPS / each / "cpu.max")
            elif "cpu" in resources.split(","):
                for folder in (CGROUPS / resources / each, CGROUPS / "cpu" / each):
                    yield from _read_quota(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _read_quota(*files: Path) -> Iterator[float]:
    """Of the two numbers in the files: microseconds of CPU time in a period (`max` or -1: no limit), and the period."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = " ".join(file.read_text(encoding="utf-8") for file in files).split()
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
