"""What the last layer sees of the same validation images after the first, the middle and the last epoch.

Training keeps it on the way, at no pass of its own; `insight.film_maps` draws it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.classes import ClassList
from finesight.config import Settings
from finesight.data.loader import ImageDataset
from finesight.models.contract import Model, pool
from finesight.run import schema
from finesight.run.folder import RunFolder, write_atomically, write_csv

MOST_IMAGES = 2000  # of them, evenly spaced; half precision keeps an epoch of 2,048 features at 8 MB
COLUMNS = ("key", "target")
LARGEST = float(torch.finfo(torch.float16).max)


@dataclass
class FeatureFilm:
    """rows: of the kept images in the validation part. middle: the epoch between first and last that is kept."""

    run: RunFolder
    num_images: int  # of the validation part
    rows: Tensor
    samples: list[tuple[str, str]]  # (key, class id) of each row
    middle: int
    _seen: list[Tensor] = field(default_factory=list)
    _predicted: list[Tensor] = field(default_factory=list)

    @contextmanager
    def watch(self, model: Model) -> Iterator[None]:
        """See engine.loop.FeatureFilm."""
        self._seen.clear()
        self._predicted.clear()

        def keep_features(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._seen.append(pool(inputs[0]).float().cpu())

        def keep_prediction(_module: nn.Module, _inputs: Any, logits: Tensor) -> None:
            self._predicted.append(logits.argmax(1).cpu())

        handles = (
            model.network.get_submodule(model.head).register_forward_pre_hook(keep_features),
            model.network.register_forward_hook(keep_prediction),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def keep(self, epoch: int, is_last: bool) -> None:
        """Writes film/EPOCH.safetensors, and with the first epoch film/samples.csv."""
        from safetensors.torch import save

        if not (is_last or epoch in (1, self.middle)):
            return
        seen, predicted = (_join(distributed.all_gather(batches)) for batches in (self._seen, self._predicted))
        if (
            not distributed.is_main() or len(seen) != self.num_images
        ):  # more where memory was too small for a whole batch
            return
        features = seen[self.rows].clamp(-LARGEST, LARGEST).half()
        tensors = {"features": features.contiguous(), "predictions": predicted[self.rows]}
        write_csv(self.run.path / schema.HISTORY_SAMPLES, COLUMNS, self.samples)
        write_atomically(self.run.path / schema.history_features(epoch), save(tensors))


def _join(parts: list[list[Tensor]]) -> Tensor:
    """Of all ranks, of which some may have had no batch."""
    return torch.cat([batch for part in parts for batch in part])


def start_feature_film(run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings) -> FeatureFilm | None:
    """None where it is not wanted, or the network is compiled: it would not see what watches it."""
    if not settings.snapshots.features or settings.machine.compile:
        return None
    rows = np.linspace(0, len(val) - 1, min(len(val), MOST_IMAGES)).round().astype(int)
    targets = np.asarray(val.targets[:])
    samples = [(val.keys[row], classes.ids[targets[row]]) for row in rows]
    return FeatureFilm(run, len(val), torch.from_numpy(rows), samples, middle=(settings.epochs + 1) // 2)
