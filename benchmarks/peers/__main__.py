"""finesight against what users would pick instead, side by side: training, prediction, first result; and the limit.

    python benchmarks/peers [--all] [--rounds 2] [--minutes 25] [--only 'lite0-128/*']
    python benchmarks/peers --table benchmarks/peers-2026-11-25.json

Each turn is a process of its own: finesight, a peer at its defaults, the peer at its best flags, finesight again; so
every figure of a peer has one of finesight's beside it in time, and the ratio is of these two. What is measured is
written at once to benchmarks/peers-DATE.json; called again, only what is missing there is measured.
"""

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

sys.path.append(str(Path(__file__).parents[1]))
from classification import write_pictures
from environments import list_versions, make_environment
from growth import draw_growth, measure_growth
from limit import measure_limit, share_of_limit
from segmentation import write_pairs
from table import make_table, ratio_summary
from work import WORKS, class_of

from finesight.config import load_settings
from finesight.engine.device import Machine

HERE = Path(__file__).parent
LONGEST = 300  # seconds of a turn, after which it counts as failed
NUM_PICTURES = {"labels": 256, "many_labels": 2500, "masks": 64, "many_masks": 257}
TINY = dict.fromkeys(NUM_PICTURES, 40)


@dataclass(frozen=True)
class Peer:
    """packages: to be installed; own: what finesight brings along itself. long: only measured with --all."""

    works: tuple[str, ...]
    packages: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    long: bool = False


PEERS = {
    "pytorch": Peer(tuple(WORKS), own=("torch", "torchvision")),
    "timm": Peer(("resnet50-224", "lite0-128"), own=("timm",)),
    "huggingface": Peer(("resnet50-224", "lite0-128", "fcn8s-512", "labels-128"), ("transformers", "accelerate")),
    "smp": Peer(("light-256", "masks-256"), ("segmentation-models-pytorch",)),
    "torchvision": Peer(("resnet50-224",), own=("torchvision",), long=True),  # it has no EfficientNet-Lite0
    "fastai": Peer(("resnet50-224", "lite0-128", "labels-128"), ("fastai",), long=True),
    "lightning": Peer(("resnet50-224", "lite0-128", "fcn8s-512"), ("lightning",), long=True),
    "torchgeo": Peer(("light-256",), ("torchgeo",), long=True),
}


class Data:
    """Pictures for all sides, made when first asked for: the user's, evenly spread, or noise."""

    def __init__(self, place: Path, pictures: Path | None, pairs: Path | None, counts: dict[str, int]) -> None:
        self.place, self.pictures, self.pairs, self.counts = place, pictures, pairs, counts

    @cached_property
    def labels(self) -> Path:
        return self._pictures("labels")

    @cached_property
    def many_labels(self) -> Path:
        return self._pictures("many_labels")

    @cached_property
    def masks(self) -> Path:
        return self._pairs("masks")

    @cached_property
    def many_masks(self) -> Path:
        """Pictures without their masks."""
        folder = self._pairs("many_masks")
        for mask in folder.glob("*_mask.png"):
            mask.unlink()
        return folder

    def _pictures(self, name: str) -> Path:
        folder, count = self.place / name, self.counts[name]
        if not self.pictures:
            return write_pictures(folder, count)
        folder.mkdir()
        for number, path in enumerate(_spread(sorted(self.pictures.iterdir()), count)):
            (folder / f"{class_of(path)}_{number}{path.suffix}").symlink_to(path.resolve())
        return folder

    def _pairs(self, name: str) -> Path:
        folder, count = self.place / name, self.counts[name]
        if not self.pairs:
            return write_pairs(folder, count)
        folder.mkdir()
        for number, path in enumerate(_spread(sorted(self.pairs.glob("*_sat.jpg")), count)):
            mask = path.with_name(path.name.replace("_sat.jpg", "_mask.png"))
            (folder / f"{number:04}_sat.jpg").symlink_to(path.resolve())
            (folder / f"{number:04}_mask.png").symlink_to(mask.resolve())
        return folder


def _spread(paths: list[Path], count: int) -> list[Path]:
    return [paths[len(paths) * number // count] for number in range(count)]


class Turns:
    """Runs turns and remembers what finesight did last."""

    def __init__(self, data: Data, place: Path, tiny: bool) -> None:
        self.data, self.place, self.tiny = data, place, tiny
        self.last: tuple[str, dict[str, Any]] | None = None
        self.runs: dict[str, str] = {}

    def compare(self, work: str, peer: str, python: Path) -> list[dict[str, Any]]:
        """A turn of a peer at each of its flags, with finesight's before the one and after the other."""
        before = self.last[1] if self.last and self.last[0] == work else self.take(work, "finesight", "defaults")
        theirs = {flags: self.take(work, peer, flags, python) for flags in ("defaults", "best")}
        after = self.take(work, "finesight", "defaults")
        self.last = work, after
        turns = []
        for (flags, result), ours in zip(theirs.items(), (before, after), strict=True):
            turn: dict[str, Any] = {"work": work, "peer": peer, "flags": flags, "theirs": result, "ours": ours}
            if "error" not in result and "error" not in ours:
                turn["ratio"] = round(ours["images_per_second"] / result["images_per_second"], 3)
            turns.append(turn)
        return turns

    def take(self, work: str, peer: str, flags: str, python: Path = Path(sys.executable)) -> dict[str, Any]:
        """What the script of a peer printed last, or an `error`."""
        data = ("many_" if WORKS[work].predicts else "") + ("masks" if WORKS[work].masks else "labels")
        with tempfile.TemporaryDirectory(dir=self.place, ignore_cleanup_errors=True) as out:
            command = [str(python), str(HERE / f"with_{peer}.py"), work, flags, "--out", out]
            command += ["--pictures", str(getattr(self.data, data)), *(["--tiny"] if self.tiny else [])]
            if WORKS[work].predicts and peer == "finesight":
                command += ["--run", self.train_run(work)]
            process = subprocess.Popen(
                command,
                env=os.environ | {"STARTED": str(time.time())},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            try:
                printed, complaints = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                return {"error": f"not done after {LONGEST} s"}
        if process.returncode:
            last = (complaints.strip().splitlines() or ["no message"])[-1]
            return {"error": f"exit code {process.returncode}: {last}"}
        result: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
        return result

    def train_run(self, work: str) -> str:
        """A run of one epoch for `predict`: how good it is does not matter for its speed."""
        if work not in self.runs:
            size = 64 if self.tiny else WORKS[work].size
            data = self.data.masks if WORKS[work].masks else self.data.labels
            run = str(self.place / f"run-{work}")
            command = [sys.executable, "-m", "finesight", "train", "--data", str(data), "--out", run, "--epochs", "1"]
            command += ["--model", WORKS[work].network, "--weights", "none", "--set", f"image.size=[{size},{size}]"]
            command += ["--set", "image.fit=squash", "--batch-size", "16", "--set", "data.limit=32"]
            command += ["--set", "data.classes=deepglobe"] if WORKS[work].masks else []
            subprocess.run(command, check=True, capture_output=True)
            self.runs[work] = run
        return self.runs[work]


def main() -> None:
    chosen = read_arguments()
    if chosen.table:
        print(make_table(json.loads(chosen.table.read_text())))
        return
    results: dict[str, Any] = {"turns": [], "versions": {}}
    if chosen.out.exists() and not chosen.again:
        results = json.loads(chosen.out.read_text())
    results["date"] = date.today().isoformat()
    results["machine"] = Machine.resolve(load_settings().machine).describe() | {"torch": torch.__version__}
    results["works"] = {name: vars(work) for name, work in WORKS.items()}
    results["pictures"] = {"pictures": str(chosen.pictures or "made"), "pairs": str(chosen.pairs or "made")}
    chosen.place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.place, ignore_cleanup_errors=True) as made:
        data = Data(Path(made), chosen.pictures, chosen.pairs, TINY if chosen.tiny else NUM_PICTURES)
        measure(chosen, results, Turns(data, Path(made), chosen.tiny))
    print(make_table(results))


def measure(chosen: argparse.Namespace, results: dict[str, Any], turns: Turns) -> None:
    """All that is missing, as far as time goes."""
    peers = {name: peer for name, peer in PEERS.items() if chosen.all or chosen.only != "*" or not peer.long}
    wanted = [
        (work, name)
        for work in WORKS
        for name, peer in peers.items()
        if work in peer.works and fnmatch.fnmatch(f"{work}/{name}", chosen.only)
    ]
    pythons = {}
    for name in dict.fromkeys(name for _, name in wanted):
        print(f"Environment of {name} …", file=sys.stderr, flush=True)
        pythons[name] = make_environment(name, peers[name].packages, chosen.place)
        results["versions"] |= list_versions(pythons[name], peers[name].packages + peers[name].own)
    started = time.monotonic()  # what installs is not what measures
    if chosen.only == "*" and "limit" not in results:
        keep(chosen.out, results | {"limit": measure_limit()}, results)
    for number in range(chosen.rounds):
        for work, name in wanted:
            done = sum((turn["work"], turn["peer"]) == (work, name) for turn in results["turns"]) // 2
            if done > number:
                continue
            if time.monotonic() - started > 60 * chosen.minutes:
                print("Time is up; the same command goes on from here.", file=sys.stderr)
                return
            new = turns.compare(work, name, pythons[name])
            keep(chosen.out, results | {"turns": results["turns"] + new}, results)
            for turn in new:
                print(json.dumps(turn), file=sys.stderr, flush=True)
        if number == 0 and chosen.only == "*" and "growth" not in results:
            keep(chosen.out, results | {"growth": measure_growth()}, results)
            draw_growth(results["growth"], chosen.out.with_name(f"{chosen.out.stem}-growth.png"))


def keep(path: Path, new: dict[str, Any], results: dict[str, Any]) -> None:
    """Puts what is new into `results` and all of it, with what follows from it, into the file, whole or not at all."""
    results.update(new)
    results["ratios"] = ratio_summary(results["turns"])
    if "limit" in results:
        rates: dict[str, list[float]] = {}
        for turn in results["turns"]:
            if not WORKS[turn["work"]].predicts and "error" not in turn["ours"]:
                rates.setdefault(turn["work"], []).append(turn["ours"]["images_per_second"])
        medians = {work: sorted(each)[len(each) // 2] for work, each in rates.items()}
        results["share_of_limit"] = share_of_limit(medians, results["limit"])
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1) + "\n")
    shutil.move(fresh, path)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the long peers too")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=25, help="after which no further turn begins")
    parser.add_argument("--only", default="*", metavar="WORK/PEER", help="with * for any")
    parser.add_argument("--again", action="store_true", help="forget what is in the file already")
    parser.add_argument("--pictures", type=Path, help="folder of CLASS_NUMBER.jpg or .png; made if not given")
    parser.add_argument("--pairs", type=Path, help="folder of NAME_sat.jpg and NAME_mask.png; made if not given")
    parser.add_argument("--out", type=Path, default=HERE.parent / f"peers-{date.today().isoformat()}.json")
    parser.add_argument("--place", type=Path, default=Path.home() / ".cache" / "finesight-peers")
    parser.add_argument("--tiny", action="store_true", help="one tiny step each: to see that everything runs")
    parser.add_argument("--table", type=Path, metavar="JSON", help="print its Markdown table and stop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
