"""Where only the last layer learns, what it sees never changes: it is computed once, and epochs take seconds."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.config import AugmentSettings, Settings
from finesight.data.loader import Batch, ImageDataset, load_batches, order_batches
from finesight.data.transforms import prepare
from finesight.inference.predictor import evaluation_batch
from finesight.models.contract import Model
from finesight.progress import progress_bar, say
from finesight.training.augmentation import augment_batch, view_of
from finesight.training.freezing import FreezePlan
from finesight.training.job import Job

MOST_BYTES = 4 << 30  # of memory for all features
SAMPLE = 4  # images by which a network is tried
AS_THEY_ARE = AugmentSettings(flip=0.0, scale=(1.0, 1.0), ratio=1.0)


class FeatureDataset(ImageDataset):
    """Rows of features in the place of images."""

    def __init__(self, features: Tensor, images: ImageDataset) -> None:
        """features: (n, d), a row an image."""
        self.features = features
        self.targets = images.targets
        self.keys = images.keys

    def __getitems__(self, indices: list[int]) -> Batch:
        where = np.asarray(indices)
        return Batch(self.features[where], torch.from_numpy(self.targets[where]), where)


class KeptFeatures:
    """What the last layer sees of every image, of training images once for each view.

    model: the last layer alone. The features are those of a pass over the images in their order, so a resumed
    training computes the same ones.
    """

    def __init__(self, job: Job) -> None:
        whole, head = job.model, job.model.network.get_submodule(job.model.head)
        self.job = job
        self.model = Model(
            head,
            name=whole.name,
            head="",
            num_classes=whole.num_classes,
            preprocessing=whole.preprocessing,
            origin=whole.origin,
        )
        self._views: dict[int, FeatureDataset] = {}

    def training(self, epoch: int, stop: StopRequest) -> FeatureDataset | None:
        """The training images as this epoch sees them; None where a signal came first."""
        return self._rows(self.job.train, view_of(self.job.settings.augment, epoch), stop)

    def validation(self, stop: StopRequest) -> FeatureDataset | None:
        """The validation images; None where a signal came first."""
        return self._rows(self.job.val, 0, stop)

    def _rows(self, images: ImageDataset, view: int, stop: StopRequest) -> FeatureDataset | None:
        """view: from 1; 0 is the images as they are."""
        if view not in self._views:
            features = self._see(images, view, stop)
            if features is None:
                return None
            self._views[view] = FeatureDataset(features, images)
        return self._views[view]

    @torch.inference_mode()
    def _see(self, dataset: ImageDataset, view: int, stop: StopRequest) -> Tensor | None:
        job = self.job
        job.model.eval()
        batches = order_batches(len(dataset), evaluation_batch(job.settings))
        rows: list[Tensor] = []
        with progress_bar(f"Looking, view {view}" if view else "Looking", len(dataset), "images") as bar:
            pinned = job.machine.device.type == "cuda"
            for batch in load_batches(dataset, batches, job.settings.data.workers, pinned):
                images = augment_batch(job, batch, view)[0] if view else prepare_for(job, batch.images)
                rows.append(see(job, images).cpu())
                bar.advance(len(batch.indices))
                if stop.signal:
                    return None
        return torch.cat(rows)


def prepare_for(job: Job, images: Tensor) -> Tensor:
    """Stored images as validation sees them, on the device."""
    return prepare(images.to(job.machine.device, non_blocking=True), job.model.preprocessing)


def see(job: Job, images: Tensor) -> Tensor:
    with job.machine.autocast():
        return job.model.forward_and_see(images)[1]


def keep_features(job: Job, plan: FreezePlan) -> KeptFeatures | None:
    """None where more than the last layer learns, or where it sees something new in every epoch; says so."""
    if not _only_head_learns(job.model, plan) or job.task.has_masks or distributed.num_ranks() > 1:
        return None
    row = _row(job)
    if row is None:
        return None
    augment, views = job.settings.augment, count_views(job.settings)
    hindrances = [f"augment.{name}=0" for name in ("mixup", "cutmix") if getattr(augment, name)]
    hindrances += [] if views else ["augment.variants=4"]
    hindrances += ["model.dropout=0"] if _drops(job, plan) else []
    if hindrances or job.settings.image.first_size:
        flags = " ".join(f"--set {each}" for each in hindrances) or "images of one size"
        say(
            f"Note: only the last layer learns. With {flags} what it sees would be computed once, or once a view, "
            "instead of in every epoch."
        )
        return None
    if row.nbytes * (len(job.train) * views + len(job.val)) > MOST_BYTES:
        return None
    times = "once" if views == 1 else f"{views} times, a view each,"
    say(f"Only the last layer learns: what it sees of each image is computed {times} and kept.")
    return KeptFeatures(job)


def count_views(settings: Settings) -> int:
    """Of each training image; 0 where every epoch has its own."""
    return (
        1 if replace(settings.augment, variants=0) == AS_THEY_ARE else min(settings.augment.variants, settings.epochs)
    )


def _only_head_learns(model: Model, plan: FreezePlan) -> bool:
    if len(plan.steps) > 1 or plan.frozen_norm != "fixed":
        return False
    frozen = set(plan.steps[0].modules)
    inside = {model.head, *(f"{model.head}.{name}" for name, _ in _head(model).named_modules())}
    return all(
        name in frozen or name in inside
        for name, module in model.network.named_modules()
        if any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))
    )


def _head(model: Model) -> nn.Module:
    return model.network.get_submodule(model.head)


def _row(job: Job) -> Tensor | None:
    """What the last layer sees of an image; None where that is no plain row, or something comes after it."""
    job.model.eval()
    images = _sample(job)
    with torch.inference_mode(), job.machine.autocast():
        logits, seen = job.model.forward_and_see(images)
        is_plain = seen.ndim == 2 and torch.equal(_head(job.model)(seen), logits)
    return seen[0] if is_plain else None


def _drops(job: Job, plan: FreezePlan) -> bool:
    """Whether the same images are seen differently each time in training, as after dropout."""
    images = _sample(job)
    plan.apply(job.model, 1)
    with torch.inference_mode(), torch.random.fork_rng():
        return not torch.equal(see(job, images), see(job, images))


def _sample(job: Job) -> Tensor:
    images = job.train.__getitems__(list(range(min(SAMPLE, len(job.train))))).images
    return prepare_for(job, images)
