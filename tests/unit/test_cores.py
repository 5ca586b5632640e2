"""CPU cores by affinity and by control group, in files as Linux shows them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finesight import control_groups, cores


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight cores, and an empty /sys/fs/cgroup."""
    monkeypatch.setattr(control_groups, "CGROUPS", tmp_path)
    monkeypatch.setattr(control_groups, "MEMBERSHIP", tmp_path / "self")
    monkeypatch.setattr(cores, "_BOUND", 8)
    return tmp_path


def write(system: Path, **files: str) -> None:
    for name, text in files.items():
        path = system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


CASES = {
    "no control groups": ({}, 8),
    "version 2 without a limit": ({"self": "0::/", "cpu.max": "max 100000"}, 8),
    "version 2": ({"self": "0::/", "cpu.max": "200000 100000"}, 2),
    "less than a core": ({"self": "0::/", "cpu.max": "50000 100000"}, 1),
    "a core and a half": ({"self": "0::/", "cpu.max": "150000 100000"}, 2),
    "more than there are": ({"self": "0::/", "cpu.max": "6400000 100000"}, 8),
    "a group above": ({"self": "0::/job/step", "job/cpu.max": "300000 100000", "job/step/cpu.max": "max 100000"}, 3),
    "a group that is not shown": ({"self": "0::/kubepods/pod7", "cpu.max": "400000 100000"}, 4),
    "version 1": (
        {"self": "4:memory:/\n3:cpu,cpuacct:/a", "cpu,cpuacct/a/cpu.cfs_quota_us": "250000",
         "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, 3,
    ),
    "version 1, mounted as cpu": (
        {"self": "1:cpu:/docker/7", "cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2,
    ),
    "version 1 without a limit": ({"self": "1:cpu:/", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "9"}, 8),
    "nonsense": ({"self": "0::/", "cpu.max": "many few"}, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_cores_are_those_the_group_has_time_for(system: Path, name: str) -> None:
    files, expected = CASES[name]
    write(system, **files)
    assert cores.count_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds processes to cores")
@pytest.mark.parametrize("bound", [1, 2])
def test_cores_are_those_the_process_is_bound_to(bound: int) -> None:
    """Also where OpenMP binds each of its threads to one of them."""
    several = sorted(os.sched_getaffinity(0))[:bound]
    start = f"import os; os.sched_setaffinity(0, {several}); from finesight import cores; import torch"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}; print(cores.count_cores())"],
        env=os.environ | {"OMP_PROC_BIND": "true"},
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == len(several)
