"""Seconds and memory of `finesight train` with 1, 4 and 16 times the images, and the pixels of a image.

python benchmarks/peers/growth.py [IMAGE.png]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from classification import write_images

IMAGES, SIDE = 256, 64
TIMES = (1, 4, 16)


def measure_growth() -> list[dict[str, float]]:
    """A line a process: images, side in pixels, seconds in all and of the epoch, the same a unit, peak MiB.

    A unit is 1,000 images of 64 x 64 pixels. The network is timm's tiniest, so that what grows is not its own work
    alone; the epoch holds training and validation, the rest is start-up, decoding and checkpoints.
    """
    lines = []
    with tempfile.TemporaryDirectory() as place:
        for times in TIMES:
            images = write_images(Path(place) / f"images-{times}", IMAGES * times)
            lines.append(_measure(images, IMAGES * times, SIDE, Path(place) / f"images-run-{times}"))
        few = Path(place) / "images-1"
        for times in TIMES[1:]:
            side = round(SIDE * times**0.5)
            lines.append(_measure(few, IMAGES, side, Path(place) / f"pixels-run-{times}"))
    return lines


def _measure(images: Path, count: int, side: int, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "finesight", "train", "--data", str(images), "--out", str(out), "--epochs", "1"]
    command += ["--model", "timm/test_resnet", "--weights", "none", "--set", f"image.size=[{side},{side}]"]
    environment = os.environ | {"FINESIGHT_CACHE": f"{out}-cache"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, code, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code:
        raise SystemExit(f"{' '.join(command)} failed.")
    timing = json.loads((out / "timings.jsonl").read_text())
    epoch, units = timing["train_s"] + timing["val_s"], count / 1000 * (side / SIDE) ** 2
    return {
        "images": count,
        "side": side,
        "seconds": round(seconds, 2),
        "epoch_s": round(epoch, 2),
        "epoch_s_per_unit": round(epoch / units, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def draw_growth(lines: list[dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    more = {"images": lines[: len(TIMES)], "pixels of a image": [lines[0], *lines[len(TIMES) :]]}
    for name, chosen in more.items():
        axes[0].plot(TIMES, [line["epoch_s"] / lines[0]["epoch_s"] for line in chosen], "o-", label=name)
        axes[1].plot(TIMES, [line["peak_mib"] for line in chosen], "o-", label=name)
    axes[0].plot(TIMES, TIMES, ":", color="grey", label="linear")
    axes[0].set(ylabel="seconds of an epoch, times the first", xscale="log", yscale="log")
    axes[1].set(ylabel="peak memory, MiB", xscale="log", ylim=(0, None))
    for axis in axes:
        axis.set(xlabel="times as many", xticks=TIMES, xticklabels=[f"{times}x" for times in TIMES])
        axis.minorticks_off()
        axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    measured = measure_growth()
    print(json.dumps(measured, indent=1))
    if sys.argv[1:]:
        draw_growth(measured, Path(sys.argv[1]))
