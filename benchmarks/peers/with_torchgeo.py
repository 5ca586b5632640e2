"""TorchGeo's SemanticSegmentationTask in Lightning's Trainer: its default network, a Unet, on EfficientNet-Lite0.

finesight's network is another one, FPN-like and lighter: what is compared is what a user of each would take.
"""

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torchgeo.trainers import SemanticSegmentationTask
from with_lightning import make_trainer
from with_pytorch import open_data
from work import read_arguments


def name_batch(samples: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    image, mask = default_collate(samples)
    return {"image": image, "mask": mask}


def main() -> None:
    asked = read_arguments()
    task = SemanticSegmentationTask(
        model="unet", backbone="tu-tf_efficientnet_lite0", weights=None, num_classes=asked.num_classes
    )
    if asked.best:
        task = task.to(memory_format=torch.channels_last)
    loader = DataLoader(
        open_data(asked),
        asked.work.batch,
        shuffle=True,
        num_workers=asked.workers,
        persistent_workers=asked.best,
        collate_fn=name_batch,
    )
    make_trainer(asked).fit(task, loader)


if __name__ == "__main__":
    main()
