"""The fused normalisation against torch's operations in float64. No compiler: nothing to test but that all works."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from timm import create_model
from timm.layers.norm_act import BatchNormAct2d
from timm.models import resnet as timm_resnet
from torch import Tensor, nn
from torchvision.models import mobilenet_v2, resnet

from finesight.backend import compilation, fused_norm
from finesight.backend.device import Machine
from finesight.backend.fused_norm import NO_LIMITS, FusedForward, Limits, fits, normalise
from finesight.backend.workarounds import apply_workarounds
from finesight.config import MachineSettings

compiled = pytest.mark.usefixtures("compiler")
SHAPES = [(2, 1, 3, 3), (3, 16, 5, 7), (2, 24, 4, 6), (1, 67, 9, 1), (2, 33, 40, 32)]
LIMITS: list[Limits] = [NO_LIMITS, (0, math.inf), (0, 6)]
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 1e-2}  # of the largest value


@pytest.fixture
def compiler() -> None:
    if not fused_norm.can_compile():
        pytest.skip("no C++ compiler for the fused normalisation")


def make_maps(*shape: int, dtype: torch.dtype, offset: float = 0.0) -> Tensor:
    return (2 * torch.randn(shape) + offset).to(dtype).contiguous(memory_format=torch.channels_last)


def make_norm(channels: int, training: bool) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, momentum=0.3).train(training)
    for values in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(values)
    nn.init.uniform_(norm.running_var, 0.5, 3.0)
    return norm


def refer(norm: nn.BatchNorm2d, images: Tensor, limits: Limits, residual: Tensor | None) -> Tensor:
    values = norm(images)
    return F.hardtanh(values if residual is None else values + residual, *limits)


def differentiate(values: Tensor, inputs: list[Tensor], gradient: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(values, inputs, gradient.to(values.dtype)))


def is_close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    most = float(expected.detach().abs().max().clamp(min=1e-3))
    return float((found.double() - expected).detach().abs().max()) <= TOLERANCE[dtype] * most


@compiled
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_values_gradients_and_statistics_are_those_of_float64(
    shape: tuple[int, ...], limits: Limits, training: bool, with_residual: bool, dtype: torch.dtype
) -> None:
    norm = make_norm(shape[1], training)
    exact = copy.deepcopy(norm).double()
    images = make_maps(*shape, dtype=dtype).requires_grad_()
    residual = make_maps(*shape, dtype=dtype).requires_grad_() if with_residual else None
    inputs = [each for each in (images, residual) if each is not None]
    doubles = [each.detach().double().requires_grad_() for each in inputs]
    expected = refer(exact, doubles[0], limits, doubles[1] if with_residual else None)
    values = normalise(norm, images, limits, residual)
    assert "Fused" in values.grad_fn.name()
    assert values.dtype is dtype
    assert is_close(values, expected, dtype)
    away = (expected - limits[0]).abs().minimum((expected - limits[1]).abs())  # from where the gradient jumps
    gradient = make_maps(*shape, dtype=dtype) * ((away > 0.1) | (away == 0))
    found = differentiate(values, [*inputs, norm.weight, norm.bias], gradient)
    wanted = differentiate(expected, [*doubles, exact.weight, exact.bias], gradient)
    for mine, theirs in zip(found, wanted, strict=True):
        assert is_close(mine, theirs, dtype)
    for mine, theirs in zip(norm.buffers(), exact.buffers(), strict=True):
        assert torch.allclose(mine.double(), theirs.double(), rtol=1e-5, atol=1e-5)


@compiled
def test_a_variance_that_is_small_beside_the_mean_keeps_its_digits() -> None:
    norm, images = nn.BatchNorm2d(16), make_maps(4, 16, 32, 32, dtype=torch.float32, offset=1000.0)
    exact = copy.deepcopy(norm).double()
    with torch.no_grad():
        expected = exact(images.double())
    assert is_close(normalise(norm, images, NO_LIMITS), expected, torch.bfloat16)
    assert torch.allclose(norm.running_var.double(), exact.running_var, rtol=1e-4)


@compiled
def test_gradients_that_nobody_wants_are_not_computed() -> None:
    norm = make_norm(16, training=False).requires_grad_(False)
    images = make_maps(2, 16, 4, 4, dtype=torch.bfloat16)
    assert normalise(norm, images, (0, math.inf)).grad_fn is None
    images.requires_grad_()
    values = normalise(norm, images, (0, math.inf), images)
    values.sum().backward()
    assert images.grad is not None
    assert norm.weight.grad is None


@compiled
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows(bad: float) -> None:
    images = make_maps(2, 16, 4, 4, dtype=torch.bfloat16)
    images[0, 3, 1, 1] = bad
    values = normalise(make_norm(16, training=True), images, (0, 6))
    assert values[:, 3].isnan().all()
    assert values[:, :3].isfinite().all()


@compiled
def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    images = make_maps(3, 40, 33, 31, dtype=torch.bfloat16).requires_grad_()
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        norm = nn.BatchNorm2d(40)
        values = normalise(norm, images, (0, 6), images)
        found.append([values, *differentiate(values, [images, norm.weight], values.detach()), norm.running_var])
    torch.set_num_threads(1)
    for other in found[1:]:
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(found[0], other, strict=True))


@compiled
@pytest.mark.parametrize(
    "images",
    [
        torch.randn(2, 16, 4, 4),
        torch.randn(2, 16, 4, 4).to(torch.float16),
        make_maps(2, 16, 4, 4, dtype=torch.bfloat16)[:, :, ::2],
    ],
)
def test_other_layouts_and_types_are_left_to_torch(images: Tensor) -> None:
    norm = nn.BatchNorm2d(16)
    values = normalise(norm, images, (0, 6))
    assert "Fused" not in values.grad_fn.name()
    assert torch.equal(values, F.relu6(copy.deepcopy(norm)(images)))


@compiled
def test_one_value_a_channel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        normalise(nn.BatchNorm2d(16), make_maps(1, 16, 1, 1, dtype=torch.float32), NO_LIMITS)


@compiled
@pytest.mark.parametrize(
    ("make", "num_fused"),
    [
        (lambda: resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=3), 4 + 12),
        (lambda: resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], num_classes=3), 4 + 17),
        (lambda: timm_resnet.ResNet(timm_resnet.Bottleneck, [1, 1, 1, 1], num_classes=3), 4 + 17),
        (lambda: mobilenet_v2(width_mult=0.25, num_classes=3), 35 + 52),
        (lambda: create_model("tf_efficientnet_lite0", num_classes=3), 49),
    ],
)
def test_a_network_trains_and_predicts_as_before(make: Callable[[], nn.Module], num_fused: int) -> None:
    network = make()
    network = network.to(memory_format=torch.channels_last)
    fused = copy.deepcopy(network)
    apply_workarounds(fused, ["fused_norm"])
    again = copy.deepcopy(fused)
    assert sum(isinstance(module.forward, FusedForward) for module in fused.modules()) == num_fused
    assert list(fused.state_dict()) == list(network.state_dict())
    assert [type(module) for module in fused.modules()] == [type(module) for module in network.modules()]
    images = make_maps(4, 3, 48, 48, dtype=torch.float32)
    results = []
    for each in (network, fused, again):
        each.train()
        torch.manual_seed(0)
        logits = each(images)
        logits.square().sum().backward()
        gradient = torch.cat([parameter.grad.flatten() for parameter in each.parameters()])  # type: ignore[union-attr]
        results.append([logits.detach(), gradient, *each.buffers()])
    for plain, mine, copied in zip(*results, strict=True):
        assert torch.equal(mine, copied)
        assert float((plain - mine).float().norm()) <= 0.02 * float(plain.float().norm()) + 1e-4
    fused.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(fused.eval()(images), network.eval()(images))


def test_what_a_block_does_besides_is_left_to_it() -> None:
    block = timm_resnet.BasicBlock(8, 8)
    assert fits(block)
    assert not fits(timm_resnet.BasicBlock(8, 8, act_layer=nn.SiLU))
    assert not fits(timm_resnet.BasicBlock(8, 8, drop_path=nn.Dropout(0.1)))
    assert not fits(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.SiLU()))
    assert not fits(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU()))
    assert not fits(BatchNormAct2d(8, act_layer=nn.SiLU))
    assert not fits(BatchNormAct2d(8, drop_layer=nn.Dropout))
    assert not fits(nn.SyncBatchNorm(8))


def test_without_a_compiler_it_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    compilation.load_library.cache_clear()
    try:
        assert "fused_norm" not in Machine.resolve(MachineSettings(device="cpu"), to_train=True).workarounds
        assert not fused_norm.can_compile()
        assert capsys.readouterr().err.count("no C++ compiler. Install g++") == 1
        monkeypatch.setenv("CXX", "false")
        compilation.load_library.cache_clear()
        assert not fused_norm.can_compile()
        assert "cannot be compiled here" in capsys.readouterr().err
        assert list(tmp_path.rglob("*.so")) == []
    finally:
        compilation.load_library.cache_clear()


@compiled
def test_it_is_compiled_beside_the_imports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in for the compiler: it takes a while, and makes files that are no libraries."""
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nsleep 0.5\nwhile [ "$1" != -o ]; do shift; done\necho made > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    compilation.load_library.cache_clear()
    try:
        for settings in ({"device": "cuda"}, {"workarounds": False}, {"compile": True}):
            compilation.start_compiling(MachineSettings(**settings))  # type: ignore[arg-type]
        assert not (tmp_path / "cache").exists()
        compilation.start_compiling(MachineSettings(device="cpu"))
        compilation.start_compiling(MachineSettings(device="cpu"))
        assert not list(tmp_path.rglob("*.so"))  # it does not wait
        assert not fused_norm.can_compile()
        (library,) = (tmp_path / "cache/compiled").iterdir()  # and nothing beside it
        assert library.read_text() == "made\n"
        said = capsys.readouterr().err
        assert said.count("Compiling fused_norm.cpp") == 1
        assert "cannot be compiled here, so training takes longer" in said
    finally:
        compilation.load_library.cache_clear()


@compiled
def test_only_training_uses_it() -> None:
    settings = MachineSettings(device="cpu", precision="bf16")
    machine = Machine.resolve(settings, to_train=True)
    assert "fused_norm" in machine.describe()["workarounds"]  # type: ignore[operator]
    assert "fused_norm" not in Machine.resolve(settings).workarounds
    for change in ({"compile": True}, {"sync_norm": True}, {"workarounds": False}):
        assert "fused_norm" not in Machine.resolve(replace(settings, **change), to_train=True).workarounds


def test_a_resumed_run_goes_on_as_it_was_begun(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine(torch.device("cpu"), "bf16", True, ("small_map", "fused_norm"))
    assert machine.as_begun(["fused_norm"]) == machine
    assert machine.as_begun(["small_map"]).workarounds == ("small_map",)
    assert capsys.readouterr().err == ""
    without = replace(machine, workarounds=("small_map",))
    assert without.as_begun(["fused_norm", "small_map"]) == without
    assert "was begun with fused_norm, which cannot be used here" in capsys.readouterr().err
