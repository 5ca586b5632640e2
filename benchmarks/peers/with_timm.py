"""timm's loader, optimiser and loss in the loop its train.py has, which is not in the wheel.

Defaults: train.py's (random crop, flip, colour jitter, label smoothing, SGD). Best: --channels-last --amp --amp-dtype
bfloat16 --color-jitter 0, AdamW fused.
"""

import timm
import torch
from timm.data import create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from work import EPOCH_REPEATS, MEAN, STD, Clock, Images, read_arguments

NAMES = {"resnet50": "resnet50", "efficientnet_lite0": "tf_efficientnet_lite0"}


def main() -> None:
    asked = read_arguments()
    clock = Clock(asked.work)
    network = timm.create_model(NAMES[asked.work.network], num_classes=asked.num_classes)
    loader = create_loader(
        Images(asked.images, repeats=EPOCH_REPEATS),
        input_size=(3, asked.work.size, asked.work.size),
        batch_size=asked.work.batch,
        is_training=True,
        color_jitter=0.0 if asked.best else 0.4,
        interpolation="bilinear" if asked.best else "random",
        mean=MEAN,
        std=STD,
        num_workers=asked.workers,
        device=torch.device("cpu"),
    )
    if asked.best:
        network = network.to(memory_format=torch.channels_last)
        optimiser = create_optimizer_v2(network, opt="adamw", lr=1e-4, weight_decay=0.05, fused=True)
    else:
        optimiser = create_optimizer_v2(network, opt="sgd", lr=0.05, momentum=0.9, weight_decay=2e-5)
    criterion = LabelSmoothingCrossEntropy(0.1)
    network.train()
    for images, targets in loader:
        if asked.best:
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=asked.bf16):
            loss = criterion(network(images), targets)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        clock.tick()


if __name__ == "__main__":
    main()
