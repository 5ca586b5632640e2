"""A signal after graphs were compiled and freed, in the order in which they were made."""

import subprocess
import sys

import pytest

from finesight.backend.engines import why_not

SIGNALS = """
import os, signal
import numpy as np
from finesight.backend.engines.openvino_graph import LinearHead

first = LinearHead(np.ones((2, 3), np.float32), np.zeros(2, np.float32))
second = LinearHead(np.ones((2, 3), np.float32), np.zeros(2, np.float32))
second.logits(np.ones((1, 3), np.float32))
del first
del second
handled = []
signal.signal(signal.SIGINT, lambda *_: handled.append(True))
os.kill(os.getpid(), signal.SIGINT)
assert handled
"""


@pytest.mark.skipif(bool(why_not("openvino", "cpu")), reason="openvino is not installed")
def test_a_signal_after_two_graphs_does_not_end_the_process() -> None:
    subprocess.run([sys.executable, "-c", SIGNALS], check=True)
