"""The images of a page as columns for its scripts, one row per image."""

from collections.abc import Iterable, Sequence
from typing import Any

from finesight.analysis.evidence import Embedding, Evidence
from finesight.metrics.evaluation import ImageResult
from finesight.reporting.thumbnails import Sprites

EXAMPLES_A_CLASS = 3


def list_images(images: Sequence[ImageResult], sprites: Sprites, embedding: Embedding | None = None) -> dict[str, Any]:
    """Columns key, truth, prediction, confidence, place (in the sprites); with an embedding also near and similarity.

    The images of the embedding are the first of `images`, in the same order.
    """
    fields = ("key", "truth", "prediction", "confidence")
    columns: dict[str, Any] = {name: [getattr(image, name) for image in images] for name in fields}
    columns["place"] = [sprites.places.get(image.key) for image in images]
    if embedding and embedding.nearest:
        rest = [None] * (len(images) - len(embedding.images))
        columns["near"] = embedding.nearest.indices.tolist() + rest
        columns["similarity"] = embedding.nearest.similarities.astype(float).round(3).tolist() + rest
    return columns


def choose_examples(images: Iterable[ImageResult]) -> dict[int, list[str]]:
    """Class index → keys of its first images."""
    examples: dict[int, list[str]] = {}
    for image in images:
        if image.truth is not None and len(keys := examples.setdefault(image.truth, [])) < EXAMPLES_A_CLASS:
            keys.append(image.key)
    return examples


def list_nearest(embedding: Embedding | None) -> dict[str, list[str]]:
    """key → keys of its nearest images; empty where they were never computed."""
    if embedding is None or embedding.nearest is None:
        return {}
    keys = [image.key for image in embedding.images]
    return {key: [keys[i] for i in near] for key, near in zip(keys, embedding.nearest.indices.tolist(), strict=True)}


def list_predictions(run: Evidence, keys: Sequence[str]) -> dict[str, Any]:
    """Columns prediction and confidence of a run, in the order of `keys`."""
    known = {image.key: image for image in run.images}
    rows = [known.get(key, ImageResult(key)) for key in keys]
    return {"prediction": [row.prediction for row in rows], "confidence": [row.confidence for row in rows]}


def list_from_other_splits(evidence: Evidence, keys: Iterable[str]) -> list[ImageResult]:
    """Those of `keys` that are not in the split, such as duplicates in the training split."""
    named = set(keys) - {image.key for image in evidence.images}
    index = {label: number for number, label in enumerate(evidence.classes.ids)}
    return [
        ImageResult(key, index.get(label))
        for samples in evidence.splits.values()
        for key, label in samples
        if key in named
    ]
