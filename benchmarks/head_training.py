"""Training only the head: cached features of four augmentations per image, against a forward pass in every epoch.

    python benchmarks/head_training.py [--data FOLDER --val FOLDER] [--limit 2500] [--epochs 20] [--rounds 2]

Both are `finesight train` as a process of its own, with EfficientNet-Lite0 at 96 px: with `augment.variants=4`, and
with a new augmentation in every epoch, which cannot be cached. They take turns. Without --data, generated images.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from classification import write_images

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
        folder = chosen.data or write_images(Path(place) / "images", chosen.limit)
        turns = []
        for number in range(chosen.rounds):
            lines = {}
            for variants in (0, 4):
                flags = ["--data", str(folder), *(["--val", str(chosen.val)] if chosen.val else [])]
                out = Path(place) / f"run-{number}-{variants}"
                lines[f"variants={variants}"] = train(
                    [*flags, "--epochs", str(chosen.epochs)], chosen.limit, variants, out
                )
            lines["ratio"] = round(lines["variants=0"]["seconds"] / lines["variants=4"]["seconds"], 2)
            turns.append(lines)
    machine = Machine.resolve(load_settings().machine).describe()
    print(json.dumps({"ratios": [turn["ratio"] for turn in turns], "turns": turns, "date": str(date.today()),
                      "epochs": chosen.epochs, "images": chosen.limit, "machine": machine}, indent=1))  # fmt: skip


def train(flags: list[str], limit: int, variants: int, out: Path) -> dict[str, float]:
    """Seconds of the whole process, and the best accuracy."""
    settings = SETTINGS | {"augment.variants": variants, "data.limit": limit}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "finesight", "train", *flags, *words, "--out", str(out), "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "accuracy": round(json.loads(done.stdout)["metrics"]["accuracy"], 4)}


if __name__ == "__main__":
    main()
