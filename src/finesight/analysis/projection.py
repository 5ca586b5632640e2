"""A projection of embeddings to two dimensions: its settings, its quality, and its files in a run folder.

Distances between far groups of a t-SNE or UMAP projection mean little; `measure_quality` says how far to trust it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest
from finesight.analysis.wording import percent
from finesight.errors import RunError
from finesight.run import schema
from finesight.run.files import write_atomically, write_tensors
from finesight.run.old_names import find_value

MOST_QUERIES = 5000  # images whose neighbours are compared; of more, a random sample

OLD_QUALITY = {"knn_accuracy_map": "knn_accuracy_projection"}  # in map.json up to version 0.1
METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
PACKAGE_NAMES = {"opentsne": "openTSNE", "sklearn": "scikit-learn"}


@dataclass(frozen=True, eq=False)
class Projection:
    """Positions of images in two dimensions.

    points: float32 (n, 2). method: a name of PROJECTIONS; package: what computed it.
    settings: every parameter as used, and a `note` where it differs from the requested one.
    mean (d,), components (p, d): of the PCA that was applied first; None without PCA.
    quality: as `measure_quality` returns it.
    """

    points: Floats
    method: str
    package: str
    settings: dict[str, Any]
    mean: Floats | None = None
    components: Floats | None = None
    quality: dict[str, float] = field(default_factory=dict)


def measure_quality(
    features: Floats, points: Floats, labels: Indices | None = None, k: int = 10, seed: int = 0
) -> dict[str, float]:
    """How well the projection, points (n, 2), preserves neighbours among features (n, d).

    neighbourhood_preservation: mean fraction of an image's k nearest features that are among its k nearest points;
    neighbourhood_chance: the same for random points.
    knn_accuracy_features, knn_accuracy_projection: fraction of images whose class (labels, n) is the most frequent of
    their k nearest others; a tie goes to the nearer images. Images of label -1 are left out.
    num_images, num_queries: a seeded sample of more than 5,000 images. k: at most half the images.
    Empty for fewer than four images.
    """
    num_images = len(points)
    if num_images < 4:
        return {}
    k = min(k, num_images // 2)
    queries = np.arange(num_images)
    if num_images > MOST_QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(num_images, MOST_QUERIES, replace=False))
    near, near_points = find_nearest(features, k, queries), find_nearest(points, k, queries)
    kept = (near[:, :, None] == near_points[:, None, :]).any(2)  # (queries, k)
    quality = {
        "k": k,
        "num_images": num_images,
        "num_queries": len(queries),
        "neighbourhood_preservation": float(kept.mean()),
        "neighbourhood_chance": k / (num_images - 1),
    }
    if labels is not None and (labels[queries] >= 0).any():
        quality["knn_accuracy_features"] = _vote_accuracy(labels[near], labels[queries])
        quality["knn_accuracy_projection"] = _vote_accuracy(labels[near_points], labels[queries])
    return quality


def _vote_accuracy(votes: Indices, truth: Indices) -> float:
    return float((elect(votes) == truth)[truth >= 0].mean())


def elect(votes: Indices) -> Indices:
    """The most frequent label of each row (queries, k), nearest first."""
    k = votes.shape[1]
    weights = 1 - np.arange(k) / (k * k + 1)  # farther votes count less, but only ties notice
    scores = ((votes[:, :, None] == votes[:, None, :]) * weights).sum(2)  # (queries, k)
    winners: Indices = np.take_along_axis(votes, scores.argmax(1)[:, None], axis=1)[:, 0]
    return winners


def describe_projection(projection: Projection) -> str:
    """One line for a caption: method, settings and quality."""
    settings = projection.settings
    made = [PACKAGE_NAMES.get(projection.package, projection.package)] if projection.method == "tsne" else []
    if "perplexity" in settings:
        made.append(f"perplexity {settings['perplexity']:.3g}")
    if "pca_dimensions" in settings:
        made.append(f"after PCA to {settings['pca_dimensions']} dimensions")
    made.append(f"seed {settings['seed']}")
    sentences = [f"{METHOD_NAMES.get(projection.method, projection.method)} ({', '.join(made)})."]
    if "note" in settings:
        sentences.append(settings["note"][:1].upper() + settings["note"][1:] + ".")
    quality = projection.quality
    if quality:
        kept, chance = (percent(quality[f"neighbourhood_{name}"]) for name in ("preservation", "chance"))
        sentences.append(f"{kept} of the {quality['k']} nearest neighbours are preserved (by chance: {chance}).")
    if "knn_accuracy_projection" in quality:
        sentences.append(
            f"kNN accuracy: {percent(quality['knn_accuracy_projection'])} on the projection, "
            f"{percent(quality['knn_accuracy_features'])} on the embeddings."
        )
    return " ".join(sentences)


def save_projection(folder: Path, projection: Projection) -> None:
    """Writes map.json and map.safetensors: numbers only, no pickle."""
    arrays = {"points": projection.points, "pca_mean": projection.mean, "pca_components": projection.components}
    tensors = {name: array for name, array in arrays.items() if array is not None}
    text = {name: getattr(projection, name) for name in ("method", "package", "settings", "quality")}
    write_tensors(folder / schema.PROJECTION_POINTS, tensors)
    write_atomically(folder / schema.PROJECTION, json.dumps(text, indent=1, allow_nan=False).encode())


def load_projection(folder: Path) -> Projection:
    """What `save_projection` wrote. Raises RunError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        text = json.loads((folder / schema.PROJECTION).read_text(encoding="utf-8"))
        tensors = load_file(folder / schema.PROJECTION_POINTS)
        return Projection(
            points=tensors["points"],
            method=text["method"],
            package=find_value(text, "package"),
            settings=text["settings"],
            mean=tensors.get("pca_mean"),
            components=tensors.get("pca_components"),
            quality={OLD_QUALITY.get(name, name): value for name, value in text["quality"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise RunError(f"There is no readable projection in {folder}: {error}. Run `finesight embed`.") from None
