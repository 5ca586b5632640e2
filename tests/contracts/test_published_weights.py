"""Weights as torchvision and timm publish them fit every network of theirs, at another size and for other classes.

Without data (meta tensors): names and shapes are what is at stake, and the largest network costs no memory.
"""

import re
import sys

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

from finesight.errors import FinesightError
from finesight.models.classifiers import Classifier
from finesight.models.layers import copy_without_data
from finesight.models.pretrained_segmenters import _fill
from finesight.models.segmenters import SEGMENTERS, build_segmenter
from finesight.models.table import find_classifier
from finesight.models.torchvision_networks import list_architectures
from finesight.models.weights import find_class_layers, load_strictly

QUICK = ["vit_b_32", "densenet121", "googlenet", "mnasnet0_5", "swin_v2_t", "maxvit_t"]  # each with names of its own
FAMILIES = {  # timm's quick ones: module → network
    "vision_transformer": "vit_tiny_patch16_224",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "deit": "deit3_small_patch16_224",
    "crossvit": "crossvit_tiny_240",
}
TWO_HEADS = {"efficientformer", "efficientformer_v2", "efficientvim", "swiftformer"}  # refused: no single last layer
FIXED_SIZE = {  # timm has no interpolation for these families' positions; finesight names the size they are for
    *("byoanet", "cait", "convit", "crossvit", "gcvit", "hiera", "levit", "mlp_mixer", "nest", "pit", "visformer"),
    *("vision_transformer_sam", "volo"),
}
NOT_REAL = 10  # networks of a family that are tried until one can be made without data
SEGMENTATION = [name for name in SEGMENTERS if name.startswith(("fcn_", "deeplab", "lraspp"))]


def without_data(make: object) -> nn.Module:
    """What `make()` returns, on the meta device; RegNet computes its widths with tensors and needs real ones first."""
    assert callable(make)
    try:
        with torch.device("meta"):
            return make()
    except NotImplementedError:
        return copy_without_data(make())


def publish(name: str, network: nn.Module) -> dict[str, Tensor]:
    """The state of torchvision's network under the names of its published file."""
    state = network.state_dict()
    if name.startswith("vit_"):
        return {n.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): state[n] for n in state}
    if name.startswith("densenet"):
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", n): state[n] for n in state}
    return dict(state)


def check_loads(classifier: Classifier, state: dict[str, Tensor], num_classes: int, scale: int) -> None:
    height, width = classifier.read_preprocessing().size
    size = (scale * height, scale * width)
    heads = []

    def make() -> nn.Module:
        network, head = classifier.maker.make_network(classifier.architecture, num_classes, size, None)
        heads.append(head)
        return network

    network = without_data(make)
    new = (heads[-1], *find_class_layers(network, state, heads[-1]))
    load_strictly(network, state, new, fit=classifier.maker.fit_state)
    load_strictly(network, {f"model.{name}": state[name] for name in state}, new, fit=classifier.maker.fit_state)


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in list_architectures() if n not in QUICK)]
)
def test_torchvisions_classifiers(name: str) -> None:
    classifier = find_classifier(name)
    options = {"image_size": classifier.read_preprocessing().size[0]} if name.startswith("vit_") else {}
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False}
    published = publish(name, without_data(lambda: torchvision_models.get_model(name, weights=None, **options)))
    for num_classes, scale in ((1000, 1), (7, 1), (7, 2)):
        check_loads(classifier, published, num_classes, scale)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in SEGMENTATION])
def test_torchvisions_segmenters(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"aux_loss": True} if not name.startswith("lraspp") else {}
    with torch.device("meta"):
        published = torchvision_models.get_model(name, weights=None, weights_backbone=None, **options).state_dict()
        for num_classes in (21, 7):
            new = _fill(build_segmenter(name, num_classes), published, find_classifier("resnet50"), num_classes)
            assert bool(new) == (num_classes == 7)
    assert "the weights have 21 classes, not 7; new and untrained: classifier." in capsys.readouterr().err


@pytest.mark.parametrize(
    "family", [*FAMILIES, *(pytest.param(f, marks=pytest.mark.slow) for f in timm.list_modules() if f not in FAMILIES)]
)
def test_a_network_of_each_family_of_timm(family: str) -> None:
    for name in [FAMILIES[family]] if family in FAMILIES else timm.list_models(module=family)[:NOT_REAL]:
        classifier = find_classifier(f"timm/{name}")
        try:
            published = dict(without_data(lambda name=name: timm.create_model(name)).state_dict())
            check_loads(classifier, published, 7, 1)
        except FinesightError as error:
            reason = str(error)
            continue
        break
    else:
        assert family in TWO_HEADS, reason
        assert "no single last layer" in reason
        return
    check_loads(classifier, published, 1000, 1)
    if family in FIXED_SIZE:
        with torch.device("meta"), pytest.raises(FinesightError, match=r"of another shape|cannot be made for"):
            check_loads(classifier, published, 7, 2)
    else:
        check_loads(classifier, published, 7, 2)
    fit = getattr(sys.modules[classifier.maker.__name__], "fit_state")  # noqa: B009 - a module as an object
    network = without_data(
        lambda: classifier.maker.make_network(name, 1000, classifier.read_preprocessing().size, None)[0]
    )
    assert fit(network, published).keys() <= published.keys(), "what fits already is left as it is"
