"""A tiny data set and settings that train on it in a second, for every test."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}

TINY = {
    "image.size": [32, 32],
    "epochs": 2,
    "batch_size": 8,
    "model.name": "timm/test_resnet",
    "model.weights": "none",
    "machine.threads": 1,
    "optim.lr": 0.01,
}


def write_images(folder: Path, per_class: int = 12, first: int = 0, size: int = 24) -> Path:
    """`{class}_{id}.png`: a square of the class's colour on noise, so that a network has something to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    for class_number, (name, colour) in enumerate(COLOURS.items()):
        for number in range(first, first + per_class):
            random = np.random.default_rng((class_number, number))
            image = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
            top, left = random.integers(0, size // 2, 2)
            image[top : top + size // 2, left : left + size // 2] = colour
            Image.fromarray(image).save(folder / f"{name}_{number}.png")
    return folder
