"""The map through training: the same images after the first, the middle and the last epoch.

Each map starts from the one before and is turned onto it, so that what has not moved in feature space does not move on
the maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from finesight.analysis.class_similarity import neighbour_shares
from finesight.analysis.distance import Floats, Indices, normalise_rows
from finesight.analysis.feature_history import COLUMNS
from finesight.analysis.projection import project
from finesight.analysis.wording import join_words, label_class, percent
from finesight.classes import ClassList
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import read_csv, write_atomically
from finesight.run.folder import RunFolder

FEWEST_IMAGES = 4


@dataclass(frozen=True, eq=False)
class Frame:
    """The images after one epoch: features (n, d), predictions (n,) class indices."""

    epoch: int
    features: Floats
    predictions: Indices


@dataclass(frozen=True, eq=False)
class FilmMaps:
    """points: float32 (n, 2) of each epoch. targets: class indices (n,). epochs: see maps.json of `draw_film`."""

    epochs: list[dict[str, Any]]
    points: list[Floats]
    targets: Indices
    paragraph: str


def read_film_maps(run: RunFolder, classes: ClassList) -> FilmMaps | None:
    """What `draw_film` wrote; None where it never did. Raises RunError, KeyError or ValueError for a damaged file."""
    from safetensors.numpy import load_file

    if not run.has(schema.HISTORY_MAPS):
        return None
    told = run.read_json(schema.HISTORY_MAPS)
    tensors = load_file(run.path / schema.HISTORY_POINTS)
    points = [tensors[str(each["epoch"])] for each in told["epochs"]]
    return FilmMaps(told["epochs"], points, read_targets(run, classes), told["paragraph"])


def read_targets(run: RunFolder, classes: ClassList) -> Indices:
    """Class indices of the kept images."""
    index = {label: i for i, label in enumerate(classes.ids)}
    return np.array([index[label] for _, label in read_csv(run.path / schema.HISTORY_SAMPLES, COLUMNS)])


def draw_film(run: RunFolder, classes: ClassList) -> dict[str, object] | None:
    """Writes film/maps.json and film/maps.safetensors (points of each epoch); None where training kept nothing.

    maps.json: `epochs` with the share of neighbours of the own class and the accuracy of each, `own_shares` of each
    class by epoch, and a `paragraph` that says what changed. Raises RunError for a damaged film.
    """
    from safetensors.numpy import save

    frames = read_frames(run)
    if len(frames) < 2 or len(frames[0].features) < FEWEST_IMAGES:
        return None
    targets = read_targets(run, classes)
    points: list[Floats] = []
    epochs, own_shares = [], []
    for frame in frames:
        drawn = project(frame.features, start=points[-1] if points else None)
        points.append(turn_onto(points[-1], drawn.points) if points else drawn.points)
        shares, own_share = neighbour_shares(normalise_rows(frame.features), targets, len(classes))
        own_shares.append(np.diag(shares).tolist())
        accuracy = float((frame.predictions == targets).mean())
        epochs.append({"epoch": frame.epoch, "own_share": own_share, "accuracy": accuracy})
    present = np.unique(targets).tolist()
    labels = [label_class(class_id, name) for class_id, name in zip(classes.ids, classes.names, strict=True)]
    found = {
        "num_images": len(targets),
        "epochs": epochs,
        "own_shares": own_shares,
        "settings": drawn.settings,
        "paragraph": describe_film(epochs, own_shares, [labels[c] for c in present], present),
    }
    tensors = {str(frame.epoch): np.ascontiguousarray(places) for frame, places in zip(frames, points, strict=True)}
    write_atomically(run.path / schema.HISTORY_POINTS, save(tensors))
    run.write_json(schema.HISTORY_MAPS, found)
    return found


def read_frames(run: RunFolder) -> list[Frame]:
    """What training kept, by epoch. Raises RunError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    paths = [path for path in (run.path / schema.HISTORY).glob("*.safetensors") if path.stem.isdigit()]
    frames = []
    for path in sorted(paths, key=lambda path: int(path.stem)):
        try:
            tensors = load_file(path)
            frames.append(Frame(int(path.stem), tensors["features"].astype(np.float32), tensors["predictions"]))
        except (OSError, KeyError, SafetensorError) as error:
            raise RunError(f"{path} is damaged: {error}. Remove it to do without the map of that epoch.") from None
    return frames


def turn_onto(fixed: Floats, moving: Floats) -> Floats:
    """`moving` (n, 2) shifted, turned or mirrored, never scaled, to lie on `fixed` as well as it can (Procrustes)."""
    from scipy.linalg import orthogonal_procrustes

    centre = moving.mean(0)
    turn, _ = orthogonal_procrustes(moving - centre, fixed - fixed.mean(0))
    turned: Floats = ((moving - centre) @ turn + fixed.mean(0)).astype(np.float32)
    return turned


def describe_film(
    epochs: list[dict[str, float]], own_shares: list[list[float]], labels: list[str], present: list[int]
) -> str:
    """How classes drew apart, and which drew apart most and least. labels: of the classes in `present`."""
    told = [f"{percent(each['own_share'])} after epoch {each['epoch']:.0f}" for each in epochs]
    text = f"An image's ten nearest neighbours share its class in {join_words(told)}."
    first, last = np.array(own_shares)[:, present][[0, -1]]
    order = np.argsort(first - last, kind="stable")
    most = [f"{labels[c]} ({percent(first[c])} to {percent(last[c])})" for c in order[:3] if last[c] > first[c]]
    if most:
        text += f" Most was learned about {join_words(most)}."
    lost = [f"{labels[c]} ({percent(first[c])} to {percent(last[c])})" for c in order[::-1][:3] if last[c] < first[c]]
    if lost:
        text += f" Less sharp than at first {'is' if len(lost) == 1 else 'are'} {join_words(lost)}."
    return text
