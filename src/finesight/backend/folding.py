"""Batch normalisation as part of the convolution before it, for networks that are no longer trained."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

LARGEST_ERROR = 1e-4  # of float32 features after folding, relative to their length


def fold_norms(network: nn.Module, compute: Callable[[], Tensor]) -> int:
    """Folds in place what can be folded, and returns how many; 0 where that would change what the network computes.

    Each weight is multiplied by its channel's scale (Jacob et al., 2018, section 3.2). compute: runs the network,
    in evaluation mode, on an example.
    """
    before = compute()
    pairs = _find_pairs(network, compute)
    kept = [(conv, conv.weight, conv.bias, name, norm) for name, (conv, norm) in pairs.items()]
    for name, (conv, norm) in pairs.items():
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        network.set_submodule(name, getattr(norm, "act", nn.Identity()))  # timm's hold the activation, too
    error = (compute() - before).norm() / before.norm().clamp(min=1e-12)
    if error < LARGEST_ERROR:
        return len(pairs)
    for conv, weight, bias, name, norm in kept:
        conv.weight, conv.bias = weight, bias
        network.set_submodule(name, norm)
    return 0


def _find_pairs(network: nn.Module, compute: Callable[[], Tensor]) -> dict[str, tuple[Any, Any]]:
    """(convolution, normalisation) by the latter's name, where one's output is the other's input."""
    makers: dict[int, tuple[nn.Module, Tensor]] = {}  # by identity of the output, which must stay alive
    pairs: dict[str, tuple[Any, Any]] = {}
    calls: dict[nn.Module, int] = {}

    def remember(module: nn.Module, _inputs: object, output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        makers[id(output)] = module, output

    def pair(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[module] = calls.get(module, 0) + 1
            if id(inputs[0]) in makers:
                pairs[name] = makers[id(inputs[0])][0], module

        return look

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(remember))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.affine:
            handles.append(module.register_forward_pre_hook(pair(name)))
    try:
        compute()
    finally:
        for handle in handles:
            handle.remove()
    return {name: both for name, both in pairs.items() if all(calls[module] == 1 for module in both)}
