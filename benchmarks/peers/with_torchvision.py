"""torchvision's reference loop for classification, as its documentation describes it: references/ is not in the wheel.

Defaults: random resized crop and flip of Pillow images, SGD 0.1 with momentum and weight decay, and the accuracy of
every batch. Its --amp is CUDA's alone; best adds by hand what CPUs need, bf16 autocast and channels_last, to its
tensor backend of transforms v2, and fused AdamW.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from work import EPOCH_REPEATS, MEAN, STD, Clock, Images, build_network, read_arguments


def main() -> None:
    asked = read_arguments()
    clock, network = Clock(asked.work), build_network(asked)
    crop = [v2.RandomResizedCrop(asked.work.size, antialias=True), v2.RandomHorizontalFlip()]
    change = v2.Compose(
        [
            *([v2.PILToTensor(), *crop] if asked.best else [*crop, v2.PILToTensor()]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.ToPureTensor(),
        ]
    )
    data = Images(asked.images, change, EPOCH_REPEATS)
    loader = DataLoader(data, asked.work.batch, shuffle=True, num_workers=asked.workers)
    if asked.best:
        network = network.to(memory_format=torch.channels_last)
        optimiser: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    else:
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    network.train()
    for images, targets in loader:
        with torch.autocast("cpu", torch.bfloat16, enabled=asked.bf16):
            logits = network(images)
            loss = criterion(logits, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        top = logits.detach().topk(min(5, logits.shape[1])).indices == targets[:, None]
        loss.item(), top.any(1).float().mean().item()  # its meters
        clock.tick()


if __name__ == "__main__":
    main()
