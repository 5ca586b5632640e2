"""Mask snapshots: the predicted masks of a few validation images, kept after every epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from torch import Tensor

from finesight import distributed
from finesight.classes import ClassList
from finesight.config import SnapshotSettings
from finesight.data.masks.encoding import encode_mask
from finesight.errors import ConfigError
from finesight.run import schema
from finesight.run.files import write_atomically
from finesight.run.folder import RunFolder
from finesight.run.old_names import find_value
from finesight.task import Callback, Predict

FRAME_SIDE = 256  # longest side of a frame, in pixels: enough to look at, little to keep


@dataclass(frozen=True)
class MaskSnapshots(Callback):
    """indices: of the watched images in the validation split, in the order they are shown."""

    run: RunFolder
    classes: ClassList
    keys: tuple[str, ...]
    indices: tuple[int, ...]

    def end_validation(self, epoch: int, predict: Predict) -> None:
        if distributed.is_main():
            self.add(epoch, predict(self.indices))

    def add(self, epoch: int, masks: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        """Writes film/EPOCH/KEY.png, and with the first epoch film/truth/KEY.png.

        masks: predicted and true mask (h, w) of each of `indices`.
        """
        self._write(str(epoch), [masks[index][0] for index in self.indices])
        frames = [{"key": key, "frame": _frame(key)} for key in self.keys]
        truth = self.run.path / schema.HISTORY / schema.SNAPSHOT_TRUTH
        if not all((truth / frame["frame"]).exists() for frame in frames):
            self._write(schema.SNAPSHOT_TRUTH, [masks[index][1] for index in self.indices])
        folders = (self.run.path / schema.HISTORY).iterdir()
        known = (int(folder.name) for folder in folders if folder.name.isdigit())
        epochs = sorted(each for each in known if each <= epoch)  # a run that was killed may have been further
        self.run.write_json(schema.SNAPSHOTS, {"images": frames, "epochs": epochs, "truth": schema.SNAPSHOT_TRUTH})

    def _write(self, folder: str, masks: Sequence[Tensor]) -> None:
        for key, mask in zip(self.keys, masks, strict=True):
            step = -(-max(mask.shape) // FRAME_SIDE)
            content = encode_mask(np.ascontiguousarray(mask[::step, ::step].byte().cpu().numpy()), self.classes)
            write_atomically(self.run.path / schema.HISTORY / folder / _frame(key), content)


def watch_masks(
    run: RunFolder, keys: Sequence[str], counts: np.ndarray, classes: ClassList, settings: SnapshotSettings
) -> MaskSnapshots | None:
    """Watches the named images, or as many of different class mix. counts: (n, C + 1) pixels of each class.

    Raises ConfigError for a name that is not there.
    """
    indices = [_find(name, keys) for name in settings.images] or choose_images(counts[:, :-1], settings.count)
    return MaskSnapshots(run, classes, tuple(keys[i] for i in indices), tuple(indices)) if indices else None


def choose_images(counts: np.ndarray, number: int) -> list[int]:
    """Indices of images from the purest to the most mixed, evenly spread by the entropy of their class fractions.

    counts: (n, C). Of images as mixed, the one with more of what is rare in all images comes first.
    """
    total = counts.sum(1, keepdims=True)
    known = np.flatnonzero(total[:, 0])
    fractions = counts[known] / total[known]
    entropy = -(fractions * np.log(np.where(fractions > 0, fractions, 1))).sum(1)
    rarity = fractions @ (1 - counts.sum(0) / max(counts.sum(), 1))
    order = known[np.lexsort((-rarity, entropy))]
    places = np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(int)
    return [int(index) for index in order[places]]


def _find(name: str, keys: Sequence[str]) -> int:
    for index, key in enumerate(keys):
        path = PurePosixPath(key)
        if name in (key, path.name, path.stem, path.stem.rpartition("_")[0]):
            return index
    raise ConfigError(f"snapshots.images names {name!r}, which is not a validation image; the first is {keys[0]!r}.")


def _frame(key: str) -> str:
    return f"{PurePosixPath(key).with_suffix('')}.png".replace("/", "_")


@dataclass(frozen=True)
class SavedSnapshots:
    """What a run folder holds. frames: key → file name in the folder of each epoch and of the truth.

    scores: epoch → key → mIoU of the frame, None where nothing in the image is known; empty if never scored.
    """

    folder: Path
    truth: str
    epochs: tuple[int, ...]
    frames: dict[str, str]
    scores: dict[str, dict[str, float | None]]


def read_snapshots(run: RunFolder) -> SavedSnapshots | None:
    if not run.has(schema.SNAPSHOTS):
        return None
    index = run.read_json(schema.SNAPSHOTS)
    scores = run.read_json(schema.SNAPSHOT_SCORES) if run.has(schema.SNAPSHOT_SCORES) else {}
    return SavedSnapshots(
        folder=run.path / schema.HISTORY,
        truth=Path(index["truth"]).name,
        epochs=tuple(int(epoch) for epoch in index["epochs"]),
        frames={image["key"]: Path(image["frame"]).name for image in find_value(index, "images")},
        scores=scores.get("miou", {}),
    )
