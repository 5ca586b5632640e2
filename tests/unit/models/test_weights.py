import argparse
import os
import pickle
import subprocess
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import VisionTransformer, mnasnet0_5

from finesight.errors import WeightsError
from finesight.models.checkpoint_files import read_weights
from finesight.models.weights import load_strictly


def make_network(classes: int = 2) -> nn.Module:
    return nn.ModuleDict({"body": nn.Conv2d(3, 4, 1), "norm": nn.BatchNorm2d(4), "head": nn.Linear(4, classes)})


class Attack:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


class Settings:
    """A class of a stranger's training script."""

    def __init__(self) -> None:
        self.lr = 0.1


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def averaged(network: nn.Module) -> dict[str, torch.Tensor]:
    return torch.optim.swa_utils.AveragedModel(network).state_dict()


def optimiser_of(network: nn.Module) -> dict[str, object]:
    optimiser = torch.optim.Adam(network.parameters())
    sum(parameter.sum() for parameter in network.parameters()).backward()
    optimiser.step()
    return optimiser.state_dict()


WRAPS = {  # as training scripts save a network → what they save
    "alone": lambda net: net.state_dict(),
    "beside a number": lambda net: {"state_dict": net.state_dict(), "epoch": 3},
    "DataParallel in a dict": lambda net: {"model": under("module.", net.state_dict())},
    "DDP of compiled": lambda net: under("module._orig_mod.", net.state_dict()),
    "compiled DDP": lambda net: under("_orig_mod.module.", net.state_dict()),
    "DDP in DataParallel": lambda net: under("module.module.", net.state_dict()),
    "Lightning": lambda net: {"state_dict": under("model.", net.state_dict()), "pytorch-lightning_version": "2.5"},
    "Lightning of a compiled backbone": lambda net: {"state_dict": under("net._orig_mod.", net.state_dict())},
    "Lightning's loss has weights": lambda net: {
        "state_dict": {"criterion.weight": torch.ones(2), **under("net.", net.state_dict())}
    },
    "self-supervised": lambda net: {
        "model": {**under("module.encoder.", net.state_dict()), "module.projector.0.weight": torch.ones(2, 2)}
    },
    "AveragedModel": averaged,
    "with its average": lambda net: {"model": net.state_dict(), "model_ema": averaged(make_network())},
    "with its average first": lambda net: {
        "state_dict_ema": make_network().state_dict(),
        "state_dict": net.state_dict(),
    },
    "thop's counters": lambda net: {
        **net.state_dict(),
        "total_ops": torch.zeros(1),
        "body.total_params": torch.zeros(1),
    },
    "net and acc": lambda net: {"net": net.state_dict(), "acc": 91.2},
    "a Namespace beside": lambda net: {"state_dict": net.state_dict(), "args": argparse.Namespace(lr=1)},
    "a class of the script": lambda net: {"state_dict": net.state_dict(), "args": Settings(), "at": Path("x")},
    "numpy numbers beside": lambda net: {"state_dict": net.state_dict(), "best": np.float64(0.5), "rng": np.ones(3)},
    "its optimiser beside": lambda net: {
        "model_state_dict": net.state_dict(),
        "optimizer_state_dict": optimiser_of(net),
    },
    "its epoch among the names": lambda net: {**net.state_dict(), "epoch": 3},
    "a defaultdict": lambda net: {"weights": defaultdict(list, net.state_dict())},
    "types and ranges beside": lambda net: {"model": net.state_dict(), "types": [int, nn.ReLU], "steps": range(3)},
    "a tuple with its epoch": lambda net: (net.state_dict(), 3),
    "the network itself": lambda net: net,
    "the network itself in a dict": lambda net: {"model": nn.DataParallel(net), "epoch": 2},
}


ZIPPED = ("types and ranges beside", "the network itself", "the network itself in a dict")  # classes need a zip


@pytest.mark.parametrize(
    ("name", "is_zip"), [(name, True) for name in WRAPS] + [(name, False) for name in WRAPS if name not in ZIPPED]
)
def test_files_as_training_scripts_save_them(tmp_path: Path, name: str, is_zip: bool) -> None:
    pretrained, network = make_network(), make_network()
    torch.save(WRAPS[name](pretrained), tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    load_strictly(network, read_weights(tmp_path / "w.pth"))
    assert all(
        torch.equal(ours, theirs) for ours, theirs in zip(network.parameters(), pretrained.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("with its average first", "'state_dict.' was used, not 'state_dict_ema.'"),
        ("self-supervised", "not part of this model: 1 tensors (model.module.projector.0.weight)"),
        ("Lightning", ""),
    ],
)
def test_what_is_chosen_or_left_out_is_told(
    tmp_path: Path, name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(WRAPS[name](make_network()), tmp_path / "w.pth")
    load_strictly(make_network(), read_weights(tmp_path / "w.pth"))
    printed = capsys.readouterr().err
    assert told in printed
    assert bool(printed) == bool(told)


def test_safetensors_and_pickles_under_each_others_names(tmp_path: Path) -> None:
    state = make_network().state_dict()
    save_file(state, tmp_path / "a.bin")
    torch.save(state, tmp_path / "b.safetensors")
    for file in ("a.bin", "b.safetensors"):
        assert set(read_weights(tmp_path / file)) == set(state)


def test_the_networks_own_renaming_takes_part() -> None:
    """torchvision's ViT files say linear_1 for mlp.0, which its MLPBlock renames."""
    pretrained, network = (VisionTransformer(32, 16, 2, 2, 16, 32, num_classes=5) for _ in range(2))
    state = pretrained.state_dict()
    old = {n.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): t for n, t in state.items()}
    load_strictly(network, old)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_a_version_that_only_the_network_knows() -> None:
    """MNASNet refuses files of no version, as safetensors are."""
    pretrained, network = mnasnet0_5(), mnasnet0_5(num_classes=3)
    load_strictly(network, dict(pretrained.state_dict()), new=("classifier.1",))
    assert torch.equal(network.layers[0].weight, pretrained.layers[0].weight)


def write_other_kinds(folder: Path) -> None:
    with zipfile.ZipFile(folder / "program.pt", "w", zipfile.ZIP_DEFLATED) as archive:  # as torch.jit.save packs it
        for part in ("data.pkl", "code/__torch__.py", "constants.pkl"):
            archive.writestr(f"program/{part}", bytes(1000))
    np.savez(folder / "arrays.npz", a=np.ones(2))
    (folder / "folder").mkdir()
    torch.save(make_network().state_dict(), folder / "folder/w.pth")
    with zipfile.ZipFile(folder / "w.zip", "w") as archive:
        archive.write(folder / "folder/w.pth", "w.pth")
    for name, content in {
        "pointer.pth": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "page.pth": b"<!DOCTYPE html><html><body>Log in</body></html>",
        "keras.h5": b"\x89HDF\r\n\x1a\n" + bytes(40),
        "graph.onnx": bytes(40),
        "w.pth.gz": b"\x1f\x8b\x08" + bytes(40),
        "model.safetensors.index.json": b'{"weight_map": {}}',
    }.items():
        (folder / name).write_bytes(content)


def test_files_without_weights_are_named(tmp_path: Path) -> None:
    write_other_kinds(tmp_path)
    for file, told in {
        "program.pt": r"is TorchScript.*torch\.jit\.load",
        "arrays.npz": "NumPy archive",
        "pointer.pth": "git lfs pull",
        "page.pth": "web page",
        "keras.h5": "HDF5",
        "graph.onnx": "ONNX",
        "w.pth.gz": "unpack it",
        "model.safetensors.index.json": "JSON",
        "w.zip": "unpack it",
        "folder": r"is a folder: name a file in it, such as 'w\.pth'",
        "https://weights.example/resnet18.pth": "download it",
    }.items():
        with pytest.raises(WeightsError, match=told):
            read_weights(Path(file) if ":" in file else tmp_path / file)


def test_safetensors(tmp_path: Path) -> None:
    state = make_network().state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    assert set(read_weights(tmp_path / "weights.safetensors")) == set(state)
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        read_weights(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("by_torch", [True, False])
def test_code_in_a_file_is_not_run(tmp_path: Path, by_torch: bool) -> None:
    file, witness = tmp_path / "evil.pth", tmp_path / "was_run"
    if by_torch:
        torch.save({"state_dict": Attack(witness)}, file)
    else:
        file.write_bytes(pickle.dumps(Attack(witness)))
    with pytest.raises(WeightsError, match=r"contains more than tensors|pickle_protocol above 2") as caught:
        read_weights(file)
    assert not witness.exists()
    assert "\n" not in str(caught.value)


class Started:
    def __init__(self, *command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return subprocess.check_call, (list(self.command),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_what_a_pickle_names_beside_tensors_is_replaced_never_called(tmp_path: Path, is_zip: bool) -> None:
    state, file = make_network().state_dict(), tmp_path / "evil.pth"
    content = {"state_dict": state, "callbacks": [Started("touch", str(tmp_path / "was_run"))]}
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    assert read_weights(file).keys() == {f"state_dict.{name}" for name in state}
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x02."])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(tmp_path / "bad.pt")


def test_a_pickle_protocol_that_cannot_be_read_safely(tmp_path: Path) -> None:
    torch.save(make_network().state_dict(), tmp_path / "w.pth", pickle_protocol=4)
    with pytest.raises(WeightsError, match="pickle_protocol above 2"):
        read_weights(tmp_path / "w.pth")


def test_files_without_a_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="no state dict"):
        read_weights(tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "absent.pth")


def test_only_new_layers_keep_what_they_have() -> None:
    network, pretrained = make_network(2), make_network(7)
    head = network["head"].weight.clone()
    load_strictly(network, pretrained.state_dict(), new=("head",))
    assert torch.equal(network["body"].weight, pretrained["body"].weight)
    assert torch.equal(network["head"].weight, head)


def test_a_state_without_the_head_fits_where_the_head_is_new() -> None:
    state = {name: tensor for name, tensor in make_network().state_dict().items() if not name.startswith("head")}
    load_strictly(make_network(), state, new=("head",))
    with pytest.raises(WeightsError, match=r"2 missing \(head\.weight, head\.bias\); 0 left over; 0 of another shape"):
        load_strictly(make_network(), state)


def test_both_lists_are_printed_and_nothing_is_changed() -> None:
    network = make_network(2)
    before = network["norm"].weight.clone()
    state = make_network(7).state_dict()
    del state["body.bias"]
    state |= {f"extra\x1b{number}": torch.zeros(1) for number in range(6)}
    state["norm.weight"] = torch.zeros(4)
    with pytest.raises(WeightsError) as caught:
        load_strictly(network, state)
    message = str(caught.value)
    assert "1 missing (body.bias)" in message
    assert "6 left over (extra\\x1b0, " in message
    assert message.count("extra") == 5
    assert "2 of another shape (head.weight [7, 4] for [2, 4], head.bias [7] for [2])" in message
    assert torch.equal(network["norm"].weight, before)


def test_prefixes_are_whole_names() -> None:
    with pytest.raises(WeightsError, match="2 missing"):
        load_strictly(make_network(), {}, new=("body", "norm", "hea"))


def test_files_older_than_the_batch_counter() -> None:
    state = make_network().state_dict()
    del state["norm.num_batches_tracked"]
    load_strictly(make_network(), state)


def test_half_precision_files_are_cast() -> None:
    network = make_network()
    load_strictly(network, {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()})
    assert network["body"].weight.dtype == torch.float32
