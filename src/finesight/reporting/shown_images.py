"""Which images a page holds: all of some thousands, a sample of more, so that it stays small and opens fast."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from finesight.analysis.class_similarity import choose_images
from finesight.analysis.distance import Indices
from finesight.analysis.evidence import Embedding, Evidence
from finesight.metrics.evaluation import ImageResult

MOST_SHOWN = 5_000  # of a split; with thumbnails 8 to 13 MB


def sample_evidence(evidence: Evidence, named: Iterable[str] = ()) -> Evidence:
    """The evidence with MOST_SHOWN of the split's images; as it is where there are no more.

    Scores and counts stay those of all images. Kept are the images `named`, which the page shows without a click, and
    the nearest images of those that are errors. Then up to half of the sample are errors, and the rest other images,
    both evenly from all classes.
    """
    images, embedding, evaluation = evidence.images, evidence.embedding, evidence.evaluation
    if len(images) <= MOST_SHOWN:
        return evidence
    rows = _choose_rows(images, embedding, set(named))
    keys = {images[row].key for row in rows}
    if embedding:
        embedding = embedding.select(rows[rows < len(embedding.images)])
    if evaluation:
        evaluation = replace(evaluation, images=tuple(image for image in evaluation.images if image.key in keys))
    return replace(evidence, embedding=embedding, evaluation=evaluation)


def _choose_rows(images: Sequence[ImageResult], embedding: Embedding | None, named: set[str]) -> Indices:
    """Rows of `images`, in order. The embedding's images are the first of them."""
    errors = np.array([image.is_error for image in images])
    kept = np.array([image.key in named for image in images])
    if embedding and embedding.nearest:
        kept[embedding.nearest.indices[(kept & errors)[: len(embedding.images)]].ravel()] = True
    truths = np.array([-1 if image.truth is None else image.truth for image in images])
    for more, most in ((errors, MOST_SHOWN // 2), (~errors, MOST_SHOWN)):
        candidates = np.flatnonzero(more & ~kept)
        kept[candidates[choose_images(truths[candidates], max(0, most - int(kept.sum())))]] = True
    return np.flatnonzero(kept)
