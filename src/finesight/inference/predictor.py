"""The forward loop of the project: every prediction, score, feature and snapshot comes from `Predictor`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.backend.device import Machine
from finesight.backend.engines import ENGINES
from finesight.backend.engines.contract import Engine
from finesight.backend.memory import free_memory, is_out_of_memory
from finesight.config import Preprocessing, Settings
from finesight.data.batches import batch_by_size, evaluation_batch
from finesight.data.loader import Batch, ImageDataset, evaluation_batches, load_batches
from finesight.data.transforms import cut_centre, prepare
from finesight.inference.network import ImageGroup, PendingMask
from finesight.inference.tiling import blend_tiles, choose_tile
from finesight.inference.tta import NO_TTA, Augmentation, average_augmentations, trained_augmentations
from finesight.metrics.link import SOFTMAX, Link
from finesight.metrics.mask_decision import decide_mask
from finesight.metrics.segmentation import is_plain, most_likely, predict_masks
from finesight.models.contract import Model
from finesight.progress import progress_bar
from finesight.task import Score

T = TypeVar("T")
Observe = Callable[[Tensor, Tensor], None]


@dataclass(eq=False)
class Predictor:
    """A model on its machine, with test-time augmentation where `augmentations` holds more than one. link: the task's.

    Weights are taken when the first batch comes: after further training make another.
    Where memory is too small for a batch, the batch is computed in parts. Images are stored ones, uint8 (n, 3, h, w),
    or floating tensors that need no preparation: augmented images, or features for a head alone.
    """

    model: Model
    machine: Machine
    settings: Settings
    augmentations: Sequence[Augmentation] = NO_TTA
    link: Link = SOFTMAX
    is_final: bool = False  # whether the weights will not change, so that an engine may keep what it makes of them

    @classmethod
    def here(cls, model: Model, settings: Settings, tta: bool = False, link: Link = SOFTMAX) -> "Predictor":
        """Moves the model to this machine, which may differ from that of training. tta: augments as in training."""
        machine = Machine.resolve_here(settings.machine)
        machine.place(model.network)
        augmentations = trained_augmentations(settings.augment) if tta else NO_TTA
        return cls(model, machine, settings, augmentations, link, is_final=True)

    def computed_by(self, engine: str) -> "Predictor":
        """The same with another engine, a name of ENGINES that can be used here."""
        return replace(self, machine=replace(self.machine, engine=engine))

    @property
    def preprocessing(self) -> Preprocessing:
        return self.model.preprocessing

    @property
    def batch_size(self) -> int:
        """Of evaluation and prediction."""
        return evaluation_batch(self.settings)

    @property
    def engine_name(self) -> str:
        return self.machine.engine

    @property
    def uses_tta(self) -> bool:
        return len(self.augmentations) > 1

    def compute_logits(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """As of `Network`."""
        for images in batches:
            yield self.logits(torch.from_numpy(images).permute(0, 3, 1, 2)).float().cpu().numpy()

    def start_masks(self, groups: Iterable[ImageGroup]) -> Iterator[PendingMask]:
        """As of `Network`."""
        for images, size in groups:
            yield from self._start_group(images, size)

    @torch.inference_mode()
    def _start_group(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> Iterator[PendingMask]:
        """Of images in tiles no more is held than a row of those."""
        if tile := choose_tile(self.preprocessing, size):
            for image in images:
                bands = blend_tiles(self.probabilities, torch.from_numpy(image).permute(2, 0, 1), tile)
                mask = np.concatenate([most_likely(band, dim=0).byte().numpy() for band in bands])
                yield partial(np.asarray, mask)
            return
        logits = self.logits(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        if is_plain(logits):
            yield from [partial(decide_mask, each, size) for each in logits.numpy()]
        else:
            yield from [partial(np.asarray, mask) for mask in predict_masks(logits, size).byte().cpu().numpy()]

    @cached_property
    def engine(self) -> Engine:
        return ENGINES[self.machine.engine].start(self.model, self.machine, self.is_final)

    @torch.inference_mode()
    def over(
        self, dataset: ImageDataset, label: str, forward: Callable[[Batch], T], batches: list[list[int]] | None = None
    ) -> Iterator[tuple[Batch, T]]:
        """(batch, what `forward` makes of it), under a progress bar. batches: indices; by default `self.batches`."""
        self.model.eval()
        batches = self.batches(dataset) if batches is None else batches
        pinned = self.machine.device.type == "cuda"
        with progress_bar(label, sum(map(len, batches)), "images") as bar:
            for batch in load_batches(dataset, batches, self.settings.data.workers, pinned):
                yield batch, forward(batch)
                bar.advance(len(batch.indices))

    def batches(self, dataset: ImageDataset) -> list[list[int]]:
        """Indices of the batches a split is evaluated in."""
        return evaluation_batches(dataset, self.batch_size)

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """(n, C, …). With TTA those of the mean probabilities.

        Of images larger than those of training the logits of `blend_tiles`, on the CPU.
        """
        if tile := self.tile(images):
            bands = (blend_tiles(self.probabilities, image, tile) for image in images)
            return torch.stack([torch.cat(list(image), dim=1) for image in bands])
        if self.uses_tta:
            return self.link.to_logits(self.probabilities(images))
        (logits,) = self._in_parts(lambda part: (self._forward(part),), images)
        return logits

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """(n, C, …) of images no larger than a tile, the mean over TTA."""
        to_probabilities = self.link.to_probabilities
        predict = average_augmentations(lambda part: to_probabilities(self._forward(part).float()), self.augmentations)
        (probabilities,) = self._in_parts(lambda part: (predict(part),), images)
        return probabilities

    @torch.inference_mode()
    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, what the head sees, n×d or n×d×h×w) of images no larger than a tile, without TTA."""
        logits, seen = self._in_parts(self._forward_with_features, images)
        return logits, seen

    def tile(self, images: Tensor) -> tuple[int, int] | None:
        """(height, width) of the tiles of stored images (n, 3, h, w); None where they are taken at once."""
        return choose_tile(self.model.preprocessing, (images.shape[-2], images.shape[-1]))

    def centre(self, pixels: Tensor, images: Tensor) -> Tensor:
        """The centre tile of pixels (…, h, w) that belong to `images`; all of them where those need no tiles."""
        tile = self.tile(images)
        return cut_centre(pixels, tile) if tile else pixels

    def input_size(self, images: Tensor) -> tuple[int, int]:
        """(height, width) at which the network takes stored images, or the centre tiles of them."""
        preprocessing = self.model.preprocessing
        if preprocessing.fit != "native":
            return preprocessing.size
        height, width = self.centre(images, images).shape[-2:]
        return height, width

    def prepare(self, images: Tensor) -> Tensor:
        """Images on the device, as the network takes them."""
        images = images.to(self.machine.device, non_blocking=True)
        return images if images.is_floating_point() else prepare(images, self.model.preprocessing)

    def _input(self, images: Tensor) -> Tensor:
        """What the engine takes; some normalise stored images themselves."""
        is_as_stored = self.engine.normalises and tuple(images.shape[-2:]) == tuple(self.input_size(images))
        return images if is_as_stored else self.prepare(images)

    def _forward(self, images: Tensor) -> Tensor:
        return self.engine.logits(self._input(images))

    def _forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.engine.logits_and_features(self._input(images))

    def _in_parts(self, forward: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> list[Tensor]:
        """What `forward` makes of the images: in twice as many parts as long as memory is too small."""
        num_parts = 1
        while True:
            try:
                return [torch.cat(each) for each in zip(*map(forward, images.chunk(num_parts)), strict=True)]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or num_parts >= len(images):
                    raise
            free_memory(self.machine.device)
            num_parts *= 2


@torch.inference_mode()
def score_split(predictor: Predictor, dataset: ImageDataset, score: Score, observers: Sequence[Observe] = ()) -> Score:
    """Fills an empty score with a split's predictions, in order. Of several ranks each computes a shard.

    observers: are given logits and what the head sees, of each batch of this rank. Returns the score of the whole
    split, on every rank.
    """

    def predict(batch: Batch) -> Tensor:
        if not observers:
            return predictor.logits(batch.images)
        logits, seen = predictor.features(batch.images)
        for observe in observers:
            observe(logits, seen)
        return logits

    order = predictor.batches(dataset)
    for batch, logits in predictor.over(dataset, "Scoring", predict, distributed.shard(order)):
        score.update(logits, batch.targets)
    score, *others = distributed.all_gather_object(score)
    for other in others:
        score.extend(other)
    score.arrange(list(chain(*order)))
    return score


@torch.inference_mode()
def predict_samples(
    predictor: Predictor, dataset: ImageDataset, indices: Sequence[int]
) -> dict[int, tuple[Tensor, Tensor]]:
    """Predicted and true mask (h, w) of some samples of a split, by index."""
    sizes = [(0, 0) if dataset.sizes is None else dataset.sizes[index] for index in indices]
    batches = [[indices[place] for place in places] for places in batch_by_size(sizes, len(indices))]
    masks: dict[int, tuple[Tensor, Tensor]] = {}
    for batch, logits in predictor.over(dataset, "Snapshots", lambda batch: predictor.logits(batch.images), batches):
        predicted = predict_masks(logits, (batch.targets.shape[-2], batch.targets.shape[-1]))
        masks |= dict(zip(batch.indices.tolist(), zip(predicted, batch.targets, strict=True), strict=True))
    return masks
