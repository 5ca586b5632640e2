"""A small disk of one's own, which can be full or be read only; mounted for real."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Disk:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """To the last byte."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def empty(self) -> None:
        (self.path / "filler").unlink()

    def forbid_writing(self, folder: Path) -> None:
        """Of one folder: the disk itself cannot be made read only while a training holds its lock file open."""
        _mount("--bind", str(folder), str(folder))
        for _ in range(100):  # a checkpoint may be on its way, and a file that is open forbids this
            with suppress(subprocess.CalledProcessError):
                return _mount("-o", "remount,bind,ro", str(folder))
            time.sleep(0.05)
        raise AssertionError(f"{folder} is in use for five seconds")

    def allow_writing(self, folder: Path) -> None:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_disk(path: Path, size: str = "16m") -> Iterator[Disk]:
    """Skips the test where nobody may mount one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
