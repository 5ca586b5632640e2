"""finesight against what users would pick instead, side by side: training, prediction, first result; and the limit.

    python benchmarks/peers [--all] [--rounds 2] [--minutes 25] [--only 'lite0-128/*']
    python benchmarks/peers --table benchmarks/results/peers-2026-11-25.json

Each turn is a process of its own: finesight, a peer at its defaults, the peer at its best flags, finesight again; so
every figure of a peer has one of finesight's beside it in time, and the ratio is of these two. What is measured is
written at once to benchmarks/results/peers-DATE.json; called again, only what is missing there is measured.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch

sys.path.append(str(Path(__file__).parents[1]))
from environments import list_versions, make_environment
from growth import draw_growth, measure_growth
from images import make_images
from limit import measure_elsewhere, share_of_limit
from table import make_table, spread
from work import WORKS

from finesight.backend.device import Machine
from finesight.config import load_settings

HERE = Path(__file__).parent
LONGEST = 300  # seconds of a turn, after which it counts as failed


@dataclass(frozen=True)
class Peer:
    """packages: to be installed; own: what finesight brings along itself. long: only measured with --all."""

    works: tuple[str, ...]
    packages: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    long: bool = False


PEERS = {
    "pytorch": Peer(tuple(WORKS), own=("torch",)),
    "timm": Peer(("resnet50-224", "lite0-128"), own=("timm",)),
    "openvino": Peer(("labels-128", "masks-256"), ("openvino",)),
    "onnxruntime": Peer(("labels-128", "masks-256"), ("onnxruntime", "onnx", "onnxscript")),
    "huggingface": Peer(("resnet50-224", "lite0-128", "fcn8s-512", "labels-128"), ("transformers", "accelerate")),
    "smp": Peer(("light-256", "masks-256"), ("segmentation-models-pytorch",)),
    "torchvision": Peer(("resnet50-224",), own=("torchvision",), long=True),  # it has no EfficientNet-Lite0
    "ultralytics": Peer(("resnet50-224",), ("ultralytics",), long=True),
    "fastai": Peer(("resnet50-224", "lite0-128", "labels-128"), ("fastai",), long=True),
    "lightning": Peer(("resnet50-224", "lite0-128", "fcn8s-512"), ("lightning",), long=True),
    "torchgeo": Peer(("light-256",), ("torchgeo", "requests"), long=True),  # it imports requests without asking for it
    "finesight": Peer(("lite0-128",), own=("finesight",), long=True),  # against itself: the noise, and the store's part
}


class Turns:
    """Runs turns, each in a fresh folder, and remembers what finesight did last."""

    def __init__(self, place: Path, images: dict[str, Path], options: list[str]) -> None:
        """options: of every peer's script."""
        self.place, self.images, self.options = place, images, options
        self.last: dict[str, dict[str, Any]] = {}

    def compare(self, work: str, peer: str, python: Path) -> list[dict[str, Any]]:
        """A turn of a peer at each of its flags, with finesight's before the one and after the other."""
        before = self.last.pop(work, None) or self.take(work, "finesight", "defaults")
        theirs = {flags: self.take(work, peer, flags, python) for flags in ("defaults", "best")}
        after = self.take(work, "finesight", "defaults")
        self.last = {work: after}
        turns = []
        for (flags, result), ours in zip(theirs.items(), (before, after), strict=True):
            turn: dict[str, Any] = {"work": work, "peer": peer, "flags": flags, "theirs": result, "ours": ours}
            if "error" not in result and "error" not in ours:
                turn["ratio"] = round(ours["images_per_second"] / result["images_per_second"], 3)
            turns.append(turn)
        return turns

    def take(self, work: str, peer: str, flags: str, python: Path = Path(sys.executable)) -> dict[str, Any]:
        """What the script of a peer printed last, or an `error`."""
        command = [str(python), str(HERE / f"with_{peer}.py"), work, flags, "--images", str(self.images[work])]
        command += self.options
        if WORKS[work].predicts and peer == "finesight":
            command += ["--run", str(self.train_run(work))]
        with tempfile.TemporaryDirectory(dir=self.place, ignore_cleanup_errors=True) as out:
            process = subprocess.Popen(
                [*command, "--out", out],
                env=os.environ | {"STARTED": str(time.time())},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            try:
                printed, complaints = process.communicate(timeout=LONGEST)
            except BaseException as stop:  # an interrupt too leaves nothing running behind it
                os.killpg(process.pid, 9)
                process.wait()
                if not isinstance(stop, subprocess.TimeoutExpired):
                    raise
                return {"error": f"not done after {LONGEST} s"}
        if process.returncode:
            last = (complaints.strip().splitlines() or ["no message"])[-1]
            return {"error": f"exit code {process.returncode}: {last}"}
        result: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
        return result

    def train_run(self, work: str) -> Path:
        """A run of one epoch for `predict`: how good it is does not matter for its speed."""
        run = self.place / f"run-{work}"
        if not run.exists():
            data = self.images["light-256" if WORKS[work].masks else "lite0-128"]
            size = 64 if "--tiny" in self.options else WORKS[work].size
            settings = {
                "image.size": [size, size],
                "image.fit": "stretch",
                "image.interpolation": "bilinear",
                "data.limit": 32,
                "batch_size": 16,
            }
            settings |= {"data.classes": "deepglobe"} if WORKS[work].masks else {}
            settings |= {"machine.engine": "openvino"} if find_spec("openvino") else {}  # 32 images are no trial
            command = [sys.executable, "-m", "finesight", "train", "--data", str(data), "--out", str(run)]
            command += ["--epochs", "1", "--model", WORKS[work].network, "--weights", "none"]
            command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
            cache = {"FINESIGHT_CACHE": f"{run}-cache"}  # with the graph that predictions use
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | cache)
        return run


def measure(chosen: argparse.Namespace, results: dict[str, Any], turns: Turns) -> None:
    """All that is missing, as far as time goes."""
    wanted = [
        (work, name)
        for work in WORKS
        for name, peer in PEERS.items()
        if work in peer.works and fnmatch.fnmatch(f"{work}/{name}", chosen.only) and (chosen.all or not peer.long)
    ]
    pythons = {}
    for name in dict.fromkeys(name for _, name in wanted):
        print(f"Environment of {name} …", file=sys.stderr, flush=True)
        pythons[name] = make_environment(name, PEERS[name].packages, chosen.place)
        results["versions"] |= list_versions(pythons[name], PEERS[name].packages + PEERS[name].own)
    started = time.monotonic()  # what installs is not what measures
    if chosen.only == "*" and "limit" not in results:
        results["limit"] = measure_elsewhere()
        keep(chosen.out, results)
    if chosen.only == "*" and "growth" not in results:
        results["growth"] = measure_growth()
        draw_growth(results["growth"], chosen.out.with_name(f"{chosen.out.stem}-growth.png"))
        keep(chosen.out, results)
    for number in range(chosen.rounds):
        for work, name in wanted:
            if sum((turn["work"], turn["peer"]) == (work, name) for turn in results["turns"]) > 2 * number:
                continue
            if time.monotonic() - started > 60 * chosen.minutes:
                print("Time is up; the same command goes on from here.", file=sys.stderr)
                return
            results["turns"] += (new := turns.compare(work, name, pythons[name]))
            keep(chosen.out, results)
            print(*(json.dumps(turn) for turn in new), sep="\n", file=sys.stderr, flush=True)


def keep(path: Path, results: dict[str, Any]) -> None:
    """Writes results with what follows from them, whole or not at all."""
    ratios: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for turn in results["turns"]:
        if "ratio" in turn:
            ratios.setdefault(f"{turn['work']} {turn['peer']} {turn['flags']}", []).append(turn["ratio"])
            rates.setdefault(turn["work"], []).append(turn["ours"]["images_per_second"])
    results["ratios"] = {name: {"rounds": len(each), "ratio": spread(each)} for name, each in ratios.items()}
    results["finesight_images_per_second"] = {work: round(median(each), 2) for work, each in rates.items()}
    if "limit" in results:
        results["share_of_limit"] = share_of_limit(results["finesight_images_per_second"], results["limit"])
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1) + "\n")
    fresh.replace(path)


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules of an installed package are compiled once
    chosen = read_arguments()
    results: dict[str, Any] = {"turns": [], "versions": {}}
    if chosen.table:
        print(make_table(json.loads(chosen.table.read_text())))
        return
    if chosen.out.exists() and not chosen.again:
        results = json.loads(chosen.out.read_text())
    results["date"] = date.today().isoformat()
    machine = Machine.resolve(load_settings().machine)
    results["machine"] = machine.describe() | {"torch": torch.__version__}
    results["works"] = {name: vars(work) for name, work in WORKS.items()}
    results["images"] = {"images": str(chosen.images or "made"), "pairs": str(chosen.pairs or "made")}
    options = [*(["--bf16"] if machine.precision == "bf16" else []), *(["--tiny"] if chosen.tiny else [])]
    chosen.place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.place, ignore_cleanup_errors=True) as made:
        images = make_images(Path(made), chosen.images, chosen.pairs, chosen.tiny)
        measure(chosen, results, Turns(Path(made), images, options))
    print(make_table(results))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the long peers too")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=25, help="after which no further turn begins")
    parser.add_argument("--only", default="*", metavar="WORK/PEER", help="with * for any")
    parser.add_argument("--again", action="store_true", help="forget what is in the file already")
    parser.add_argument("--images", type=Path, help="folder of CLASS_NUMBER.jpg or .png; made if not given")
    parser.add_argument("--pairs", type=Path, help="folder of NAME_sat.jpg and NAME_mask.png; made if not given")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results" / f"peers-{date.today().isoformat()}.json")
    parser.add_argument("--place", type=Path, default=Path.home() / ".cache" / "finesight-peers")
    parser.add_argument("--tiny", action="store_true", help="one tiny step each: to see that everything runs")
    parser.add_argument("--table", type=Path, metavar="JSON", help="print its Markdown table and stop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
