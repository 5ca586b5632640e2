"""The device: what it does to the process."""

import math
import platform
import resource

import pytest
import torch
from torch import nn

from finesight.app.guest import unchanged_process
from finesight.backend.device import Machine, _set_up_cudnn, allocate_gradients, compile_network
from finesight.config import MachineSettings


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_is_used_again_without_page_faults():
    Machine.resolve(MachineSettings(device="cpu"))
    size = 64 * 2**20
    torch.ones(size, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(size, dtype=torch.uint8)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 8 * size // resource.getpagesize()  # a few fault anew, where a hole is too small by its alignment


@pytest.mark.parametrize("channels", [256, 2048, 4096])
def test_gradient_of_a_layer_that_scores_few_classes(channels: int) -> None:
    """On AMX torch wrote past the end of the widest one's in bf16, and the process died by the second step."""
    machine = Machine.resolve(MachineSettings(device="cpu", precision="bf16"))
    images = torch.randn(2, channels, 10, 10, generator=torch.Generator().manual_seed(0))
    layer = nn.Conv2d(channels, 7, 1)
    layer(images).square().mean().backward()
    right = layer.weight.grad
    assert right is not None
    machine.place(layer)
    for _ in range(4):
        layer.zero_grad()
        with machine.autocast():
            scores = layer(images.contiguous(memory_format=torch.channels_last))
        scores.float().square().mean().backward()
    torch.testing.assert_close(layer.weight.grad, right, rtol=0.1, atol=0.02 * right.abs().max().item())


@pytest.mark.parametrize("width", [1, 2, 3])
def test_strided_layers_on_narrow_maps(width: int) -> None:
    """In bf16 their answer or gradient was what lay in memory, here made no number."""
    machine = Machine.resolve(MachineSettings(device="cpu", precision="bf16"))
    layer = nn.Conv2d(192, 96, 3, stride=2, padding=1, bias=False)
    images = torch.randn(3, 192, 3, width, generator=torch.Generator().manual_seed(0))
    right = layer(images)
    right.square().mean().backward()
    gradient = layer.weight.grad
    assert gradient is not None
    machine.place(layer)
    layer.zero_grad()
    dirty = [torch.full((size,), math.nan) for size in (3_000, 30_000, 300_000)]
    del dirty
    with machine.autocast():
        answer = layer(images.contiguous(memory_format=torch.channels_last))
    answer.float().square().mean().backward()
    torch.testing.assert_close(answer.float(), right, rtol=0.05, atol=0.05)
    torch.testing.assert_close(layer.weight.grad, gradient, rtol=0.1, atol=0.05 * gradient.abs().max().item())


def test_maps_of_one_pixel_have_gradients_in_bf16() -> None:
    """Weights that see only padding have gradient zero; oneDNN leaves there what lay in memory before."""
    machine = Machine.resolve(MachineSettings(device="cpu", precision="bf16"))
    for _ in range(4):
        network = machine.place(nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1, bias=False)))
        _rubbish = [torch.full((size,), torch.nan) for size in (16 * 32 * 9, 16 * 32 * 9 // 2, 4096)]
        del _rubbish
        with machine.autocast():
            output = network(torch.randn(8, 16, 1, 1))
        output.float().square().sum().backward()
        (weight,) = network.parameters()
        assert weight.grad is not None
        border = weight.grad.clone()
        border[:, :, 1, 1] = 0
        assert not border.any()
        assert weight.grad[:, :, 1, 1].any()


@pytest.mark.parametrize("tries_all", [False, True])
def test_float32_is_never_tf32_on_cuda(tries_all: bool) -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.allow_tf32
    with unchanged_process():
        _set_up_cudnn(tries_all)
        assert (cudnn.benchmark, cudnn.allow_tf32) == (tries_all, False)
        assert torch.get_float32_matmul_precision() == "highest"
    assert (cudnn.benchmark, cudnn.allow_tf32) == before


@pytest.mark.parametrize(("device", "expected"), [("cpu", {}), ("cuda", {"mode": "reduce-overhead", "dynamic": False})])
def test_graphs_are_for_cuda(monkeypatch: pytest.MonkeyPatch, device: str, expected: dict[str, object]) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda network, **options: asked.append(options))
    compile_network(nn.Linear(1, 1), torch.device(device))
    assert asked == [expected]


def test_gradients_are_summed_into_memory_that_stays() -> None:
    """torch sets a missing gradient to the tensor that a pass made, which a CUDA graph uses again."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    allocate_gradients(network)
    assert network[0].weight.grad is None
    kept = network[1].weight.grad
    for _ in range(2):
        network(torch.ones(1, 2)).sum().backward()
    assert kept is not None
    assert network[1].weight.grad is kept
    twice = kept.clone()
    network.zero_grad()
    network(torch.ones(1, 2)).sum().backward()
    assert torch.equal(twice, 2 * network[1].weight.grad)
