"""What is decided before epoch 1."""

import pytest

from finesight.app.preparation import choose_preprocessing
from finesight.config import Preprocessing, load_settings
from finesight.models import build_model
from finesight.tasks import TASKS


@pytest.mark.parametrize(
    ("name", "own"), [("efficientnet_lite0", "bicubic"), ("timm/test_resnet", "bilinear"), ("swin_t", "bicubic")]
)
def test_interpolation_is_what_the_weights_were_evaluated_with(name: str, own: str) -> None:
    weights = build_model(name, 3, "none").preprocessing
    for asked, wanted in (({}, own), ({"image.interpolation": "bilinear"}, "bilinear")):
        chosen = choose_preprocessing(weights, load_settings(overrides=asked), [], TASKS["classification"])
        assert chosen.interpolation == wanted


def test_weights_decide_nothing_that_the_settings_say() -> None:
    settings = load_settings(overrides={"image.size": [48, 40], "image.fit": "squash"})
    chosen = choose_preprocessing(Preprocessing(interpolation="bicubic"), settings, [], TASKS["segmentation"])
    assert (chosen.size, chosen.fit, chosen.interpolation) == ((48, 40), "squash", "bicubic")
