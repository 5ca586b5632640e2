"""Words of a page that no line may break, sentences of its glossary, and architectures that differ in size alone."""

from dataclasses import replace

import pytest

from finesight.models.summary import compare_networks
from finesight.reporting.glossary import Glossary
from finesight.reporting.html import keep_together
from finesight.reporting.sections import percent
from finesight.run.architecture import LayerSummary, NetworkSummary

LAYERS = (LayerSummary("stem", "Conv2d", (1, 8, 32, 32), 216, False), LayerSummary("head", "Linear", (1, 2), 18, False))
SMALL = NetworkSummary("n", 234, 234, 0, LAYERS)
LARGE = replace(SMALL, layers=(replace(LAYERS[0], output_shape=(1, 8, 48, 48)), LAYERS[1]))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("10 % of 20 images", "10\N{NO-BREAK SPACE}% of 20 images"),
        ("interval -0.007 to 0.025", "interval \N{MINUS SIGN}0.007 to 0.025"),
        ("image-3.png, a - b, 2026-11-30", "image-3.png, a - b, 2026-11-30"),
    ],
)
def test_numbers_keep_their_signs(text: str, kept: str) -> None:
    assert keep_together(text) == kept


def test_only_nothing_is_zero_and_only_everything_a_hundred() -> None:
    shown = [percent(fraction).replace("\N{NO-BREAK SPACE}", " ") for fraction in (0, 1e-4, 0.834, 0.9999, 1)]
    assert shown == ["0.0 %", "0.1 %", "83.4 %", "99.9 %", "100.0 %"]


def test_definitions_are_sentences() -> None:
    glossary = Glossary({"accuracy": "correct predictions / all predictions"})
    assert glossary.link("accuracy")
    assert [term.definition for term in glossary.terms] == ["Correct predictions / all predictions."]


@pytest.mark.parametrize(
    ("other", "is_in_size_only"),
    [
        (LARGE, True),
        (SMALL, False),
        (replace(LARGE, frozen=216), False),
        (replace(LARGE, layers=LARGE.layers[:1]), False),
        (replace(LARGE, layers=(LARGE.layers[0], replace(LAYERS[1], parameters=27))), False),
    ],
)
def test_the_same_layers_at_another_image_size(other: NetworkSummary, is_in_size_only: bool) -> None:
    assert compare_networks(SMALL, other).is_in_size_only == is_in_size_only
