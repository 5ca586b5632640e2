"""Every workaround for oneDNN is described, linked, gated by torch's version, and can be switched off."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.backends import cpu

from finesight.backend import workarounds
from finesight.backend.device import Machine
from finesight.backend.workarounds import TRAINING_ONLY, WORKAROUNDS, apply_workarounds, list_needed
from finesight.config import MachineSettings, load_settings

ROOT = Path(__file__).parents[2]
LAYERS = {  # one that has the fault, with the shape of its input
    "depthwise_gradient": (nn.Conv2d(8, 8, 5, padding=2, groups=8), (2, 8, 12, 12)),
    "slow_depthwise": (nn.Conv2d(8, 16, 5, padding=2, groups=8), (2, 8, 12, 12)),
    "transposed": (nn.ConvTranspose2d(4, 4, 4, stride=2), (2, 4, 6, 6)),
    "narrow_head": (nn.Conv2d(1100, 7, 1), (2, 1100, 4, 4)),
    "patches": (nn.Conv2d(4, 16, 4, stride=4), (2, 4, 16, 16)),
    "small_map": (nn.Conv2d(8, 8, 3, stride=2, padding=1), (2, 8, 2, 2)),
    "dense_gradient": (nn.Conv2d(3, 4, 3, padding=1), (1, 3, 64, 64)),
    "pointwise": (nn.Conv2d(4, 8, 1, stride=2), (2, 4, 6, 6)),
    "fused_norm": (nn.BatchNorm2d(8), (2, 8, 12, 12)),
}


def test_every_workaround_has_a_layer_here() -> None:
    assert list(LAYERS) == list(WORKAROUNDS)


@pytest.mark.parametrize("name", WORKAROUNDS)
def test_it_says_what_is_wrong_and_where_that_is_described(name: str) -> None:
    workaround = WORKAROUNDS[name]
    assert workaround.fault.endswith(".")
    page, _, anchor = workaround.link.partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.M)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert f"`{name}`" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WORKAROUNDS)
def test_its_torch_versions_are_in_order(name: str) -> None:
    oldest, newest = WORKAROUNDS[name].seen
    assert oldest == newest or torch.torch_version.TorchVersion(oldest) < newest
    assert not WORKAROUNDS[name].mended or torch.torch_version.TorchVersion(newest) < WORKAROUNDS[name].mended


@pytest.mark.parametrize(
    ("torch_version", "mended", "needed"),
    [("2.14.1+cpu", "", True), ("2.14.1+cpu", "2.15", True), ("2.15.0", "2.15", False), ("2.16.0.dev1", "2.15", False)],
)
def test_a_mended_fault_needs_none(
    torch_version: str, mended: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion(torch_version))
    workaround = replace(WORKAROUNDS["small_map"], mended=mended)
    assert workaround.is_needed("bf16") is needed
    assert not workaround.is_needed("fp32")
    monkeypatch.setitem(workarounds.WORKAROUNDS, "small_map", workaround)
    assert ("small_map" in list_needed("bf16")) is needed


def test_a_fault_of_another_processor_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr(cpu, "get_cpu_capability", lambda capability=capability: capability)
        assert ("dense_gradient" in list_needed("fp32")) is (capability == "AVX2")


@pytest.mark.parametrize("name", WORKAROUNDS)
def test_it_changes_how_its_layer_computes_and_not_what(name: str) -> None:
    plain, shape = LAYERS[name]
    other = copy.deepcopy(plain)
    apply_workarounds(other, WORKAROUNDS)
    assert isinstance(other.forward, WORKAROUNDS[name].forward)  # type: ignore[arg-type]
    images = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(other(images), plain(images))


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_off_is_torchs_own_kernels(precision: str) -> None:
    network = nn.ModuleDict({name: copy.deepcopy(layer) for name, (layer, _) in LAYERS.items()})
    off = Machine.resolve(MachineSettings(device="cpu", precision=precision, workarounds=False))  # type: ignore[arg-type]
    off.place(network)
    assert off.workarounds == ()
    assert off.describe()["workarounds"] == []
    for name, (_, shape) in LAYERS.items():
        layer = network[name]
        assert layer.forward.__func__ is type(layer).forward  # type: ignore[union-attr]
        with off.autocast():
            layer(torch.randn(*shape))


def test_the_switch_is_a_setting_and_what_is_used_is_recorded() -> None:
    assert load_settings().machine.workarounds
    assert not load_settings(overrides={"machine.workarounds": False}).machine.workarounds
    machine = Machine.resolve(MachineSettings(device="cpu", precision="bf16"))
    assert machine.describe()["workarounds"] == list(list_needed("bf16"))
    in_bf16 = {name for name, each in WORKAROUNDS.items() if "bf16" in each.precisions}
    assert set(list_needed("bf16")) == in_bf16 - set(TRAINING_ONLY)
