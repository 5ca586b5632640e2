"""Where only the head is trained, what it sees never changes: it is computed once, and epochs take seconds."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.backend.engines.torch_engine import TorchEngine
from finesight.backend.interrupt import StopRequest
from finesight.config import AugmentSettings, Settings
from finesight.data.loader import Batch, ImageDataset
from finesight.data.transfer import HostRows
from finesight.inference.predictor import Predictor
from finesight.models.contract import Model
from finesight.models.layers import is_inside, owns_tensors
from finesight.progress import say
from finesight.training.augmentation import augment_batch, variant_of
from finesight.training.freezing import FreezePlan
from finesight.training.job import Job

MOST_BYTES = 4 << 30  # of memory for all features
NUM_TRIED = 4  # images by which dropout is found
NO_AUGMENTATION = AugmentSettings(flip=0.0, scale=(1.0, 1.0), ratio=1.0)


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


class FeatureCache:
    """What the head sees of every image, of training images once for each augmented variant.

    model: the head alone. Features are computed in the order of the data set, so a resumed training has the same ones.
    """

    def __init__(self, job: Job) -> None:
        whole, head = job.model, job.model.network.get_submodule(job.model.head)
        self.job = job
        self._of_training, self._of_validation = (
            _predictor_as_trained(job),
            Predictor(job.model, job.machine, job.settings),
        )
        if job.machine.engine != "torch":
            self._of_training = self._of_validation
        self.model = Model(
            head,
            name=whole.name,
            head="",
            num_classes=whole.num_classes,
            preprocessing=whole.preprocessing,
            origin=whole.origin,
        )
        self._variants: dict[int, FeatureDataset] = {}

    def training(self, epoch: int, stop: StopRequest) -> FeatureDataset | None:
        """Features of the training images as this epoch augments them; None where a signal came first."""
        return self._find(self.job.train, variant_of(self.job.settings.augment, epoch), stop)

    def validation(self, stop: StopRequest) -> FeatureDataset | None:
        """Features of the validation images; None where a signal came first."""
        return self._find(self.job.val, 0, stop)

    def _find(self, images: ImageDataset, variant: int, stop: StopRequest) -> FeatureDataset | None:
        """variant: from 1; 0 is the images without augmentation."""
        if variant not in self._variants:
            features = self._compute(images, variant, stop)
            if features is None:
                return None
            self._variants[variant] = FeatureDataset(features, images)
        return self._variants[variant]

    @torch.inference_mode()
    def _compute(self, dataset: ImageDataset, variant: int, stop: StopRequest) -> Tensor | None:
        predictor = self._of_training if variant else self._of_validation

        def see(batch: Batch) -> Tensor:
            return predictor.features(augment_batch(self.job, batch, variant)[0] if variant else batch.images)[1]

        rows = HostRows()
        for _, seen in predictor.over(dataset, f"Features, variant {variant}" if variant else "Features", see):
            rows.add(seen)
            if stop.signal:
                return None
        return rows.join()


def make_feature_cache(job: Job, plan: FreezePlan) -> FeatureCache | None:
    """None where more than the head is trained, or where it sees something new in every epoch; says so."""
    if not trains_head_only(job.model, plan) or not job.task.has_head_rows or distributed.world_size() > 1:
        return None
    row = _try_row(job)
    if row is None:
        return None
    variants = count_variants(job.settings)
    changes = _list_changes(job, plan, variants)
    if changes or job.settings.image.first_size:
        flags = " ".join(f"--set {each}" for each in changes) or "images of one size"
        say(
            f"Note: only the head is trained. With {flags} its features would be computed once, or once per variant, "
            "instead of in every epoch."
        )
        return None
    if row.nbytes * (len(job.train) * variants + len(job.val)) > MOST_BYTES:
        return None
    times = "once" if variants == 1 else f"{variants} times, an augmented variant each,"
    say(f"Only the head is trained: the features of each image are computed {times} and cached.")
    return FeatureCache(job)


def count_variants(settings: Settings) -> int:
    """Of each training image; 0 where every epoch has its own."""
    if replace(settings.augment, variants=0) == NO_AUGMENTATION:
        return 1
    return min(settings.augment.variants, settings.epochs)


def _list_changes(job: Job, plan: FreezePlan, variants: int) -> list[str]:
    """Settings that a cache needs to be otherwise, with the value it needs."""
    changes = [f"augment.{name}=0" for name in ("mixup", "cutmix") if getattr(job.settings.augment, name)]
    changes += [] if variants else ["augment.variants=4"]
    changes += ["model.dropout=0"] if _drops_out(job, plan) else []
    return changes


def trains_head_only(model: Model, plan: FreezePlan) -> bool:
    if len(plan.steps) > 1 or plan.frozen_norm != "fixed":
        return False
    frozen = set(plan.steps[0].modules)
    owners = (name for name, module in model.network.named_modules() if owns_tensors(module))
    return all(name in frozen or is_inside(name, model.head) for name in owners)


def _try_row(job: Job) -> Tensor | None:
    """What the head sees of an image; None where that is not a plain row, or something comes after the head."""
    job.model.eval()
    logits, seen = Predictor(job.model, job.machine, job.settings).features(
        _first_images(job, 1)
    )  # one, as parts of a batch round otherwise
    head = job.model.network.get_submodule(job.model.head)
    with torch.inference_mode(), job.machine.autocast():
        is_plain = seen.ndim == 2 and torch.equal(head(seen), logits)
    return seen[0] if is_plain else None


def _drops_out(job: Job, plan: FreezePlan) -> bool:
    """Whether in training the same images have other features each time, as after dropout."""
    predictor, images = _predictor_as_trained(job), _first_images(job, NUM_TRIED)
    plan.apply(job.model, 1)
    with torch.random.fork_rng():
        return not torch.equal(predictor.features(images)[1], predictor.features(images)[1])


def _predictor_as_trained(job: Job) -> Predictor:
    """Computes, to the bit, what the head sees in a training step."""
    predictor = Predictor(job.model, job.machine, job.settings)
    predictor.engine = TorchEngine(job.model, job.machine, as_trained=True)
    return predictor


def _first_images(job: Job, count: int) -> Tensor:
    return job.train.__getitems__(list(range(min(count, len(job.train))))).images
