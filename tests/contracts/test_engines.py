"""What every engine promises: torch's logits to rounding, whatever the network, the batch and the size of images."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from finesight.backend.device import Machine
from finesight.backend.engines import ENGINES, check_engine, why_not
from finesight.backend.engines.contract import Engine
from finesight.backend.engines.openvino_graph import CompiledGraph, LinearHead
from finesight.backend.workarounds import list_needed
from finesight.data.transforms import prepare
from finesight.errors import ConfigError, FinesightError
from finesight.models import Model, build_model

NETWORKS = {  # one of each way to build one → image size
    "efficientnet_lite0": (32, 48),
    "timm/test_convnext": (32, 48),
    "timm/test_vit": (32, 32),
    "fcn/timm/test_resnet": (64, 96),
    "lraspp_mobilenet_v3_large": (64, 96),
}
OTHERS = [name for name in ENGINES if name != "torch"]


@pytest.fixture(scope="module", params=NETWORKS)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    model = build_model(request.param, 5, weights="none", size=NETWORKS[request.param])
    model.preprocessing = model.preprocessing.__class__(**vars(model.preprocessing) | {"size": NETWORKS[request.param]})
    return model.eval()


def make_images(model: Model, count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, *model.preprocessing.size, generator=torch.Generator().manual_seed(seed))


def start(name: str, model: Model, precision: str = "fp32", is_final: bool = False) -> Engine:
    if reason := why_not(name, "cpu"):
        pytest.skip(f"{name} {reason}")
    machine = Machine(torch.device("cpu"), precision, True, list_needed(precision))  # type: ignore[arg-type]
    machine.place(model.network)
    return ENGINES[name].start(model, machine, is_final)


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_it_computes_what_torch_does(name: str, model: Model) -> None:
    engine = start(name, model)
    reference_logits, reference_features = model.forward_with_features(make_images(model, 3))
    for count in (3, 1):  # a last batch may be smaller
        logits, features = engine.logits_and_features(make_images(model, 3)[:count])
        torch.testing.assert_close(logits, reference_logits[:count], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(features, reference_features[:count], rtol=1e-3, atol=1e-4)
        assert torch.equal(engine.logits(make_images(model, 3)[:count]), logits)


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_it_computes_the_same_twice(name: str) -> None:
    model = build_model("timm/test_resnet", 5, weights="none", size=(64, 64)).eval()
    images = make_images(model, 3)
    first, again = (start(name, model, "bf16").logits(images) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_images_may_have_another_size(name: str) -> None:
    model = build_model("fcn/timm/test_resnet", 5, weights="none").eval()
    engine = start(name, model)
    for size in ((64, 96), (96, 64), (70, 81), (64, 96)):
        images = torch.randn(2, 3, *size)
        torch.testing.assert_close(engine.logits(images), model(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
@torch.inference_mode()
def test_training_on_does_not_change_an_engine_that_was_started(name: str) -> None:
    model = build_model("fcn/timm/test_resnet", 5, weights="none").eval()
    images = torch.randn(2, 3, 64, 64)
    engine = start(name, model)
    before = engine.logits(images)
    for parameter in model.parameters():
        parameter.mul_(1.5)
    assert torch.equal(engine.logits(images), before)


@pytest.mark.parametrize("name", OTHERS)
def test_a_network_that_it_computes_wrongly_is_refused(name: str) -> None:
    class Wrong(torch.nn.Module):
        """Depends on the number of images, which a graph does not see."""

        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Conv2d(3, 8, 3)
            self.head = torch.nn.Linear(8, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.body(images).mean((2, 3)) * float(len(images)))
            return found

    model = build_model("timm/test_resnet", 5, weights="none")
    model.network, model.head = Wrong(), "head"
    with pytest.raises(FinesightError, match="something else than torch"):
        start(name, model).logits(torch.randn(2, 3, 64, 64))


class FarFromFloat32(torch.nn.Module):
    """A difference of large numbers, which bf16 rounds away: as barely trained networks do, but more."""

    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 8, 1)
        self.head = torch.nn.Linear(8, 5)
        with torch.no_grad():
            self.first.weight.mul_(0.02)
            self.first.bias += 3
        self.wrong = wrong

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.first(images)
        hidden = self.second(hidden) - self.second(hidden.mean((2, 3), keepdim=True))
        if self.wrong:
            hidden = hidden * float(len(images))  # a graph does not see it
        found: torch.Tensor = self.head(hidden.abs().mean((2, 3)))
        return found


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("wrong", [False, True])
def test_what_torch_rounds_as_far_is_rounding(name: str, wrong: bool) -> None:
    torch.manual_seed(0)
    model = build_model("timm/test_resnet", 5, weights="none")
    model.network, model.head = FarFromFloat32(wrong), "head"
    model.eval()
    engine, images = start(name, model, "bf16"), torch.randn(2, 3, 64, 64)
    if wrong:
        with pytest.raises(FinesightError, match="something else than torch"):
            engine.logits(images)
        return
    with torch.inference_mode():
        _, features = engine.logits_and_features(images)
        expected = model.forward_with_features(images)[1]
    assert float((features - expected).norm() / expected.norm()) > 0.08  # else it proves nothing


def test_a_linear_head_does_not_depend_on_the_number_of_rows() -> None:
    if reason := why_not("openvino", "cpu"):
        pytest.skip(f"openvino {reason}")
    torch.manual_seed(0)
    layer, features = torch.nn.Linear(30, 7), torch.randn(150, 30)
    head = LinearHead(layer.weight.detach().numpy(), layer.bias.detach().numpy())
    logits = head.logits(features.numpy())
    np.testing.assert_allclose(logits, layer(features).detach().numpy(), rtol=1e-4, atol=1e-6)
    for start, stop in ((0, 1), (63, 65), (100, 150)):
        assert np.array_equal(head.logits(features[start:stop].numpy()), logits[start:stop])


def test_images_too_small_for_a_graph_are_refused() -> None:
    if reason := why_not("openvino", "cpu"):
        pytest.skip(f"openvino {reason}")
    model = build_model("timm/test_resnet", 5, weights="none", size=(16, 24))
    with pytest.raises(FinesightError, match=r"images of 24 × 16.*Choose --engine torch"):
        start("openvino", model).logits(torch.randn(2, 3, 16, 24))


def test_an_unknown_engine_and_a_device_it_lacks_are_refused() -> None:
    with pytest.raises(ConfigError, match="openvina"):
        check_engine("openvina", "cpu")
    for name in OTHERS:
        if not why_not(name, "cpu"):
            with pytest.raises(ConfigError, match="not on cuda"):
                check_engine(name, "cuda")


SILENT = """
import socket, sys
from collections.abc import Iterator
from pathlib import Path

def refuse(*arguments, **named):
    Path(sys.argv[1]).write_text(repr(arguments))
    raise OSError("blocked")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = socket.getaddrinfo = refuse
import torch
from finesight.backend.device import Machine
from finesight.backend.engines import ENGINES
from finesight.models import build_model

model = build_model("timm/test_resnet", 5, weights="none").eval()
engine = ENGINES[sys.argv[2]].start(model, Machine(torch.device("cpu"), "fp32", True), False)
engine.logits(torch.zeros(1, 3, 64, 64))
assert "openvino_telemetry.main" not in sys.modules
"""


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_sent(name: str, tmp_path: Path) -> None:
    if reason := why_not(name, "cpu"):
        pytest.skip(f"{name} {reason}")
    attempt = tmp_path / "attempt"
    subprocess.run(
        [sys.executable, "-c", SILENT, str(attempt), name], check=True, env={"HOME": str(tmp_path), **_path()}
    )
    assert not attempt.exists(), attempt.read_text()
    assert not list(tmp_path.iterdir())  # nor is an identity of this user made


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PATH": os.environ["PATH"]}


@pytest.mark.parametrize("name", OTHERS)
@torch.inference_mode()
def test_what_is_kept_of_final_weights_computes_the_same_and_serves_no_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path))
    images = torch.randn(2, 3, 64, 64)
    model = build_model("timm/test_resnet", 5, weights="none", size=(64, 64)).eval()
    start(name, model).logits(images)
    assert not list(tmp_path.rglob("*.*"))  # weights of an epoch are not worth it
    kept = [start(name, model, is_final=True).logits(images) for _ in range(2)]
    assert torch.equal(*kept)
    assert len(list(tmp_path.rglob("*.xml"))) == 1
    for parameter in model.parameters():
        parameter.mul_(1.1)
    assert not torch.equal(start(name, model, is_final=True).logits(images), kept[0])
    assert len(list(tmp_path.rglob("*.xml"))) == 2
    for path in tmp_path.rglob("*.bin"):
        path.write_bytes(path.read_bytes()[:-3000] + bytes(3000))
    torch.testing.assert_close(start(name, model, is_final=True).logits(images), model(images), rtol=1e-3, atol=1e-4)
    for path in tmp_path.rglob("*.xml"):
        path.write_text("<net")
    torch.testing.assert_close(start(name, model, is_final=True).logits(images), model(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ENGINES)
@torch.inference_mode()
def test_stored_images_may_be_left_to_it(name: str, model: Model) -> None:
    engine = start(name, model)
    stored = torch.randint(0, 256, (3, *model.preprocessing.size, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    prepared = prepare(stored, model.preprocessing)
    found = engine.logits(stored if engine.normalises else prepared)
    torch.testing.assert_close(found, model(prepared), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(engine.logits(prepared), model(prepared), rtol=1e-3, atol=1e-4)


def start_graph(count: int) -> tuple[Engine, CompiledGraph, torch.Tensor, torch.Tensor]:
    """An engine with its graph, images, and their logits."""
    model = build_model("fcn/timm/test_resnet", 5, weights="none").eval()
    started, images = start("openvino", model), make_images(model, count)
    whole = started.logits(images)
    (graph,) = started._graphs.values()  # type: ignore[attr-defined]
    return started, graph, images, whole


def test_parts_that_nobody_asks_for_do_no_harm() -> None:
    started, graph, images, whole = start_graph(16)
    parts = graph.compute_parts(graph.split(images.numpy()))
    first = next(parts)[0].copy()
    parts.close()
    assert torch.equal(torch.from_numpy(first), whole[: len(first)])
    assert len(first) < len(images)
    assert torch.equal(started.logits(images), whole)


def test_parts_of_several_batches_are_computed_in_order() -> None:
    """More than there are requests; each is given out before its request is started again."""
    _, graph, images, whole = start_graph(7)
    taken: list[int] = []

    def parts() -> Iterator[np.ndarray]:
        for number in range(7 * 3):
            taken.append(number)
            yield images[number % 7 : number % 7 + 1].numpy().copy()  # nobody else keeps it

    found = []
    for logits, _ in graph.compute_parts(parts()):
        found.append(logits.copy())
        assert len(taken) <= len(found) + len(graph._requests)
    torch.testing.assert_close(torch.from_numpy(np.concatenate(found)), whole.repeat(3, 1, 1, 1))
