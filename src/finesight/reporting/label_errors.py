"""The gallery of suspected labels: which are shown, and how a region of a mask is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.analysis.label_errors import LabelError, LabelErrors
from finesight.analysis.wording import count_of
from finesight.reporting.html import name_split
from finesight.reporting.mask_images import Originals, image_uri, mask_uri, outline_uri, read_mask_indices, shrink
from finesight.reporting.sections import percent
from finesight.run import schema

IMAGES_SHOWN = 24  # a split
REGIONS_SHOWN = 8


@dataclass(frozen=True)
class RegionView:
    """A suspected region on its image and on its mask, as images; "" where one is gone."""

    error: LabelError
    image: str
    mask: str
    outline: str


@dataclass(frozen=True)
class Gallery:
    """What was suspected in one split. title: the split's name. errors, views: those shown, of images or of masks."""

    title: str
    summary: str
    errors: Sequence[LabelError]
    views: Sequence[RegionView] = ()


def show_wrong_images(evidence: Evidence) -> list[Gallery]:
    return [
        Gallery(name_split(found.split), summarise(found, "image"), found.errors[:IMAGES_SHOWN])
        for found in evidence.label_errors
    ]


def show_wrong_regions(evidence: Evidence, originals: Originals) -> list[Gallery]:
    galleries = []
    for found in evidence.label_errors:
        shown = found.errors[:REGIONS_SHOWN]
        views = [view for error in shown if (view := view_region(error, found.split, evidence, originals))]
        galleries.append(Gallery(name_split(found.split), summarise(found, "region"), shown, views))
    return galleries


def summarise(found: LabelErrors, unit: str) -> str:
    """How many labels are suspected, and who contradicts them."""
    number = len(found.errors)
    if not number:
        return f"No label of {count_of(found.num_samples, 'image')} is contradicted by {found.source}."
    if unit == "image":
        share = percent(number / found.num_samples)
        return f"{count_of(number, 'label')} of {found.num_samples:,} ({share}) contradicted by {found.source}."
    touched = len({error.key for error in found.errors})
    return (
        f"{count_of(number, 'region')} on {touched:,} of {count_of(found.num_samples, 'image')} contradicted by "
        f"{found.source}."
    )


def view_region(error: LabelError, split: str, evidence: Evidence, originals: Originals) -> RegionView | None:
    """None where the outline is gone."""
    folder = evidence.run / schema.label_outlines(split)
    numbers = read_mask_indices(folder / schema.mask_file(error.key))
    if numbers is None or error.region is None:
        return None
    height, width = numbers.shape
    truth = originals.read_truth(error.key, (height, width))
    small = shrink(numbers)
    return RegionView(
        error=error,
        image=image_uri(originals.find_image(error.key), evidence, (small.shape[0], small.shape[1])),
        mask="" if truth is None else mask_uri(shrink(truth), evidence.classes),
        outline=outline_uri(small == error.region.number),
    )
