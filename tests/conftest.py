"""Strict and small: one torch thread, an own cache for every session, tiny data in the true formats."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

pytest_plugins = ["reliability"]
settings.register_profile("same-chances", derandomize=True, database=None)
settings.load_profile("same-chances")

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}


@pytest.fixture(scope="session", autouse=True)
def small_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    torch.set_num_threads(1)
    os.environ["FINESIGHT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def same_chances() -> None:
    """The same random numbers whichever tests ran before in this process: which those are differs from run to run."""
    torch.manual_seed(0)


def write_pictures(folder: Path, per_class: int = 12, first: int = 0, size: int = 24) -> Path:
    """`{class}_{id}.png`: a square of the class's colour on noise, so that a network has something to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    for class_number, (name, colour) in enumerate(COLOURS.items()):
        for number in range(first, first + per_class):
            random = np.random.default_rng((class_number, number))
            picture = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
            top, left = random.integers(0, size // 2, 2)
            picture[top : top + size // 2, left : left + size // 2] = colour
            Image.fromarray(picture).save(folder / f"{name}_{number}.png")
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 pictures of three classes in one folder."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


TINY = {
    "image.size": [32, 32],
    "epochs": 2,
    "batch_size": 8,
    "model.name": "timm/test_resnet",
    "model.weights": "none",
    "machine.threads": 1,
    "optim.lr": 0.01,
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A run folder as `finesight train` leaves it. Read it, never write to it."""
    from finesight import train

    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(data=pictures, out=out, settings=TINY)
    return out
