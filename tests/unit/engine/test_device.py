"""The device: what it does to the process."""

import platform
import resource

import pytest
import torch

from finesight.config import MachineSettings
from finesight.engine.device import Machine


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_is_used_again_without_page_faults():
    Machine.resolve(MachineSettings(device="cpu"))
    size = 64 * 2**20
    torch.ones(size, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(size, dtype=torch.uint8)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 8 * size // resource.getpagesize()  # a few fault anew, where a hole is too small by its alignment
