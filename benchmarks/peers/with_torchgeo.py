"""TorchGeo's SemanticSegmentationTask in Lightning's Trainer: its default network, a Unet, on EfficientNet-Lite0.

finesight's network is another one, FPN-like and lighter: what is compared is what a user of each would take.
"""

import torch
from torch.utils.data import DataLoader
from torchgeo.trainers import SemanticSegmentationTask
from with_lightning import make_trainer
from with_pytorch import open_data
from work import named_batch, read_arguments


def main() -> None:
    asked = read_arguments()
    backbone = "tu-tf_efficientnet_lite0"
    task = SemanticSegmentationTask(model="unet", backbone=backbone, weights=None, num_classes=asked.num_classes)
    if asked.best:
        task = task.to(memory_format=torch.channels_last)
    loader = DataLoader(
        open_data(asked),
        asked.work.batch,
        shuffle=True,
        num_workers=asked.workers,
        persistent_workers=asked.best,
        collate_fn=named_batch("image", "mask"),
    )
    make_trainer(asked).fit(task, loader)


if __name__ == "__main__":
    main()
