"""Several real processes on this machine, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

TIMEOUT = 900  # s; seconds on a quiet machine


def torchrun(*arguments: object, restarts: int = 0, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    """`torchrun --standalone`, on a port that is free, over the loopback interface. Warnings are errors."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command = [*launcher, f"--max-restarts={restarts}", "--monitor-interval=0.1", *map(str, arguments)]
    places = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | places | {"PYTHONWARNINGS": "error", "PYTHONPATH": paths}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
