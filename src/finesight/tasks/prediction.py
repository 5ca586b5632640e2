"""What `predict` asks of a task: the images to predict, and the files to write. Nothing in here needs torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finesight.data.formats import list_images
from finesight.data.sample import Item
from finesight.inference.network import Network
from finesight.inference.prediction_table import DEFAULT_OUT
from finesight.run.folder import RunFolder
from finesight.run.results import Unreadable


@dataclass(frozen=True)
class PredictOptions:
    """As of `finesight predict`; what a task has no use for it names in `refused_options`."""

    out: str | Path = ""
    header: Sequence[str] = ()
    ids: bool = False
    index: bool = False
    overlay: str | Path = ""
    tta: bool = False
    calibrated: bool = False


@dataclass(frozen=True)
class PredictRequest:
    """The images to predict, and where to write. images: as the user named them; items: those found there."""

    run: RunFolder
    network: Network
    images: str | Path
    items: Sequence[Item]
    out: Path
    options: PredictOptions


class Prediction(Protocol):
    """What has a body suits a task whose targets are of whole images."""

    default_out: str = DEFAULT_OUT
    refused_options: Mapping[str, str]  # of PredictOptions: those that mean nothing here → why, as a sentence or ""

    def list_inputs(self, images: str | Path) -> list[Item]:
        """The images to predict of a folder, or one image. Raises DataError where there are none."""
        return list_images(images)

    def write(self, request: PredictRequest) -> Unreadable:
        """Writes what is predicted; of several ranks each does a shard. What a stop left done is not done again.

        Returns the images that could not be read. Raises ConfigError for options that make no sense.
        """
