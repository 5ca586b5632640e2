"""What each command costs as a data set grows to a million images: seconds, processor seconds, peak memory.

    nice python benchmarks/scale.py --folder FOLDER [--sizes 10000 100000] [--kinds photos textures] [--limit 900]
    python benchmarks/scale.py --folder FOLDER --sizes 1000000 --commands inspect start restart resume

Makes the data sets in FOLDER: class folders of JPEG (`photos`: blobs of colour) or PNG (`textures`: low contrast, such
as forest, water or radar). Above 100,000 images they are hard links to at least 20 sources, which serve for listing,
statistics and start-up, not for finding copies. Each command is a process of its own with a time limit. A run that was
stopped goes on where it was: what a results file of the same day has is not measured again. Prints the table; the raw
numbers go to benchmarks/results/scale-DATE.json.

start: `train` with nothing cached, until its first step; restart: the same command once more; resume: until the first
step of another epoch. Where others share the machine, compare processor seconds.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES, SIDE, MOST_DISTINCT, LINKS = 20, 32, 100_000, 50_000
UNTIL_FIRST_STEP = """
import os, sys
from finesight.training.trainer import Trainer
Trainer.run = lambda self, stop: os._exit(0)
from finesight.cli import main
sys.argv[0] = "finesight"
main()
"""


def write_images(folder: Path, kind: str, count: int) -> Path:
    """CLASS/NUMBER.jpg or .png of SIDE pixels. Made under another name, so that half a set is never measured."""
    data, half = folder / f"{kind}-{count}", folder / f"{kind}-{count}.building"
    if data.is_dir():
        return data
    shutil.rmtree(half, ignore_errors=True)
    for number in range(CLASSES):
        (half / f"class_{number:02}").mkdir(parents=True)
    if count <= MOST_DISTINCT:
        with Pool() as pool:
            for _ in pool.imap_unordered(partial(_write_image, half, kind), range(count), chunksize=500):
                pass
    else:
        sources = max(20, -(-count // LINKS))
        for number in range(sources):
            _write_image(folder, kind, number, folder / f"source-{kind}-{number}")
        for number in range(count):
            os.link(folder / f"source-{kind}-{number % sources}", half / _name(kind, number))
    half.rename(data)
    return data


def _name(kind: str, number: int) -> str:
    return f"class_{number % CLASSES:02}/{number:07}.{'jpg' if kind == 'photos' else 'png'}"


def _write_image(folder: Path, kind: str, number: int, path: Path | None = None) -> None:
    random = np.random.default_rng(number)
    if kind == "photos":  # with some of the class's colour, so that there is something to learn
        small = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        small[..., number % 3] //= 1 + number % CLASSES // 3
        image = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(path or folder / _name(kind, number), "JPEG", quality=85)
        return
    grain = random.normal(0, 1, (SIDE, SIDE, 1)) + random.normal(0, 0.3, (SIDE, SIDE, 3))
    mean = 90 + 3 * (number % CLASSES) + random.normal(0, 2, 3)
    texture = mean + grain * random.uniform(4, 16)
    Image.fromarray(texture.clip(0, 255).astype(np.uint8)).save(path or folder / _name(kind, number), "PNG")


def list_commands(data: Path, place: Path, count: int) -> dict[str, list[str]]:
    """The command line of each, in the order in which each finds what it needs."""
    run, other = place / "run", place / "other"
    train = f"train --data {data} --model timm/test_resnet --weights none --batch-size 256 --epochs 1 --seed 0"
    train += f" --set image.size=[{SIDE},{SIDE}] --set data.image_cache_gb=20 --set machine.threads=1"
    commands = {
        "inspect": f"inspect {data} --json",
        "start": f"{train} --out {place / 'start'}",
        "restart": f"{train} --out {place / 'restart'}",
        "train": f"{train} --out {run}",
        "resume": f"train --resume --epochs 2 --out {run}",
        "evaluate": f"evaluate {run}",
        "embed": f"embed {run}",
        "labels": f"labels {run}",
        "report": f"report {run} --out {place / 'report.html'}",
        "compare": f"compare {run} {other}",
        "predict": f"predict {run} {data} --out {place / 'predictions.csv'}",
    }
    return {name: line.split() for name, line in commands.items()}


def measure(name: str, arguments: list[str], place: Path, limit: float) -> dict[str, Any]:
    """Of a process, with those it started and waited for. Peak memory is that of the largest of them."""
    program = ["-c", UNTIL_FIRST_STEP] if name in ("start", "restart", "resume") else ["-m", "finesight"]
    environment = os.environ | {"FINESIGHT_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    with (place / f"{name}.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *program, *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        waited, status, usage = 0, 0, None
        while not waited:
            time.sleep(0.05)
            waited, status, usage = os.wait4(process.pid, os.WNOHANG)
            if not waited and time.perf_counter() - started > limit:
                os.killpg(process.pid, signal.SIGKILL)
                waited, status, usage = os.wait4(process.pid, 0)
    assert usage is not None
    return {
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss * 1024 / 1e6),
        "exit": os.waitstatus_to_exitcode(status),
    }


def measure_size(folder: Path, kind: str, count: int, chosen: list[str], limit: float, save: Any) -> None:
    """Everything about one data set. save: takes the name of a command and its numbers; tells which it has."""
    data, place = write_images(folder, kind, count), folder / f"work-{kind}-{count}"
    place.mkdir(exist_ok=True)
    for name, arguments in list_commands(data, place, count).items():
        if name not in chosen or save(name, None):
            continue
        if name == "start":
            shutil.rmtree(place / "cache", ignore_errors=True)
        if name == "train":
            shutil.rmtree(place / "run", ignore_errors=True)
        for unfinished in ("start", "restart"):
            shutil.rmtree(place / unfinished, ignore_errors=True)
        if name == "compare" and not (place / "other").exists():
            shutil.copytree(place / "run", place / "other")
        print(f"{kind} {count:,} {name}", file=sys.stderr, flush=True)
        save(name, measure(name, arguments, place, limit))


def print_table(lines: dict[str, dict[str, Any]]) -> None:
    print("| data | command | wall, s | CPU, s | peak, MB | exit |\n|---|---|---|---|---|---|")
    for name, line in lines.items():
        kind, count, command = name.split("/")
        print(f"| {int(count):,} {kind} | {command} | {line['wall_s']} | {line['cpu_s']} | {line['peak_mb']} | "
              f"{line['exit']} |")  # fmt: skip


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules of an installed package are compiled once
    commands = list(list_commands(Path(), Path(), 0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for data sets and runs; kept")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000])
    parser.add_argument("--kinds", nargs="+", default=["photos", "textures"], choices=["photos", "textures"])
    parser.add_argument("--commands", nargs="+", default=commands, choices=commands)
    parser.add_argument("--limit", type=float, default=900, help="seconds of a command")
    parser.add_argument("--name", default=f"scale-{date.today()}", help="of the results file")
    given = parser.parse_args()
    path = Path(__file__).parent / "results" / f"{given.name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    lines = found.setdefault("measured", {})
    found |= {"date": str(date.today()), "machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    for count in given.sizes:
        for kind in given.kinds:

            def save(name: str, numbers: dict[str, Any] | None, at: str = f"{kind}/{count}") -> bool:
                if numbers:
                    lines[f"{at}/{name}"] = numbers | {"load": round(os.getloadavg()[0], 1)}
                    path.write_text(json.dumps(found, indent=1) + "\n")
                return f"{at}/{name}" in lines

            given.folder.mkdir(parents=True, exist_ok=True)
            measure_size(given.folder.resolve(), kind, count, given.commands, given.limit, save)
    print_table(lines)


if __name__ == "__main__":
    main()
