"""The control groups of this process, by which Linux limits what it may use, also in a container."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")  # where Linux shows limits, also within a container
MEMBERSHIP = Path("/proc/self/cgroup")


def list_groups(resource: str) -> Iterator[tuple[int, Path]]:
    """(version, folder) of this process's groups for `cpu` or `memory`, and of those above them.

    Version 2 is one hierarchy, its line is `0::/PATH`. Version 1 has one for each resource: `4:cpu,cpuacct:/PATH`.
    A container may not show a folder.
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
                yield 2, CGROUPS / each
            elif resource in resources.split(","):
                yield from ((1, CGROUPS / mount / each) for mount in dict.fromkeys((resources, resource)))
