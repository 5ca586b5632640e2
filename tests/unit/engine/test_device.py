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
    for _ in range(8):  # the first ones may fault, until there is a hole for each alignment
        torch.ones(size, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(size, dtype=torch.uint8)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < size // resource.getpagesize()
