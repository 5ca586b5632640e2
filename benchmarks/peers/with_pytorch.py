"""The plain PyTorch loop. Defaults: what a tutorial writes, float32, NCHW, SGD. Best: bf16 autocast where
the processor computes in it, channels_last, fused AdamW, workers that stay."""

from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from work import (
    EPOCH_REPEATS,
    MEAN,
    STD,
    Asked,
    Clock,
    Images,
    Pairs,
    build_network,
    read_arguments,
    write_labels,
    write_mask,
)


def main() -> None:
    asked = read_arguments()
    run(asked, build_network(asked))


def run(asked: Asked, network: nn.Module) -> None:
    """The work, in a plain loop around any network."""
    if asked.best:
        network = network.to(memory_format=torch.channels_last)
    answer(asked, network) if asked.work.predicts else train(asked, network)


def open_data(asked: Asked) -> Images | Pairs:
    repeats = 1 if asked.work.predicts else EPOCH_REPEATS
    if asked.work.masks:
        return Pairs(asked.images, asked.work.size, repeats)
    flip = [] if asked.work.predicts else [transforms.RandomHorizontalFlip()]
    change = [transforms.Resize((asked.work.size,) * 2), *flip, transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    return Images(asked.images, transforms.Compose(change), repeats)


def train(asked: Asked, network: nn.Module) -> None:
    clock = Clock(asked.work)
    loader = DataLoader(
        open_data(asked), asked.work.batch, shuffle=True, num_workers=asked.workers, persistent_workers=asked.best
    )
    if asked.best:
        optimiser: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    else:
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    network.train()
    while True:
        for images, targets in loader:
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=asked.bf16):
                logits = network(images.to(memory_format=torch.channels_last) if asked.best else images)
            nn.functional.cross_entropy(logits.float(), targets).backward()
            optimiser.step()
            clock.tick()


@torch.inference_mode()
def answer(asked: Asked, network: nn.Module) -> None:
    clock, data = Clock(asked.work), open_data(asked)
    network.eval()
    labels: list[int] = []
    done = 0
    for images, _ in DataLoader(data, asked.work.batch, num_workers=asked.workers):
        with torch.autocast("cpu", torch.bfloat16, enabled=asked.bf16):
            answers = network(images.to(memory_format=torch.channels_last) if asked.best else images).argmax(1)
        if asked.work.masks:
            for path, mask in zip(data.paths[done : done + len(answers)], answers.numpy(), strict=True):
                write_mask(asked.out, Path(path), mask)
        labels += [] if asked.work.masks else answers.tolist()
        done += len(answers)
    if labels:
        write_labels(asked.out, data.paths, labels)
    clock.finish(done)


if __name__ == "__main__":
    main()
