"""Every command that predicts gets through with memory for one image at a time, and says the same."""

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import finesight, train
from PIL import Image
from safetensors.numpy import load_file
from test_segmentation import NETWORK, draw_pairs
from torch import Tensor

from finesight.models.contract import Model

EXACT = {"machine__precision": "fp32", "epochs": 2}


@contextmanager
def little_memory() -> Iterator[list[int]]:
    """Within the block a forward pass without gradients takes one image; those refused are counted in the list."""
    refused: list[int] = []
    forward = Model.forward

    def limited(model: Model, images: Tensor) -> Tensor:
        if len(images) > 1 and not torch.is_grad_enabled():
            refused.append(len(images))
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(model, images)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Model, "forward", limited)
        yield refused


def in_little_memory(*arguments: object) -> Any:
    with little_memory() as refused:
        answer = finesight(*arguments)
    assert answer.code == 0, answer.err
    assert refused, "nothing was tried with more than one image"
    return answer.json()


@pytest.fixture(scope="module")
def labelled(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of classification; read only."""
    run = tmp_path_factory.mktemp("labelled") / "run"
    assert train(images, run, **EXACT).code == 0
    return run


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of segmentation beside its data; read only. Some validation images are larger than those of training."""
    root = tmp_path_factory.mktemp("masked")
    draw_pairs(root / "data/train", 8)
    draw_pairs(root / "data/validation", 3, first=100)
    draw_pairs(root / "data/validation", 2, (64, 72), first=200)
    assert train(root / "data", root / "run", batch_size=4, augment__quarter_turns=True, **EXACT, **NETWORK).code == 0
    return root / "run"


def copy(run: Path, folder: Path) -> tuple[Path, Path]:
    """Two copies of a run: for a command with much memory, and with little."""
    return Path(shutil.copytree(run, folder / "much")), Path(shutil.copytree(run, folder / "little"))


def same_metrics(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["metrics"] == pytest.approx(other["metrics"], abs=1e-3, nan_ok=True)


@pytest.mark.parametrize("run", ["labelled", "masked"])
@pytest.mark.parametrize("flags", [[], ["--tta"]])
def test_evaluate(run: str, flags: list[str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    much, little = copy(request.getfixturevalue(run), tmp_path)
    whole = finesight("evaluate", much, "--json", *flags).json()
    assert same_metrics(in_little_memory("evaluate", little, "--json", *flags), whole)


@pytest.mark.parametrize("run", ["labelled", "masked"])
def test_embed(run: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    much, little = copy(request.getfixturevalue(run), tmp_path)
    finesight("embed", much, "--method", "pca")
    in_little_memory("embed", little, "--method", "pca", "--json")
    for path in sorted((much / "embedding").rglob("features.safetensors")):
        features = load_file(path)["features"]
        np.testing.assert_allclose(load_file(little / path.relative_to(much))["features"], features, atol=1e-4)


@pytest.mark.parametrize(("run", "split"), [("labelled", "val"), ("labelled", "train"), ("masked", "val")])
def test_labels(run: str, split: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    much, little = copy(request.getfixturevalue(run), tmp_path)
    shutil.rmtree(little / "evaluation")  # so that it is computed again
    whole = finesight("labels", much, "--split", split, "--json").json()
    found = in_little_memory("labels", little, "--split", split, "--json")
    places = [[(error["key"], error["suggested"]) for error in each["errors"]] for each in (found, whole)]
    assert places[0] == places[1]


def test_predict_labels(labelled: Path, images: Path, tmp_path: Path) -> None:
    finesight("predict", labelled, images, "--out", tmp_path / "much.csv")
    in_little_memory("predict", labelled, images, "--out", tmp_path / "little.csv", "--json")
    much, little = (
        list(csv.reader((tmp_path / f"{name}.csv").read_text().splitlines())) for name in ("much", "little")
    )
    assert [row[:2] for row in little] == [row[:2] for row in much]


def test_predict_masks(masked: Path, tmp_path: Path) -> None:
    folder = masked.parent / "data/validation"
    finesight("predict", masked, folder, "--out", tmp_path / "much")
    in_little_memory("predict", masked, folder, "--out", tmp_path / "little", "--json")
    for path in (tmp_path / "much").glob("*.png"):
        one, other = (np.asarray(Image.open(each)) for each in (path, tmp_path / "little" / path.name))
        assert (one != other).mean() < 0.01


def test_feature_cache_and_training_history(images: Path, tmp_path: Path) -> None:
    settings = {**EXACT, "model__freeze_before": "head", "augment__variants": 2, "augment__scale": [0.5, 1.0]}
    assert train(images, tmp_path / "much", **settings).code == 0
    with little_memory() as refused:
        answer = train(images, tmp_path / "little", **settings)
    assert "computed 2 times" in answer.err
    assert refused
    much, little = (_read_history(tmp_path / name, "*.safetensors") for name in ("much", "little"))
    assert much.keys() == little.keys() >= {"1.safetensors", "2.safetensors"}
    for name, features in much.items():
        np.testing.assert_allclose(little[name], features, atol=1e-2)


def test_mask_snapshots(masked: Path, tmp_path: Path) -> None:
    with little_memory() as refused:
        answer = train(masked.parent / "data", tmp_path / "run", batch_size=4, **EXACT, **NETWORK)
    assert answer.code == 0, answer.err
    assert refused
    assert json.loads((tmp_path / "run/film/index.json").read_text())["epochs"] == [1, 2]


def _read_history(run: Path, pattern: str) -> dict[str, np.ndarray]:
    return {path.name: load_file(path)["features"] for path in (run / "film").glob(pattern)}
