"""timm's classifiers. timm takes a second to import, so it is imported only where it is needed."""

import contextlib
import difflib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from finesight.collector import importing
from finesight.config import Preprocessing
from finesight.errors import ModelError, WeightsError
from finesight.models.contract import WeightsOrigin
from finesight.models.weights import Weights

FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")  # timm's names for the same thing
OPTIONS = ("adapt_layer_scale",)  # of theirs: DeiT-3's gamma_1 is ls1.gamma


def import_timm() -> Any:
    """The package, at its first use."""
    with importing("timm"):
        import timm

    return timm


def is_architecture(name: str) -> bool:
    return bool(import_timm().is_model(name))


def find_similar(name: str) -> list[str]:
    return difflib.get_close_matches(name, import_timm().list_models(), n=1)


def read_preprocessing(architecture: str) -> Preprocessing:
    """As the default weights were evaluated."""
    config = _read_config(architecture)
    return Preprocessing(
        size=(config.input_size[1], config.input_size[2]),
        mean=tuple(config.mean),
        std=tuple(config.std),
        interpolation="bicubic" if config.interpolation == "bicubic" else "bilinear",
    )


def make_network(
    architecture: str, num_classes: int, size: tuple[int, int], dropout: float | None
) -> tuple[nn.Module, str]:
    """(network with a new head, name of the head). `size` matters to transformers with fixed positions."""
    options: dict[str, Any] = {} if dropout is None else {"drop_rate": dropout}
    network = _create(architecture, size, num_classes=num_classes, **options)
    return network, _find_head(network, architecture)


def fetch_weights(architecture: str, preprocessing: Preprocessing) -> Weights:
    """timm's own pretrained weights, from its cache or by download. Raises WeightsError."""
    config = _read_config(architecture)
    if not config.has_weights:
        raise WeightsError(f"timm/{architecture} has no pretrained weights: use `--weights none` or `--weights FILE`.")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            state = _create(architecture, read_preprocessing(architecture).size, pretrained=True).state_dict()
    except Exception as error:  # the network, the disk, the hub's own errors
        raise WeightsError(f"timm could not load {architecture}: {str(error).rstrip('.')}.") from error
    return Weights(
        state=state,
        origin=WeightsOrigin(
            source=f"timm {config.architecture}.{config.tag}" + (f" ({config.hf_hub_id})" if config.hf_hub_id else ""),
            licence=config.license or "",
        ),
        preprocessing=preprocessing,
    )


def fit_state(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Adapts a state dict as timm or an architecture's authors publish it to `network`: names, position embeddings.

    timm has a function for this beside each family of networks, and applies it to what it downloads.
    """
    family = sys.modules[type(network).__module__]
    fit = next((function for name in FILTERS if (function := getattr(family, name, None))), None)
    if fit is None:
        return state
    known = inspect.signature(fit).parameters
    try:
        fitted = fit(dict(state), *([network] if len(known) > 1 else []), **{n: True for n in OPTIONS if n in known})
    except Exception:  # unexpected names: strict loading reports them
        return state
    return {name: tensor for name, tensor in fitted.items() if isinstance(tensor, Tensor)}


def _find_head(network: nn.Module, architecture: str) -> str:
    """The last linear layer of timm's classifier, which may contain normalisation or hidden layers."""
    classifier = getattr(network, "get_classifier", lambda: None)()
    outer = next((name for name, module in network.named_modules() if module is classifier), "")
    linear: list[str] = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and f"{name}.".startswith(f"{outer}.")
    ]
    if not outer or not linear:  # two classifiers side by side, or none
        raise ModelError(f"timm/{architecture} has no single head, so it cannot be fine-tuned.")
    return linear[-1]


def _read_config(architecture: str) -> Any:
    try:
        config = import_timm().get_pretrained_cfg(architecture)
    except RuntimeError as error:  # a tag that does not exist
        raise ModelError(f"timm/{architecture}: {error}") from None
    if config is None:
        raise ModelError(f"timm/{architecture} does not say which images it takes, so it cannot be used.")
    return config


def _create(architecture: str, size: tuple[int, int], **options: Any) -> Any:
    if _read_config(architecture).fixed_input_size:
        options["img_size"] = size
    try:
        return import_timm().create_model(architecture, **options)
    except (AssertionError, TypeError, ValueError) as error:
        raise ModelError(f"timm/{architecture} cannot be made for {size[0]}×{size[1]} images: {error}.") from None
