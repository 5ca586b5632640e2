"""The images of a page as its scripts read them: columns, an image a row."""

from collections.abc import Iterable, Sequence
from typing import Any

from finesight.analysis.evidence import Answer, Embedding, Evidence
from finesight.reporting.thumbnails import Sprites


def list_images(answers: Sequence[Answer], sprites: Sprites, embedding: Embedding | None = None) -> dict[str, Any]:
    """Columns key, truth, prediction, confidence, place (in the sprites); with an embedding also near and similarity.

    embedding: its images are the first of `answers`, in the same order.
    """
    columns: dict[str, Any] = {
        "key": [answer.key for answer in answers],
        "truth": [answer.truth for answer in answers],
        "prediction": [answer.prediction for answer in answers],
        "confidence": [answer.confidence for answer in answers],
        "place": [sprites.places.get(answer.key) for answer in answers],
    }
    if embedding and embedding.similar:
        rest = [None] * (len(answers) - len(embedding.answers))
        columns["near"] = embedding.similar.indices.tolist() + rest
        columns["similarity"] = embedding.similar.similarities.astype(float).round(3).tolist() + rest
    return columns


def list_nearest(embedding: Embedding | None) -> dict[str, list[str]]:
    """key → keys of the images most like it; empty where they were never looked for."""
    if embedding is None or embedding.similar is None:
        return {}
    keys = [answer.key for answer in embedding.answers]
    return {key: [keys[i] for i in near] for key, near in zip(keys, embedding.similar.indices.tolist(), strict=True)}


def list_answers(run: Evidence, keys: Sequence[str]) -> dict[str, Any]:
    """Columns prediction and confidence of a run, in the order of `keys`."""
    answers = {answer.key: answer for answer in run.images}
    rows = [answers.get(key, Answer(key, None, None)) for key in keys]
    return {"prediction": [row.prediction for row in rows], "confidence": [row.confidence for row in rows]}


def list_elsewhere(evidence: Evidence, keys: Iterable[str]) -> list[Answer]:
    """Those of `keys` that the split does not hold, such as doubles in the training part."""
    named = set(keys) - {answer.key for answer in evidence.images}
    index = {label: number for number, label in enumerate(evidence.classes.ids)}
    return [
        Answer(key, index.get(label), None)
        for samples in evidence.splits.values()
        for key, label in samples
        if key in named
    ]
