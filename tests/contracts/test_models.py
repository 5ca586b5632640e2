"""What every row of the model table promises. By default each family once, at a small size; all of it with -m slow."""

import pytest
import timm
import torch
from safetensors.torch import load, save

from finesight.cli.model_names import list_model_names
from finesight.models import MODELS, Model, build_model
from finesight.models.contract import pool
from finesight.models.weights import load_strictly

SMALL = {  # one of each family that is cheap to make → image size
    "convnext_tiny": (32, 48),
    "densenet121": (32, 48),
    "efficientnet_b0": (32, 48),
    "efficientnet_lite0": (32, 48),
    "googlenet": (32, 48),
    "inception_v3": (80, 96),
    "mnasnet0_5": (32, 48),
    "mobilenet_v2": (32, 48),
    "mobilenet_v3_small": (32, 48),
    "regnet_y_400mf": (32, 48),
    "resnet18": (32, 48),
    "shufflenet_v2_x0_5": (32, 48),
    "squeezenet1_1": (32, 48),
    "swin_t": (32, 48),
    "timm/test_convnext": (32, 48),
    "timm/test_vit": (32, 48),
}
LARGEST = 150_000_000  # parameters a contract test allocates; larger networks differ in width and depth alone
CLASSIFIERS = [
    name
    for name, entry in MODELS.items()
    if entry.task == "classification" and entry.parameters and entry.parameters <= LARGEST
]
NUM_CLASSES = 5


@pytest.fixture(
    scope="module",
    params=[*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in CLASSIFIERS if name not in SMALL)],
)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    return build_model(request.param, NUM_CLASSES, weights="none", size=SMALL.get(request.param))


@pytest.fixture
def images(model: Model) -> torch.Tensor:
    return torch.randn(3, 3, *model.preprocessing.size, generator=torch.Generator().manual_seed(1))


def test_the_tab_key_offers_the_names_of_the_table() -> None:
    names = {name for name in list_model_names("") if not name.endswith("/")}
    assert names == set(MODELS)
    assert {name.removeprefix("timm/") for name in list_model_names("timm/")} == set(timm.list_models())


def test_logits_and_embedding(model: Model, images: torch.Tensor) -> None:
    head = model.network.get_submodule(model.head)
    seen = []
    handle = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        logits, input_of_head = model.eval().forward_with_features(images)
        embedding = pool(input_of_head)
        handle.remove()
        assert logits.shape == (3, NUM_CLASSES)
        assert embedding.ndim == 2
        assert len(embedding) == 3
        assert torch.equal(embedding, seen[0] if seen[0].ndim == 2 else seen[0].mean((2, 3)))
        assert torch.equal(embedding, model.embed(images))
        if seen[0].ndim == 2:
            torch.testing.assert_close(head(embedding), logits)
    assert len(seen) == 1, "the hook of the first pass was not removed"


def test_head_is_fresh_and_sized(model: Model) -> None:
    head = model.network.get_submodule(model.head)
    assert getattr(head, "out_features", None) or head.out_channels == NUM_CLASSES
    assert head.weight.shape[0] == NUM_CLASSES


def test_eval_does_not_depend_on_the_batch(model: Model, images: torch.Tensor) -> None:
    with torch.inference_mode():
        logits = model.eval()(images)
        torch.testing.assert_close(model(images.flip(0)).flip(0), logits, rtol=1e-4, atol=1e-4)


def test_layers_are_in_forward_order_and_complete(model: Model) -> None:
    layers = model.layers()
    modules = dict(model.network.named_modules())
    assert {layer.name for layer in layers} == set(modules) - {""}
    root = sum(parameter.numel() for parameter in modules[""].parameters(recurse=False))
    assert root + sum(layer.own_parameters for layer in layers) == sum(p.numel() for p in model.parameters())
    assert [layer.name for layer in layers if layer.own_parameters][-1] == model.head
    before = model.modules_before("head")
    rest = sum(p.numel() for name in before for p in modules[name].parameters(recurse=False))
    assert rest == sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in modules[model.head].parameters())


def test_saved_weights_give_identical_logits(model: Model, images: torch.Tensor) -> None:
    other = build_model(model.name, NUM_CLASSES, weights="none", size=model.preprocessing.size)
    state = load(save({name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}))
    load_strictly(other.network, state)
    with torch.inference_mode():
        assert torch.equal(other.eval()(images), model.eval()(images))


def test_every_parameter_gets_a_gradient(model: Model, images: torch.Tensor) -> None:
    torch.manual_seed(0)
    logits = model.train()(images)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 4])).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    model.zero_grad()
    assert not without


@pytest.mark.parametrize("name", ["fcn/efficientnet_lite0", "lraspp_mobilenet_v3_large"])
@pytest.mark.parametrize("size", [(64, 64), (65, 97)])
def test_segmenters_answer_at_the_size_of_the_image(name: str, size: tuple[int, int]) -> None:
    model = build_model(name, NUM_CLASSES, weights="none").eval()
    assert model.task == "segmentation"
    with torch.inference_mode():
        logits, seen = model.forward_with_features(torch.randn(2, 3, *size))
    assert logits.shape == (2, NUM_CLASSES, *size)
    assert seen.ndim == 4
    assert pool(seen).shape == seen.shape[:2]
    assert model.modules_before("head")


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.task == "segmentation"])
def test_segmenters_list_the_sources_of_the_classifier_they_start_from(name: str) -> None:
    from finesight.models.segmenters import build_segmenter

    with torch.device("meta"):
        start = build_segmenter(name, 2).starts_from
    assert MODELS[name].sources == MODELS[start].sources


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_listed_parameters_are_right(name: str) -> None:
    if name.startswith(("regnet", "inception", "googlenet")):
        pytest.skip("cannot be made without data, or is listed with its side outputs")
    with torch.device("meta"):
        model = build_model(name, 1000, weights="none")
    assert sum(parameter.numel() for parameter in model.parameters()) == MODELS[name].parameters
