"""ResNet50 at 224 px: finesight's training, evaluation and prediction against a plain PyTorch loop, as ratios.

    python benchmarks/classification.py [--data FOLDER] [--rounds 3] [--batches 6]

The plain loop is what a tutorial writes: float32, NCHW, torchvision transforms on Pillow images, a DataLoader with
one worker a core. Both see the same images, network, batch (32), size (224 px) and optimiser (SGD, momentum 0.9);
they take turns in one process, after a warm-up, and each ratio is of neighbours in time. Also measured: the share of a
training step that pixels and augmentation take, peak memory with 1x and 4x the images, and `finesight --help`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms
from turns import compare, rate

from finesight.app.preparation import prepare_job
from finesight.app.training_data import list_data
from finesight.backend.device import Machine
from finesight.backend.interrupt import StopRequest
from finesight.config import load_settings
from finesight.data.formats import list_images
from finesight.data.image_stream import stream_images
from finesight.data.transforms import prepare
from finesight.inference.predictor import Predictor, score_split
from finesight.run.folder import RunFolder
from finesight.training.trainer import Trainer

BATCH, SIZE = 32, 224


class Folder(Dataset):
    """Images as a tutorial reads them."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.change = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path = self.paths[index]
        return self.change(Image.open(path).convert("RGB")), int(path.name.split("_")[0])


def write_images(folder: Path, count: int) -> Path:
    """JPEG photographs' stand-ins: smooth noise, 320x256, ten classes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        small.resize((320, 256), Image.Resampling.BICUBIC).save(folder / f"{number % 10}_{number}.jpg", quality=90)
    return folder


class Plain:
    """The plain loop."""

    def __init__(self, folder: Path) -> None:
        self.network = models.resnet50(weights=None)
        self.network.fc = nn.Linear(2048, 10)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=1e-3, momentum=0.9)
        self.data = Folder(sorted(folder.iterdir()))
        self.loader = DataLoader(self.data, BATCH, shuffle=True, num_workers=os.cpu_count() or 1)

    def train(self) -> int:
        self.network.train()
        for images, targets in self.loader:
            self.optimiser.zero_grad()
            nn.functional.cross_entropy(self.network(images), targets).backward()
            self.optimiser.step()
        return len(self.data)

    def evaluate(self) -> int:
        self.network.eval()
        right = 0
        with torch.no_grad():
            for images, targets in self.loader:
                right += int((self.network(images).argmax(1) == targets).sum())
        return len(self.data)

    predict = evaluate  # a plain loop reads the same files in the same way


class Ours:
    """finesight's engine, as the commands call it."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(
            overrides={
                "data.root": str(folder),
                "data.val_fraction": 0.02,
                "batch_size": BATCH,
                "epochs": 1000,
                "model.name": "resnet50",
                "model.weights": "none",
                "image.size": [SIZE, SIZE],
                "image.fit": "stretch",
                "image.interpolation": "bilinear",
                "augment.scale": [1.0, 1.0],
                "augment.ratio": 1.0,
                "optim.name": "sgd",
                "optim.lr": 1e-3,
            }
        )
        self.folder = folder
        run = RunFolder(folder / "unused")
        self.job = prepare_job(settings, run, list_data(settings, run))
        self.trainer = Trainer(self.job)

    def train(self) -> int:
        at = self.trainer.at
        self.trainer._train_epoch(StopRequest())
        at.epoch, at.step, at.num_seen = at.epoch + 1, 0, 0
        return len(self.job.train)

    def evaluate(self) -> int:
        job = self.job
        predictor = Predictor(job.model, job.machine, job.settings)
        score_split(predictor, job.train, job.task.new_score(job.classes))
        return len(job.train)

    def predict(self) -> int:
        job = self.job
        job.model.eval()
        items = list_images(self.folder)
        with torch.inference_mode():
            for batch in stream_images(items, job.model.preprocessing, 64, os.cpu_count() or 1):
                images = torch.from_numpy(batch.pixels).permute(0, 3, 1, 2)
                with job.machine.autocast():
                    job.model(prepare(images, job.model.preprocessing)).argmax(1)
        return len(items)

    def pipeline_share(self) -> float:
        """Share of a training step spent before the network: reading, augmenting, normalising."""
        dataset = self.job.train
        batch = dataset.__getitems__(list(range(BATCH)))
        started = time.perf_counter()
        for _ in range(20):
            self.trainer._make_input(dataset.__getitems__(list(range(BATCH))))
        pipeline = (time.perf_counter() - started) / 20
        started = time.perf_counter()
        for _ in range(4):
            self.trainer._forward_backward(batch)
            self.trainer._step()
        return pipeline / ((time.perf_counter() - started) / 4)


def peak_memory(folder: Path) -> float:
    """MiB that `finesight train` for one epoch takes at most."""
    code = (
        "import sys; from pathlib import Path; from finesight import train;"
        "train(data=sys.argv[1], out=sys.argv[2], settings={'epochs': 1, 'model.name': 'timm/test_resnet',"
        " 'model.weights': 'none', 'image.size': [64, 64]});"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", code, str(folder), f"{out}/run"]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]) / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--batches", type=int, default=6)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["FINESIGHT_CACHE"] = f"{place}/cache"
        folder = write_images(Path(place) / "images", BATCH * chosen.batches)
        result: dict[str, object] = {
            "date": date.today().isoformat(),
            "machine": Machine.resolve(load_settings().machine).describe() | {"torch": torch.__version__},
            "rounds": chosen.rounds,
            "images": BATCH * chosen.batches,
        }
        plain, ours = Plain(folder), Ours(folder)
        for verb in ("train", "evaluate", "predict"):
            result[verb] = compare(getattr(plain, verb), getattr(ours, verb), chosen.rounds)
            print(verb, result[verb], flush=True)
        result["pipeline_share_of_step"] = round(ours.pipeline_share(), 4)
        few, many = (write_images(Path(place) / f"p{count}", count) for count in (1000, 4000))
        result["peak_mib_1000_4000_images"] = [round(peak_memory(folder)) for folder in (few, many)]
        ask_help = [sys.executable, "-m", "finesight", "--help"]
        help_times = [1 / rate(lambda: len([subprocess.run(ask_help, capture_output=True)])) for _ in range(5)]
        result["help_seconds"] = round(statistics.median(help_times), 3)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
