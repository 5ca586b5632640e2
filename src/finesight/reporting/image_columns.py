"""The images of a page as columns for its scripts, one row per image."""

from collections.abc import Container, Iterable, Sequence
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
        indices, cosines = embedding.nearest.indices, embedding.nearest.similarities.astype(float).round(3)
        there = indices >= 0  # of a sample, some are not
        columns["near"] = [row[kept].tolist() for row, kept in zip(indices, there, strict=True)] + rest
        columns["similarity"] = [row[kept].tolist() for row, kept in zip(cosines, there, strict=True)] + rest
    return columns


def choose_examples(images: Iterable[ImageResult]) -> dict[int, list[str]]:
    """Class index → keys of its first images."""
    examples: dict[int, list[str]] = {}
    for image in images:
        if image.truth is not None and len(keys := examples.setdefault(image.truth, [])) < EXAMPLES_A_CLASS:
            keys.append(image.key)
    return examples


def list_nearest(embedding: Embedding | None, wanted: Container[str]) -> dict[str, list[str]]:
    """key → keys of its nearest images, of the wanted ones; empty where they were never computed."""
    if embedding is None or embedding.nearest is None:
        return {}
    keys = [image.key for image in embedding.images]
    rows = zip(keys, embedding.nearest.indices, strict=True)
    return {key: [keys[i] for i in near if i >= 0] for key, near in rows if key in wanted}


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
