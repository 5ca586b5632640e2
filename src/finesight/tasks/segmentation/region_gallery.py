"""The galleries of suspected regions of masks: how each is drawn on its image and its mask."""

from dataclasses import dataclass

from finesight.analysis.evidence import Evidence
from finesight.analysis.label_errors import LabelError
from finesight.analysis.wording import count_of
from finesight.reporting.html import name_split
from finesight.reporting.label_errors import Gallery, summarise
from finesight.reporting.originals import Originals
from finesight.run import schema
from finesight.tasks.segmentation.mask_images import image_uri, mask_uri, outline_uri, read_mask_indices, shrink

REGIONS_SHOWN = 8  # a split


@dataclass(frozen=True)
class RegionView:
    """A suspected region on its image and on its mask, as images; "" where one is missing."""

    error: LabelError
    image: str
    mask: str
    outline: str


def show_wrong_regions(evidence: Evidence, originals: Originals) -> list[Gallery]:
    galleries = []
    for found in evidence.label_errors:
        shown = found.errors[:REGIONS_SHOWN]
        views = [view for error in shown if (view := view_region(error, found.split, evidence, originals))]
        touched = len({error.key for error in found.errors})
        what = f"{count_of(len(found.errors), 'region')} on {touched:,} of {count_of(found.num_samples, 'image')}"
        left_out = len(found.errors) - len(shown)
        galleries.append(Gallery(name_split(found.split), summarise(found, what), shown, views, left_out))
    return galleries


def view_region(error: LabelError, split: str, evidence: Evidence, originals: Originals) -> RegionView | None:
    """None where the outline is missing."""
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
