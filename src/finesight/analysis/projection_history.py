"""Projections of the same images after the first, the middle and the last epoch.

Each starts from the one before and is aligned to it, so that a point moves only if its embedding changes.
"""

from dataclasses import dataclass

import numpy as np

from finesight.analysis.class_similarity import neighbour_fractions
from finesight.analysis.class_similarity_result import translate_keys
from finesight.analysis.distance import Floats, Indices, normalise_rows
from finesight.analysis.feature_history import COLUMNS
from finesight.analysis.projection_methods import project
from finesight.analysis.wording import join_words, percent
from finesight.classes import ClassList
from finesight.run import schema
from finesight.run.files import read_csv, read_tensors, write_tensors
from finesight.run.folder import RunFolder

FEWEST_IMAGES = 4


@dataclass(frozen=True, eq=False)
class Frame:
    """The images after one epoch: features (n, d), predictions (n,) class indices."""

    epoch: int
    features: Floats
    predictions: Indices


@dataclass(frozen=True)
class Epoch:
    """own_fraction: mean fraction of an image's neighbours of the same class; accuracy: of these images."""

    epoch: int
    own_fraction: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class ProjectionHistory:
    """points: float32 (n, 2) of each epoch. targets: class indices (n,). paragraph: what changed, in words."""

    epochs: list[Epoch]
    points: list[Floats]
    targets: Indices
    paragraph: str


def read_projection_history(run: RunFolder, classes: ClassList) -> ProjectionHistory | None:
    """What `project_history` wrote; None without it. Raises RunError, KeyError or ValueError for a damaged file."""
    if not run.has(schema.HISTORY_MAPS):
        return None
    saved = translate_keys(run.read_json(schema.HISTORY_MAPS))
    epochs, targets = [Epoch(**each) for each in saved["epochs"]], read_targets(run, classes)
    names = [str(each.epoch) for each in epochs]
    points = read_tensors(run.path / schema.HISTORY_POINTS, *names, again="Run `finesight embed` again.")
    paragraph = describe_history(epochs, saved["own_fractions"], classes, targets)
    return ProjectionHistory(epochs, points, targets, paragraph)


def read_targets(run: RunFolder, classes: ClassList) -> Indices:
    """Class indices of the saved images."""
    index = {label: i for i, label in enumerate(classes.ids)}
    return np.array([index[label] for _, label in read_csv(run.path / schema.HISTORY_SAMPLES, COLUMNS)])


def project_history(run: RunFolder, classes: ClassList) -> dict[str, object] | None:
    """Writes film/maps.json and film/maps.safetensors (points of each epoch); None where training saved nothing.

    maps.json: `epochs` as in `Epoch`, `own_fractions` of each class by epoch, and a `paragraph`. Raises RunError for a
    damaged file.
    """
    frames = read_frames(run)
    if len(frames) < 2 or len(frames[0].features) < FEWEST_IMAGES:
        return None
    targets = read_targets(run, classes)
    points: list[Floats] = []
    epochs, own_fractions = [], []
    for frame in frames:
        projection = project(frame.features, start=points[-1] if points else None)
        points.append(align(points[-1], projection.points) if points else projection.points)
        fractions, own_fraction = neighbour_fractions(normalise_rows(frame.features), targets, len(classes))
        own_fractions.append(np.diag(fractions).tolist())
        epochs.append(Epoch(frame.epoch, own_fraction, float((frame.predictions == targets).mean())))
    found = {
        "num_images": len(targets),
        "epochs": [vars(epoch) for epoch in epochs],
        "own_fractions": own_fractions,
        "settings": projection.settings,
        "paragraph": describe_history(epochs, own_fractions, classes, targets),
    }
    tensors = {str(frame.epoch): places for frame, places in zip(frames, points, strict=True)}
    write_tensors(run.path / schema.HISTORY_POINTS, tensors)
    run.write_json(schema.HISTORY_MAPS, found)
    return found


def read_frames(run: RunFolder) -> list[Frame]:
    """What training saved, by epoch. Raises RunError."""
    paths = [path for path in (run.path / schema.HISTORY).glob("*.safetensors") if path.stem.isdigit()]
    frames = []
    for path in sorted(paths, key=lambda path: int(path.stem)):
        again = "Remove it to leave out that epoch."
        features, predictions = read_tensors(path, "features", "predictions", again=again)
        frames.append(Frame(int(path.stem), features.astype(np.float32), predictions))
    return frames


def align(fixed: Floats, moving: Floats) -> Floats:
    """`moving` (n, 2), shifted, rotated or mirrored but not scaled, onto `fixed` (orthogonal Procrustes)."""
    from scipy.linalg import orthogonal_procrustes

    centre = moving.mean(0)
    rotation, _ = orthogonal_procrustes(moving - centre, fixed - fixed.mean(0))
    aligned: Floats = ((moving - centre) @ rotation + fixed.mean(0)).astype(np.float32)
    return aligned


def describe_history(
    epochs: list[Epoch], own_fractions: list[list[float]], classes: ClassList, targets: Indices
) -> str:
    """How well classes separate after each epoch, and which changed most. own_fractions: by epoch and class."""
    after = [f"{percent(each.own_fraction)} after epoch {each.epoch}" for each in epochs]
    text = f"Fraction of an image's ten nearest neighbours that have its class: {join_words(after)}."
    present = np.unique(targets)
    names = [classes.labels[c] for c in present]
    first, last = np.array(own_fractions)[:, present][[0, -1]]
    changes = [f"{name} ({percent(a)} to {percent(b)})" for name, a, b in zip(names, first, last, strict=True)]
    order = np.argsort(first - last, kind="stable")
    if risen := [changes[c] for c in order[:3] if last[c] > first[c]]:
        text += f" It rose most for {join_words(risen)}."
    if fallen := [changes[c] for c in order[::-1][:3] if last[c] < first[c]]:
        text += f" It fell for {join_words(fallen)}."
    return text
