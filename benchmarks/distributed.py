"""Training on 1, 2 and 4 ranks of this machine: images per second, processor time per image, messages per step.

    python benchmarks/distributed.py [--ranks 1 2 4] [--model efficientnet_lite0] [--size 128] [--steps 12] [--rounds 2]

`finesight train` on generated images, the same global batches for every number of ranks, which take turns. A message
that waits is one that a rank stands still for; the gradients' are counted apart, as they go on during the backward
pass. Compare ratios of one run: ranks share the cores, so on a CPU more of them are not faster, and the loss is what
distribution costs.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

BATCH = 32
WARMUP = 3  # steps that are not measured


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rank-of", type=Path, help=argparse.SUPPRESS)  # the folder of the images, in a rank
    chosen = parser.parse_args()
    if chosen.rank_of:
        return measure(chosen)
    from classification import write_images

    from finesight.backend.device import Machine
    from finesight.config import load_settings

    with tempfile.TemporaryDirectory() as place:
        images = write_images(Path(place) / "images", BATCH * chosen.steps)
        turns = [{f"{ranks} ranks": launch(ranks, images) for ranks in chosen.ranks} for _ in range(chosen.rounds)]
    machine = Machine.resolve(load_settings().machine).describe()
    facts = {name: getattr(chosen, name) for name in ("model", "size", "steps")} | {"batch_size": BATCH}
    print(json.dumps({"turns": turns, **facts, "date": str(date.today()), "machine": machine}, indent=1))
    return None


def launch(ranks: int, images: Path) -> dict[str, Any]:
    """What rank 0 printed."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    command = [sys.executable, *launcher, *sys.argv, "--rank-of", str(images)]
    environment = os.environ | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(chosen: argparse.Namespace) -> None:
    """One rank: trains an epoch, and says what its steps took after the first few."""
    import torch.distributed as group

    from finesight import distributed, train
    from finesight.training.trainer import Trainer

    counts = {"waits": 0, "does not wait": 0}
    for name in ("all_reduce", "all_gather_object"):
        setattr(group, name, counted(getattr(group, name), counts))
    marks: list[tuple[float, float, dict[str, int]]] = []
    step = Trainer._step

    def marked(trainer: Trainer) -> None:
        step(trainer)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        marks.append((time.perf_counter(), usage.ru_utime + usage.ru_stime, dict(counts)))

    Trainer._step = marked  # type: ignore[method-assign]
    sizes = {"image.size": [chosen.size] * 2, "batch_size": BATCH, "epochs": 1, "data.val_fraction": 0.05}
    names = {"model.name": chosen.model, "model.weights": "none", "snapshots.features": False}
    out = chosen.rank_of.parent / f"run-{distributed.world_size()}-{distributed.launch() or os.getpid()}"
    train(data=chosen.rank_of, out=out, settings=sizes | names)
    (start, cpu_start, before), (end, cpu_end, after) = marks[WARMUP], marks[-2]  # the last batch is a short one
    steps = len(marks) - 2 - WARMUP
    cpu_s = sum(distributed.all_gather_object(cpu_end - cpu_start))
    if distributed.is_main():
        found = {
            "images_per_second": round(BATCH * steps / (end - start), 2),
            "cpu_ms_per_image": round(1000 * cpu_s / (BATCH * steps), 2),
            "messages_per_step": {name: (after[name] - before[name]) / steps for name in counts},
        }
        print(json.dumps(found), flush=True)


def counted(function: Any, counts: dict[str, int]) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        counts["does not wait" if options.get("async_op") else "waits"] += 1
        return function(*arguments, **options)

    return call


if __name__ == "__main__":
    main()
