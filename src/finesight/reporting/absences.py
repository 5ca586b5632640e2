"""Sections that step aside: why there is too little for a chart that says something, in one line each."""

from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.analysis.wording import count_of
from finesight.reporting.dendrogram import MOST_CLASSES
from finesight.run.calibration import NUM_BINS

FEWEST_CALIBRATED = 50  # images, about three a bin
FEWEST_PROJECTED = 20  # images: a projection is judged by the ten neighbours of each
FEWEST_COMPARED = 3  # classes


@dataclass(frozen=True)
class Absences:
    """Why each is not shown; "" where it is, or where it was never measured."""

    calibration: str
    projection: str
    history: str
    similarity: str
    dendrogram: str
    curves: str


def explain_absences(evidence: Evidence) -> Absences:
    return Absences(
        calibration=_explain_calibration(evidence),
        projection=_explain_projection(_count_projected(evidence), "projection"),
        history=_explain_projection(_count_watched(evidence), "history"),
        similarity=_explain_similarity(evidence),
        dendrogram=_explain_dendrogram(evidence),
        curves=_explain_curves(evidence),
    )


def _explain_calibration(evidence: Evidence) -> str:
    found = evidence.calibration
    if found is None or found.num_samples >= FEWEST_CALIBRATED:
        return ""
    return (
        f"Not shown: {count_of(found.num_samples, found.unit)} are too few for the {NUM_BINS} bins of a reliability "
        f"diagram. It is shown from {FEWEST_CALIBRATED}."
    )


def _count_projected(evidence: Evidence) -> int | None:
    embedding = evidence.embedding
    return len(embedding.images) + embedding.left_out if embedding else None


def _count_watched(evidence: Evidence) -> int | None:
    return len(evidence.projection_history.targets) if evidence.projection_history else None


def _explain_projection(count: int | None, what: str) -> str:
    if count is None or count >= FEWEST_PROJECTED:
        return ""
    return (
        f"Not shown: {count_of(count, 'image')} are too few to see groups among neighbours. The {what} is shown from "
        f"{FEWEST_PROJECTED}."
    )


def _explain_similarity(evidence: Evidence) -> str:
    similarity = evidence.embedding.similarity if evidence.embedding else None
    if similarity is None or len(similarity.order) >= FEWEST_COMPARED:
        return ""
    if len(evidence.classes) < FEWEST_COMPARED:
        return (
            f"Not shown: {count_of(len(evidence.classes), 'class')} cannot form groups. Shown from {FEWEST_COMPARED}."
        )
    return (
        f"Not shown: of {count_of(len(evidence.classes), 'class')}, {len(similarity.order)} have enough images. "
        f"Similar classes are shown from {FEWEST_COMPARED}."
    )


def _explain_dendrogram(evidence: Evidence) -> str:
    similarity = evidence.embedding.similarity if evidence.embedding else None
    if similarity is None or len(similarity.order) <= MOST_CLASSES:
        return ""
    return f"No dendrogram: {len(similarity.order):,} classes are too many to read. It is drawn up to {MOST_CLASSES}."


def _explain_curves(evidence: Evidence) -> str:
    return "Not shown: one epoch makes no curve." if len(evidence.journal) == 1 else ""
