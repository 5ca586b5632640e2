"""Everything to find out on a machine with a GPU, in one run of at most ten minutes and without a network.

    python benchmarks/gpu.py CARRIED --pack p2_data/train    # beforehand, with a network: pairs and weights in 55 MB
    python benchmarks/gpu.py OUT --carried CARRIED [--minutes 9.5]
    python benchmarks/gpu.py OUT --device cpu --tiny         # the same code on tiny data, in two minutes

Writes OUT/gpu-DATE.json after every section, so that a run that is cut short loses nothing. A section that fails is
recorded with its traceback, the next one runs, and the exit code is 1.

Checks: steps of both tasks with torch's synchronisation debug mode on `error`; bf16 against float32; compiled against
eager; resume bit for bit; predictions against those of evaluation; memory that is too small. Speed: milliseconds a
step, share of that time in which the GPU computes, peak memory; an epoch against timm's model and loader in the loop of
its train.py with its best flags. The two recipes of the course train for as many epochs as fit into their share.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import date
from functools import partialmethod
from importlib.metadata import version
from pathlib import Path

import torch
from on_gpu import checks, recipes, speed
from on_gpu.bench import Bench, Result, write_photos
from segmentation import write_pairs
from torch import nn

PACKAGES = ("finesight", "torch", "torchvision", "timm", "numpy")
SECTIONS: dict[str, Callable[[Bench], Result]] = {
    "device": checks.check_device,
    "steps_without_waiting": checks.check_steps,
    "bf16": checks.check_bf16,
    "small_memory": checks.check_memory,
    "resume": checks.check_resume,
    "predict_is_evaluate": checks.check_predict,
    "steps": speed.measure_steps,
    "timm": speed.race_timm,
    "dlcv-fcn32s": recipes.train_fcn32s,
    "dlcv-fcn8s": recipes.train_fcn8s,
    "compile": checks.check_compile,
    "steps_compiled": speed.measure_graphs,
    "timm_compiled": speed.race_timm_compiled,
}


def run_sections(bench: Bench, out: Path) -> bool:
    """Runs all for which there is time, writing after each. Returns whether none failed."""
    result: Result = {"date": date.today().isoformat(), "command": sys.argv, "tiny": bench.tiny}
    result["packages"] = {name: version(name) for name in PACKAGES} | {"cuda": torch.version.cuda}
    for name, section in SECTIONS.items():
        started = time.monotonic()
        if started > bench.ends:
            result[name] = {"skipped": "the time was over"}
        else:
            try:
                result[name] = section(bench)
            except Exception:
                result[name] = {"failed": traceback.format_exc()}
            result[name]["seconds"] = round(time.monotonic() - started, 1)
        gc.collect()
        if bench.device == "cuda":
            torch.cuda.empty_cache()
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(result[name])[:300], flush=True)
    return not any("failed" in each for each in result.values() if isinstance(each, dict))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the JSON file, or of what --pack writes")
    parser.add_argument("--carried", type=Path, help="what --pack wrote; missing: made-up pairs and random weights")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.5, help="after which no section begins")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and data, to see that all of it runs")
    parser.add_argument("--pack", type=Path, metavar="PAIRS", help="write these pairs and weights to OUT, and end")
    parser.add_argument("--megabytes", type=float, default=55, help="that --pack may write")
    parser.add_argument("--most", type=int, default=1000, help="pairs that --pack may take: more look worse")
    chosen = parser.parse_args()
    if chosen.pack:
        return recipes.pack(chosen.pack, chosen.out, chosen.megabytes, chosen.most)
    ends = time.monotonic() + 60 * chosen.minutes
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before its first use, for the deterministic sections
    chosen.out.mkdir(parents=True, exist_ok=True)
    if chosen.tiny:  # traced, but not made into C++, which takes minutes
        nn.Module.compile = partialmethod(nn.Module.compile, backend="eager")  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.environ["FINESIGHT_CACHE"] = f"{scratch}/cache"
        images = write_photos(scratch / "photos", *((48, 36) if chosen.tiny else (2560, 256)))
        pairs = (
            chosen.carried / "pairs" if chosen.carried else write_pairs(scratch / "pairs", 12 if chosen.tiny else 200)
        )
        weights = str(chosen.carried / recipes.WEIGHTS) if chosen.carried else ""
        bench = Bench(chosen.device, chosen.tiny, scratch, images, pairs, weights, ends)
        is_fine = run_sections(bench, chosen.out / f"gpu-{date.today().isoformat()}.json")
    sys.exit(not is_fine)


if __name__ == "__main__":
    main()
