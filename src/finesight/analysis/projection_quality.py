"""How far a map can be trusted: printed beside every map, so that nobody reads into it what is not there."""

import numpy as np

from finesight.analysis.distance import Floats, Indices, find_nearest
from finesight.analysis.projection import Map
from finesight.analysis.wording import percent

MOST_QUERIES = 5000  # images asked for their neighbours; beyond, a random sample says the same

METHOD_NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
ENGINE_NAMES = {"opentsne": "openTSNE", "sklearn": "scikit-learn"}


def map_quality(
    features: Floats, points: Floats, labels: Indices | None = None, k: int = 10, seed: int = 0
) -> dict[str, float]:
    """How well neighbours in features (n, d) are still neighbours on the map, points (n, 2).

    neighbourhood_preservation: mean share of an image's k nearest in feature space that are among its k nearest on
    the map; neighbourhood_chance: the same of a random map.
    knn_accuracy_features, knn_accuracy_map: share of images whose class (labels, n) is the most frequent one of their
    k nearest others; of equals, the one with the nearer images wins. An image of label -1 is not asked.
    num_images, num_queries, k: what was looked at: a seeded sample when there are more than 5,000 images, and half
    the images at most for k. Empty for fewer than four images.
    """
    num_images = len(points)
    if num_images < 4:
        return {}
    k = min(k, num_images // 2)
    queries = np.arange(num_images)
    if num_images > MOST_QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(num_images, MOST_QUERIES, replace=False))
    near, near_on_map = find_nearest(features, k, queries), find_nearest(points, k, queries)
    kept = (near[:, :, None] == near_on_map[:, None, :]).any(2)  # (queries, k)
    quality = {
        "k": k,
        "num_images": num_images,
        "num_queries": len(queries),
        "neighbourhood_preservation": float(kept.mean()),
        "neighbourhood_chance": k / (num_images - 1),
    }
    if labels is not None and (labels[queries] >= 0).any():
        quality["knn_accuracy_features"] = _vote_accuracy(labels[near], labels[queries])
        quality["knn_accuracy_map"] = _vote_accuracy(labels[near_on_map], labels[queries])
    return quality


def _vote_accuracy(votes: Indices, truth: Indices) -> float:
    return float((elect(votes) == truth)[truth >= 0].mean())


def elect(votes: Indices) -> Indices:
    """The most frequent label of each row (queries, k), whose labels stand nearest first."""
    k = votes.shape[1]
    weights = 1 - np.arange(k) / (k * k + 1)  # so little less for the further ones that only ties are decided
    scores = ((votes[:, :, None] == votes[:, None, :]) * weights).sum(2)  # (queries, k): support of each vote's class
    winners: Indices = np.take_along_axis(votes, scores.argmax(1)[:, None], axis=1)[:, 0]
    return winners


def describe_map(drawn: Map) -> str:
    """One line for a caption: how the map was made, and how well it keeps neighbours."""
    settings = drawn.settings
    made = [ENGINE_NAMES.get(drawn.engine, drawn.engine)] if drawn.method == "tsne" else []
    if "perplexity" in settings:
        made.append(f"perplexity {settings['perplexity']:.3g}")
    if "pca_dimensions" in settings:
        made.append(f"after PCA to {settings['pca_dimensions']} dimensions")
    made.append(f"seed {settings['seed']}")
    sentences = [f"{METHOD_NAMES.get(drawn.method, drawn.method)} ({', '.join(made)})."]
    if "note" in settings:
        sentences.append(settings["note"][:1].upper() + settings["note"][1:] + ".")
    quality = drawn.quality
    if quality:
        share, chance = (percent(quality[f"neighbourhood_{name}"]) for name in ("preservation", "chance"))
        sentences.append(f"{share} of the {quality['k']} nearest neighbours stay so (a random map: {chance}).")
    if "knn_accuracy_map" in quality:
        sentences.append(
            f"A neighbour vote finds the class of {percent(quality['knn_accuracy_map'])} of images on the map, "
            f"of {percent(quality['knn_accuracy_features'])} in feature space."
        )
    return " ".join(sentences)
