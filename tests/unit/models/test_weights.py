import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from finesight.errors import WeightsError
from finesight.models.weights import load_strictly, read_weights


def make_network(classes: int = 2) -> nn.Module:
    return nn.ModuleDict({"body": nn.Conv2d(3, 4, 1), "norm": nn.BatchNorm2d(4), "head": nn.Linear(4, classes)})


class Attack:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
    ],
)
def test_state_dicts_as_training_scripts_save_them(tmp_path: Path, wrap) -> None:
    state = make_network().state_dict()
    torch.save(wrap(state), tmp_path / "weights.pth")
    found = read_weights(tmp_path / "weights.pth")
    assert list(found) == list(state)
    assert all(torch.equal(found[name], state[name]) for name in state)


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
    with pytest.raises(WeightsError, match="holds more than tensors") as caught:
        read_weights(file)
    assert not witness.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x02."])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(tmp_path / "bad.pt")


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
