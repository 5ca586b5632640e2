"""The galleries of suspected labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.analysis.label_errors import LabelError, LabelErrors
from finesight.analysis.wording import count_of
from finesight.reporting.html import name_split
from finesight.reporting.sections import percent

IMAGES_SHOWN = 24  # a split


@dataclass(frozen=True)
class Gallery:
    """What was suspected in a split. title: its name. errors: those shown. views: how, where not as images.

    left_out: errors that are not shown.
    """

    title: str
    summary: str
    errors: Sequence[LabelError]
    views: Sequence[object] = ()
    left_out: int = 0


def show_wrong_images(evidence: Evidence) -> list[Gallery]:
    galleries = []
    for found in evidence.label_errors:
        percentage = f" ({percent(len(found.errors) / found.num_samples)})" if found.errors else ""
        what = f"{count_of(len(found.errors), 'label')} of {found.num_samples:,}{percentage}"
        shown = found.errors[:IMAGES_SHOWN]
        left_out = len(found.errors) - len(shown)
        galleries.append(Gallery(name_split(found.split), summarise(found, what), shown, left_out=left_out))
    return galleries


def summarise(found: LabelErrors, what: str) -> str:
    """Who contradicts the labels. what: how many were found, in words."""
    if not found.errors:
        return f"No label of {count_of(found.num_samples, 'image')} is contradicted by {found.source}."
    return f"{what} {'is' if len(found.errors) == 1 else 'are'} contradicted by {found.source}."
