"""Memory that is free by the system and by control groups, in files as Linux shows them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from finesight import control_groups
from finesight.app import batch_size
from finesight.backend import memory

CPU = torch.device("cpu")
GB = 10**9
STAT = f"anon 5\ninactive_file {GB}\nactive_file 7"
V1 = {"self": "4:memory:/a\n0::/", "memory/a/memory.usage_in_bytes": f"{3 * GB}"}


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight GB free, a process that has held one, and an empty /sys/fs/cgroup."""
    monkeypatch.setattr(control_groups, "CGROUPS", tmp_path)
    monkeypatch.setattr(control_groups, "MEMBERSHIP", tmp_path / "self")
    values = {"MemAvailable": 8 * GB, "VmHWM": GB}
    monkeypatch.setattr(memory, "_read_kilobytes", lambda path, name: values[name])
    return tmp_path


def write(system: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text + "\n")


CASES = {
    "no control groups": ({}, 8),
    "version 2 without a limit": ({"self": "0::/", "memory.max": "max", "memory.current": "5", "memory.stat": STAT}, 8),
    "version 2": ({"self": "0::/", "memory.max": f"{4 * GB}", "memory.current": f"{3 * GB}", "memory.stat": STAT}, 2),
    "version 2, slowed from a limit on": (
        {"self": "0::/", "memory.max": f"{6 * GB}", "memory.high": f"{5 * GB}", "memory.current": f"{3 * GB}",
         "memory.stat": STAT}, 3,
    ),
    "a group above": (
        {"self": "0::/job/step", "job/step/memory.max": "max", "job/step/memory.current": "5",
         "job/memory.max": f"{2 * GB}", "job/memory.current": f"{GB}", "job/memory.stat": "anon 5"}, 1,
    ),
    "a full group": ({"self": "0::/", "memory.max": "5", "memory.current": "9", "memory.stat": "inactive_file 0"}, 0),
    "version 1": (
        V1 | {"memory/a/memory.limit_in_bytes": f"{4 * GB}", "memory/a/memory.stat": f"total_inactive_file {GB}"}, 2,
    ),
    "version 1 without a limit": (
        V1 | {"memory/a/memory.limit_in_bytes": "9223372036854771712", "memory/a/memory.stat": "cache 0"}, 8,
    ),
    "more than there is": (
        {"self": "0::/", "memory.max": f"{99 * GB}", "memory.current": "0", "memory.stat": STAT}, 8,
    ),
    "nonsense": ({"self": "0::/", "memory.max": "much", "memory.current": "little", "memory.stat": "?"}, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_free_memory_is_what_the_group_leaves(system: Path, name: str) -> None:
    files, expected = CASES[name]
    write(system, files)
    assert memory.available_bytes(CPU) == expected * GB


@pytest.mark.parametrize(("limit", "ranks", "has_room"), [(2.0, 1, False), (3.0, 1, True), (3.0, 2, False)])
def test_a_batch_is_doubled_within_the_limit(
    system: Path, monkeypatch: pytest.MonkeyPatch, limit: float, ranks: int, has_room: bool
) -> None:
    """One GB is held already: twice as much has to fit, with a margin, beside what other ranks of the machine need."""
    stat = {"self": "0::/", "memory.current": f"{GB}", "memory.stat": "anon 5"}
    write(system, stat | {"memory.max": f"{int(limit * GB)}"})
    monkeypatch.setattr(batch_size.distributed, "local_world_size", lambda: ranks)
    job = SimpleNamespace(machine=SimpleNamespace(device=CPU))
    assert batch_size.has_room(job, 32) is has_room  # type: ignore[arg-type]
