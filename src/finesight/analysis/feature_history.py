"""Training history: what the head sees of the same validation images after the first, the middle and the last epoch.

Validation collects it on the way, without a pass of its own; `analysis.history_maps` draws it.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.classes import ClassList
from finesight.config import Settings
from finesight.data.loader import ImageDataset
from finesight.data.transfer import HostRows
from finesight.models.contract import pool
from finesight.run import schema
from finesight.run.files import write_atomically, write_csv
from finesight.run.folder import RunFolder
from finesight.task import Callback

MOST_IMAGES = 2000  # of them, evenly spaced; half precision keeps an epoch of 2,048 features at 8 MB
COLUMNS = ("key", "target")
LARGEST = float(torch.finfo(torch.float16).max)


@dataclass
class FeatureHistory(Callback):
    """rows: of the kept images in the validation split. middle: the epoch between first and last that is kept."""

    run: RunFolder
    rows: Tensor
    samples: list[tuple[str, str]]  # (key, class id) of each row
    middle: int
    observes: bool = True
    _features: HostRows = field(default_factory=HostRows)
    _predictions: HostRows = field(default_factory=HostRows)

    def observe(self, logits: Tensor, seen: Tensor) -> None:
        self._features.add(pool(seen).float())
        self._predictions.add(logits.argmax(1))

    def end_epoch(self, epoch: int, is_last: bool) -> None:
        """If the epoch is one to keep, writes its features, and which samples they are of."""
        from safetensors.torch import save

        if is_last or epoch in (1, self.middle):
            features, predictions = _join(self._features), _join(self._predictions)
            if distributed.is_main():
                features = features[self.rows].clamp(-LARGEST, LARGEST).half()
                tensors = {"features": features.contiguous(), "predictions": predictions[self.rows]}
                write_csv(self.run.path / schema.HISTORY_SAMPLES, COLUMNS, self.samples)
                write_atomically(self.run.path / schema.history_features(epoch), save(tensors))
        self._features, self._predictions = HostRows(), HostRows()


def _join(rows: HostRows) -> Tensor:
    """Those of all ranks, of which some may have had none."""
    return torch.cat([batch for shard in distributed.all_gather_object(rows.batches()) for batch in shard])


def start_history(run: RunFolder, val: ImageDataset, classes: ClassList, settings: Settings) -> FeatureHistory | None:
    """None where it is not wanted, or the network is compiled, which leaves hooks out."""
    if not settings.snapshots.features or settings.machine.compile:
        return None
    rows = np.linspace(0, len(val) - 1, min(len(val), MOST_IMAGES)).round().astype(int)
    targets = np.asarray(val.targets[:])
    samples = [(val.keys[row], classes.ids[targets[row]]) for row in rows]
    return FeatureHistory(run, torch.from_numpy(rows), samples, middle=(settings.epochs + 1) // 2)
