"""Checkpoints hold tensors only, come back as they were, and are refused where they are not whole."""

import errno
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from finesight.config import OptimSettings
from finesight.errors import RunError
from finesight.inference.restore import load_tensors, load_weights
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import Training, pack_optimiser, save_checkpoint, save_tensors, unpack_optimiser
from finesight.training.optim import OPTIMISERS


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def make_network(seed: int = 0) -> nn.Module:
    """3×3 convolutions in channels_last: the layout in which weight and moment can get out of step."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 2))
    return network.to(memory_format=torch.channels_last)


def make_optimiser(name: str, network: nn.Module) -> torch.optim.Optimizer:
    groups: list[dict[str, object]] = [{"params": [parameter]} for parameter in network.parameters()]
    return OPTIMISERS[name](groups, OptimSettings(lr=0.1), True)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    network(torch.randn(4, 3, 6, 6)).square().mean().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


# -- tensors


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(1, 2, 3, 4)
    tensors = {
        "channels last": whole.contiguous(memory_format=torch.channels_last),
        "shares memory": whole,
        "transposed": whole.mT,
        "half": torch.ones(2, dtype=torch.bfloat16),
        "count": torch.tensor(3),
        "wants a gradient": nn.Parameter(torch.ones(1)),
    }
    save_tensors(tmp_path / "some.safetensors", tensors, {"what": "狼"})
    loaded, metadata = load_tensors(tmp_path / "some.safetensors")
    assert metadata == {"what": "狼"}
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "pickle", "folder"])
def test_files_that_are_not_whole(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "some.safetensors"
    save_tensors(path, {"a": torch.zeros(100)})
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[:-1])
        case "pickle":
            torch.save({"a": torch.zeros(1)}, path)
        case "folder":
            path.mkdir()
    with pytest.raises(RunError, match=r"some\.safetensors is missing or damaged"):
        load_tensors(path)


# -- checkpoints


def test_a_checkpoint_replaces_the_one_before(run: RunFolder) -> None:
    for number in (1, 2):
        network = make_network(number)
        training = Training({"x": torch.full((2,), float(number))}, {"epoch": number, "best": float("-inf")})
        save_checkpoint(run, "last", network.state_dict(), training)
    assert {path.name for path in run.checkpoint("last").iterdir()} == {"weights.safetensors", "training.safetensors"}
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["last"]
    loaded = Training.load(run)
    assert loaded.values == {"epoch": 2, "best": float("-inf")}
    assert loaded.tensors["x"].tolist() == [2, 2]
    other = make_network(0)
    load_weights(run, "last", other)
    for name, tensor in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_weights_that_are_those_of_best_are_written_once(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_network(1), make_network(2)
    save_checkpoint(run, "best", first.state_dict())
    save_checkpoint(run, "last", first.state_dict(), Training({}, {}), twin="best")
    best, last = (run.checkpoint(name) / "weights.safetensors" for name in ("best", "last"))
    assert last.samefile(best)
    save_checkpoint(run, "last", second.state_dict(), Training({}, {}))
    load_weights(run, "best", other := make_network(0))  # the next `last` is another file: `best` has not changed
    assert torch.equal(other.state_dict()["0.weight"], first.state_dict()["0.weight"])

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)  # as on exFAT, which cannot be mounted here
    save_checkpoint(run, "last", first.state_dict(), Training({}, {}), twin="best")
    assert not last.samefile(best)
    assert last.read_bytes() == best.read_bytes()


def test_leftovers_of_a_crash_do_not_matter(run: RunFolder) -> None:
    leftover = run.path / "checkpoints" / ".best.fresh" / "weights.safetensors"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half a fi")
    save_checkpoint(run, "best", make_network().state_dict())
    load_weights(run, "best", make_network())
    assert not leftover.exists()


def test_weights_of_another_network_are_refused(run: RunFolder) -> None:
    save_checkpoint(run, "best", nn.Linear(2, 2).state_dict())
    before = json.dumps({name: tensor.sum().item() for name, tensor in make_network().state_dict().items()})
    network = make_network()
    with pytest.raises(RunError, match=r"weights\.safetensors does not fit the model named in model\.json"):
        load_weights(run, "best", network)
    assert json.dumps({name: tensor.sum().item() for name, tensor in network.state_dict().items()}) == before


# -- optimiser


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("frozen", [(), (0, 1)])
def test_an_optimiser_goes_on_as_if_never_stopped(name: str, frozen: tuple[int, ...], tmp_path: Path) -> None:
    networks = make_network(), make_network()
    first, second = networks
    for network in networks:
        for index in frozen:
            list(network.parameters())[index].requires_grad_(False)
    optimiser = make_optimiser(name, first)
    step(first, optimiser, 1)
    packed = pack_optimiser(optimiser)
    assert all(path.startswith("optimiser/") for path in packed)
    assert not any(path.startswith(f"optimiser/{index}/") for path in packed for index in frozen)
    save_tensors(tmp_path / "training.safetensors", packed | {"weights/x": torch.zeros(1)})
    loaded, _ = load_tensors(tmp_path / "training.safetensors")
    second.load_state_dict(first.state_dict())
    other = make_optimiser(name, second)
    unpack_optimiser(other, loaded)
    for seed in (2, 3):
        step(first, optimiser, seed)
        step(second, other, seed)
    for name_, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name_]), name_


def test_learning_rates_are_the_settings_not_the_checkpoints() -> None:
    network = make_network()
    optimiser = make_optimiser("sgd", network)
    step(network, optimiser, 1)
    packed: dict[str, Tensor] = pack_optimiser(optimiser)
    for group in optimiser.param_groups:
        group["lr"] = 0.7
    unpack_optimiser(optimiser, packed)
    assert {group["lr"] for group in optimiser.param_groups} == {0.7}
