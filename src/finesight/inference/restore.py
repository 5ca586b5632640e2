"""A run's model, restored from its folder; the self-test proves that its logits are those of training."""

import dataclasses
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from finesight.backend.device import describe_arithmetic
from finesight.data.transforms import prepare
from finesight.errors import RunError, blame_files
from finesight.models import build_model
from finesight.models.contract import Model
from finesight.run import schema
from finesight.run.files import write_atomically
from finesight.run.folder import RunFolder
from finesight.run.model_card import ModelCard
from finesight.run.old_names import find_value

# Largest difference of float32 logits, relative to their spread, between processors, numbers of threads and versions.
# Where all of these are as they were (describe_arithmetic), the logits must be the same bit for bit.
SELFTEST_TOLERANCE = 2e-3
MOST_SELFTESTS = 64  # images: a few are written


def describe_model(model: Model, task: str) -> ModelCard:
    """What `restore_model` needs to build the network again."""
    return ModelCard(
        task=task,
        network=model.task,
        name=model.name,
        head=model.head,
        num_classes=model.num_classes,
        new_layers=model.new_layers,
        preprocessing=model.preprocessing,
        weights=dataclasses.asdict(model.origin),
    )


def restore_model(run: RunFolder, checkpoint: str = "") -> Model:
    """The run's model with weights of `best`, or of `last` where no epoch was finished. Raises RunError.

    Runs the self-test: other logits than when it was saved are an error.
    """
    card, classes = run.read_model(), run.read_classes()
    if card.num_classes != len(classes):
        raise RunError(f"{run.path / schema.MODEL} is damaged: it does not name a model for {len(classes)} classes.")
    with blame_files(run.path):
        model = build_model(card.name, len(classes), weights="none", size=card.preprocessing.size)
    if model.task != card.network:
        raise RunError(f"{run.path / schema.MODEL} is damaged: {card.name} is a {model.task} model.")
    model.preprocessing = card.preprocessing
    load_weights(run, checkpoint or run.best_checkpoint(), model.network)
    if not checkpoint:
        check_selftest(run, model)
    return model.eval()


def write_selftest(run: RunFolder, model: Model, images: Tensor) -> None:
    """Keeps stored images, uint8 (n, 3, h, w), and their float32 logits."""
    tensors = {"images": images.contiguous(), "logits": _compute_logits(model, images).contiguous()}
    content = save(tensors, {"arithmetic": describe_arithmetic()})
    write_atomically(run.path / schema.SELFTEST, content)


def check_selftest(run: RunFolder, model: Model) -> None:
    path = run.path / schema.SELFTEST
    if not path.exists():  # a run that was interrupted before it was finished
        return
    stored, metadata = load_tensors(path)
    with blame_files(run.path):
        images = find_value(stored, "images")
        logits = _compute_logits(model, images[:MOST_SELFTESTS])
        if torch.equal(logits, stored["logits"]):
            return
        difference = (logits - stored["logits"]).abs().max() / stored["logits"].std().clamp(min=1e-6)
    is_same_arithmetic = metadata.get("arithmetic") == describe_arithmetic()
    if is_same_arithmetic or not difference < SELFTEST_TOLERANCE:
        where = ", on the machine and with the packages it was trained with" if is_same_arithmetic else ""
        raise RunError(
            f"{run.path} fails its self-test: the logits of its self-test images differ from those of training by "
            f"{difference:.2g} of their spread{where}. Its weights, model.json or a library changed."
        )


def _compute_logits(model: Model, images: Tensor) -> Tensor:
    """Logits in plain float32 on the CPU: the one arithmetic all machines share."""
    device = next(model.network.parameters()).device
    was_training = model.training
    model.eval().to("cpu")
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        logits = model(prepare(images, model.preprocessing)).float()
    model.to(device).train(was_training)
    compact: Tensor = logits.clone(memory_format=torch.contiguous_format)  # of masks they are cut out of larger ones
    return compact


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises RunError for one that is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} is missing or damaged: {error}.") from None


def load_weights(run: RunFolder, name: str, network: nn.Module) -> None:
    """Puts the weights of a checkpoint into the network it was saved from. Raises RunError when they do not fit."""
    path = run.checkpoint(name) / schema.WEIGHTS
    weights, _ = load_tensors(path)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise RunError(f"{path} does not fit the model named in model.json: {reason}") from None
