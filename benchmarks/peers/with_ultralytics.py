"""Ultralytics' trainer on its own ResNet50 (yolov8-cls-resnet50.yaml). AGPL: it is run, nothing of it is copied.

Defaults: its augmentation (RandAugment, erasing), automatic optimiser, no mixed precision on a processor. Best:
cache="ram", AdamW, no augmentation beyond crop and flip. Its bf16 needs CUDA.
"""

import os
from pathlib import Path

from work import Asked, Clock, class_of, read_arguments


def main() -> None:
    asked = read_arguments()
    os.environ |= {"YOLO_CONFIG_DIR": str(asked.out), "YOLO_OFFLINE": "true"}  # its settings file, and no question home
    from ultralytics import YOLO, settings

    settings.update({"sync": False, "tensorboard": False})  # it reports its use otherwise
    clock = Clock(asked.work)
    model = YOLO("yolov8-cls-resnet50.yaml")
    model.add_callback("on_train_batch_end", lambda trainer: clock.tick())
    best = {"cache": "ram", "amp": False, "optimizer": "AdamW", "auto_augment": None}
    best |= {"erasing": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0, "plots": False}
    model.train(
        data=str(write_folders(asked)),
        epochs=1000,
        batch=asked.work.batch,
        imgsz=asked.work.size,
        device="cpu",
        workers=asked.workers,
        project=str(asked.out / "runs"),
        pretrained=False,
        val=False,
        verbose=False,
        **(best if asked.best else {}),
    )


def write_folders(asked: Asked) -> Path:
    """The images as a folder a class, train and val alike, which is the layout that it reads."""
    root = asked.out / "folders"
    for path in sorted(asked.images.iterdir()):
        for split in ("train", "val"):
            link = root / split / class_of(path) / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return root


if __name__ == "__main__":
    main()
