"""A network restored from its run answers as it did, or says why it does not."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from finesight.classes import ClassList
from finesight.config import Preprocessing
from finesight.errors import RunError
from finesight.inference.restore import check_selftest, describe_model, restore_model, write_selftest
from finesight.models import build_model
from finesight.models.contract import Model
from finesight.run.folder import RunFolder
from finesight.training.checkpoint import save_checkpoint
from reliability import Tally


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return build_model("timm/test_resnet", 3, "none", size=(32, 32))


def test_the_best_weights_come_back_with_their_preprocessing(run: RunFolder) -> None:
    model = restore_model(run)
    assert not model.training
    assert model.preprocessing.size == (32, 32)
    assert model.num_classes == 3
    saved = load_file(run.checkpoint("best") / "weights.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.network.state_dict().items())


def test_where_no_epoch_was_finished_the_last_weights_serve(run: RunFolder) -> None:
    assert run.best_checkpoint() == "best"
    shutil.rmtree(run.checkpoint("best"))
    assert run.best_checkpoint() == "last"
    (run.path / "selftest.safetensors").unlink()
    restore_model(run)
    shutil.rmtree(run.checkpoint("last"))
    with pytest.raises(RunError, match="has no weights"):
        restore_model(run)


def test_the_card_says_all_that_is_needed(model: Model, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    model.preprocessing = Preprocessing(size=(32, 48), stored=(40, 60), fit="stretch", interpolation="bicubic")
    run.write_json("model.json", dataclasses.asdict(describe_model(model, model.task)))
    run.write_json("classes.json", ClassList.from_labels("abc").to_dict())
    save_checkpoint(run, "best", model.network.state_dict())
    restored = restore_model(run)
    assert restored.preprocessing == model.preprocessing
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(restored(images), model.eval()(images))


@pytest.mark.parametrize("stored", [None, (40, 60)])
def test_preprocessing_survives_json(stored: tuple[int, int] | None, tmp_path: Path) -> None:
    value = Preprocessing(size=(1, 2), mean=(0.1, 0.2, 0.3), stored=stored)
    RunFolder(tmp_path).write_json("model.json", {"preprocessing": dataclasses.asdict(value)})
    assert RunFolder(tmp_path).read_model().preprocessing == value


@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing": {"sise": [32, 32]}},
        {"preprocessing": None},
        {"num_classes": 4},
        {"num_classes": "three"},
        {"name": None},
    ],
)
def test_a_damaged_card(run: RunFolder, change: dict[str, object]) -> None:
    run.write_json("model.json", run.read_json("model.json") | change)
    with pytest.raises(RunError, match=r"model\.json is damaged"):
        restore_model(run)


def test_the_selftest_is_replayed(run: RunFolder) -> None:
    """Weights, preprocessing, an image: whatever changes, the answer is no longer that of training."""
    model = restore_model(run)
    check_selftest(run, model)
    model.preprocessing = Preprocessing(size=(32, 32), mean=(0.5, 0.5, 0.5), stored=model.preprocessing.stored)
    with pytest.raises(RunError, match="fails its self-test"):
        check_selftest(run, model)
    path = run.checkpoint("best") / "weights.safetensors"
    weights = load_file(path)
    weights["fc.weight"] *= 1.1
    save_file(weights, path)
    with pytest.raises(RunError, match="fails its self-test"):
        restore_model(run)


@pytest.mark.parametrize("is_same_machine", [True, False])
def test_the_selftest_is_exact_where_it_was_made(run: RunFolder, is_same_machine: bool, reliability: Tally) -> None:
    """One weight, off by one bit: told on the same machine; elsewhere no more than arithmetic may differ by."""
    if not is_same_machine:
        stored = load_file(run.path / "selftest.safetensors")
        save_file(stored, run.path / "selftest.safetensors", {"arithmetic": "another machine"})
    path = run.checkpoint("best") / "weights.safetensors"
    weights = load_file(path)
    weights["fc.bias"][0] = weights["fc.bias"][0].nextafter(torch.tensor(9.0)) + 1e-6
    save_file(weights, path)
    if is_same_machine:
        with pytest.raises(RunError, match="on the machine and with the packages it was trained with"):
            restore_model(run)
    else:
        restore_model(run)
    reliability("fault", "a weight off by a millionth in a run folder" if is_same_machine else "a run from elsewhere")


def test_the_selftest_answers_the_same_every_time(run: RunFolder, reliability: Tally) -> None:
    for _ in range(10):
        restore_model(run)
    reliability("repetition", "self-tests of a run, on the machine that trained it", 10)


def test_answers_that_are_no_numbers_fail_the_selftest(run: RunFolder) -> None:
    model = restore_model(run)
    with torch.no_grad():
        model.network.get_submodule(model.head).bias.fill_(torch.nan)  # type: ignore[operator]
    with pytest.raises(RunError, match="fails its self-test"):
        check_selftest(run, model)


def test_writing_a_selftest_leaves_the_network_as_it_was(model: Model, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        write_selftest(run, model, images)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    stored = load_file(tmp_path / "selftest.safetensors")
    assert stored["logits"].dtype == torch.float32
    check_selftest(run, model)


def test_a_run_from_before_the_stages_counted_from_0(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    model = build_model("vgg16_fcn8s", 3, "none", size=(32, 32))
    run.write_json("model.json", dataclasses.asdict(describe_model(model, model.task)))
    run.write_json("classes.json", ClassList.from_labels("abc").to_dict())
    write_selftest(run, model, torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8))
    starts = {"pool4": 17, "pool5": 24}
    before = {}
    for name, tensor in model.network.state_dict().items():
        stage, *rest = name.split(".")
        before[".".join([stage, str(int(rest[0]) + starts[stage]), rest[1]]) if stage in starts else name] = tensor
    assert "pool4.17.weight" in before
    save_checkpoint(run, "best", before)
    restored = restore_model(run)
    assert restored.modules_before("pool4.17") == model.modules_before("pool4.0")
