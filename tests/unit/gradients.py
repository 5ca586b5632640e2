"""Gradients of single layers, to compare two ways of computing them."""

import torch
from torch import nn


def gradients(layer: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Answer, and gradients of images and parameters, of a sum that weighs every pixel differently."""
    layer.zero_grad()
    images = images.clone(memory_format=torch.channels_last).requires_grad_()
    answer = layer(images)
    (answer * torch.linspace(-1, 1, answer.numel()).view_as(answer)).sum().backward()
    found = [answer, images.grad, *(parameter.grad for parameter in layer.parameters() if parameter.requires_grad)]
    assert all(each is not None for each in found)
    return [each.detach() for each in found if each is not None]
