"""VGG16-FCN8s at 512 px: training and files-to-masks prediction against a plain PyTorch loop; the cost of scoring.

    python benchmarks/segmentation.py [--rounds 3] [--images 8]

The plain loop is float32, NCHW, Pillow and torchvision on a DataLoader with one worker a core; both sides have the same
network, batch (4), size and optimiser (Adam 5e-4) and take turns in one process, after a warm-up. Also measured: a
validation pass as a multiple of the bare forward passes in it, and 257 masks of 512x512 scored from files, against the
loop over classes in NumPy that courses hand out.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2
from turns import compare, rate

from finesight import predict, train
from finesight.app.preparation import prepare_job
from finesight.app.score_masks import score_masks
from finesight.app.training_data import list_data
from finesight.backend.device import Machine
from finesight.backend.interrupt import StopRequest
from finesight.config import load_settings
from finesight.data.class_files import load_classes
from finesight.data.loader import load_batches, order_batches
from finesight.data.transforms import prepare
from finesight.inference.predictor import Predictor, evaluation_batch, score_split
from finesight.models import build_model
from finesight.run.folder import RunFolder
from finesight.training.trainer import Trainer

BATCH, SIZE = 4, 512
CLASSES = load_classes("deepglobe")
COLOURS = np.array(CLASSES.colours, np.uint8)
NORMALISE = v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def write_pairs(folder: Path, count: int, seed: int = 0) -> Path:
    """Stand-ins for satellite images and their masks: smooth noise over patches of a few classes."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        noise = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        noise.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / f"{number:04}_sat.jpg", quality=90)
        write_mask(folder / f"{number:04}_mask.png", random)
    return folder


def write_masks(folder: Path, count: int, seed: int) -> Path:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        write_mask(folder / f"{number:04}_mask.png", random)
    return folder


def write_mask(path: Path, random: np.random.Generator) -> None:
    """Borders of smooth noise at a few levels: wiggly patches, as of land cover."""
    noise = Image.fromarray(random.random((12, 12), dtype=np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    Image.fromarray(COLOURS[np.clip(np.asarray(noise) * 7, 0, 6).astype(np.uint8)]).save(path)


def read_codes(path: Path) -> np.ndarray:
    """Class ids of a colour mask as the course's script reads them."""
    bits = (np.asarray(Image.open(path)) >= 128).astype(int)
    codes = 4 * bits[:, :, 0] + 2 * bits[:, :, 1] + bits[:, :, 2]
    mask = np.full(codes.shape, 6, np.int64)
    for code, class_id in ((3, 0), (6, 1), (5, 2), (2, 3), (1, 4), (7, 5), (0, 6)):
        mask[codes == code] = class_id
    return mask


def score_by_class(truth: Path, predicted: Path) -> int:
    """The plain metric: all masks in memory, then one pass a class."""
    names = sorted(path.name for path in truth.iterdir())
    targets = np.stack([read_codes(truth / name) for name in names])
    answers = np.stack([read_codes(predicted / name) for name in names])
    ious = []
    for class_id in range(6):
        true_positives = np.sum((answers == class_id) & (targets == class_id))
        ious.append(true_positives / (np.sum(answers == class_id) + np.sum(targets == class_id) - true_positives))
    assert 0 <= np.mean(ious) <= 1
    return len(names)


class Pairs(Dataset):
    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*_sat.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        path = self.paths[index]
        image = v2.functional.pil_to_tensor(Image.open(path).convert("RGB")).float() / 255
        return NORMALISE(image), torch.from_numpy(read_codes(path.with_name(path.name.replace("sat.jpg", "mask.png"))))


class Plain:
    """The plain loop."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.network = build_model("vgg16_fcn8s", 7, "none").network.float()
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=5e-4)
        self.data, self.out = Pairs(folder), out
        out.mkdir()

    def train(self) -> int:
        self.network.train()
        for images, targets in DataLoader(self.data, BATCH, shuffle=True, num_workers=os.cpu_count() or 1):
            self.optimiser.zero_grad()
            nn.functional.cross_entropy(self.network(images), targets).backward()
            self.optimiser.step()
        return len(self.data)

    def predict(self) -> int:
        self.network.eval()
        paths = iter(self.data.paths)
        with torch.no_grad():
            for images, _ in DataLoader(self.data, BATCH, num_workers=os.cpu_count() or 1):
                for mask in self.network(images).argmax(1).numpy():
                    Image.fromarray(COLOURS[mask]).save(self.out / f"{next(paths).stem}.png")
        return len(self.data)


class Ours:
    """finesight, as its commands work."""

    def __init__(self, folder: Path, place: Path) -> None:
        changes = {"data.root": str(folder), "data.val_fraction": 0.5, "model.weights": "none", "batch_size": BATCH}
        self.folder, self.place = folder, place
        train("dlcv-fcn8s", data=folder, out=place / "run", settings=changes | {"epochs": 1, "snapshots.images": []})
        settings = load_settings("dlcv-fcn8s", overrides=changes | {"epochs": 1000, "snapshots.images": []})
        run = RunFolder(place / "unused")
        self.job = prepare_job(settings, run, list_data(settings, run))
        self.trainer = Trainer(self.job)

    def train(self) -> int:
        at = self.trainer.at
        self.trainer._train_epoch(StopRequest())
        at.epoch, at.step, at.num_seen = at.epoch + 1, 0, 0
        return len(self.job.train)

    def predict(self) -> int:
        shutil.rmtree(self.place / "masks", ignore_errors=True)  # what is there already would not be made again
        return int(predict(self.place / "run", self.folder, out=self.place / "masks").num_samples)

    def validate(self) -> float:
        job = self.job
        started = time.perf_counter()
        predictor = Predictor(job.model, job.machine, job.settings)
        score_split(predictor, job.val, job.task.new_score(job.classes, to_save=False))
        return time.perf_counter() - started

    @torch.inference_mode()
    def run_forward(self) -> float:
        """Seconds of the bare forward passes of the same batches, already on the device and normalised."""
        job = self.job
        job.model.eval()
        order = order_batches(len(job.val), evaluation_batch(job.settings))
        batches = [prepare(batch.images, job.model.preprocessing) for batch in load_batches(job.val, order, 0, False)]
        started = time.perf_counter()
        for images in batches:
            with job.machine.autocast():
                job.model(images)
        return time.perf_counter() - started


def measure_validation(ours: Ours, rounds: int) -> dict[str, list[float]]:
    ours.validate(), ours.run_forward()
    ratios = sorted(ours.validate() / ours.run_forward() for _ in range(rounds))
    return {"validation_in_forward_passes": [round(ratio, 3) for ratio in (ratios[0], median(ratios), ratios[-1])]}


def measure_scoring(place: Path, rounds: int) -> dict[str, object]:
    truth, predicted = (write_masks(place / f"masks{seed}", 257, seed) for seed in (1, 2))

    def score() -> int:
        return int(score_masks(truth, predicted, classes="deepglobe").num_samples)

    result = compare(lambda: score_by_class(truth, predicted), score, rounds)
    return result | {"seconds_for_257": round(257 / rate(score), 2)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--images", type=int, default=8, help="that each side trains on in a round")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        os.environ["FINESIGHT_CACHE"] = f"{place}/cache"
        result: dict[str, object] = {
            "date": date.today().isoformat(),
            "machine": Machine.resolve(load_settings().machine).describe() | {"torch": torch.__version__},
            "rounds": chosen.rounds,
            "images": chosen.images,
        }
        result["scoring_257_masks"] = measure_scoring(place, chosen.rounds)
        print("scoring", result["scoring_257_masks"], flush=True)
        plain = Plain(write_pairs(place / "plain", chosen.images), place / "plain_masks")
        ours = Ours(write_pairs(place / "ours", 2 * chosen.images), place)  # half of them for validation
        for verb in ("train", "predict"):
            result[verb] = compare(getattr(plain, verb), getattr(ours, verb), chosen.rounds)
            print(verb, result[verb], flush=True)
        result |= measure_validation(ours, chosen.rounds)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
