"""Training the last layer alone: features kept for four views of each picture, against a pass in every epoch.

    python benchmarks/last_layer.py [--data FOLDER --val FOLDER] [--limit 2500] [--epochs 20] [--rounds 2]

Both are `finesight train` as a process of its own, with EfficientNet-Lite0 at 96 px: with `augment.views=4`, and with
another view in every epoch, for which nothing can be kept. They take turns. Without --data, generated pictures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from classification import write_pictures

from finesight.backend.device import Machine
from finesight.config import load_settings

SETTINGS = {
    "model.freeze_before": "head",
    "model.dropout": 0,
    "image.size": [96, 96],
    "snapshots.features": False,
    "image.interpolation": "bilinear",
}
SETTINGS |= {"optim.lr": 0.003}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--limit", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = chosen.data or write_pictures(Path(place) / "pictures", chosen.limit)
        turns = []
        for number in range(chosen.rounds):
            lines = {}
            for views in (0, 4):
                flags = ["--data", str(folder), *(["--val", str(chosen.val)] if chosen.val else [])]
                out = Path(place) / f"run-{number}-{views}"
                lines[f"views={views}"] = train([*flags, "--epochs", str(chosen.epochs)], chosen.limit, views, out)
            lines["ratio"] = round(lines["views=0"]["seconds"] / lines["views=4"]["seconds"], 2)
            turns.append(lines)
    machine = Machine.resolve(load_settings().machine).describe()
    print(json.dumps({"ratios": [turn["ratio"] for turn in turns], "turns": turns, "date": str(date.today()),
                      "epochs": chosen.epochs, "pictures": chosen.limit, "machine": machine}, indent=1))  # fmt: skip


def train(flags: list[str], limit: int, views: int, out: Path) -> dict[str, float]:
    """Seconds of the whole process, and the best accuracy."""
    settings = SETTINGS | {"augment.views": views, "data.limit": limit}
    flags += [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "finesight", "train", *flags, "--out", str(out), "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "accuracy": round(json.loads(done.stdout)["metrics"]["accuracy"], 4)}


if __name__ == "__main__":
    main()
