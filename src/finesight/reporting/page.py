"""The page of a run: which one is its task's."""

from collections.abc import Callable

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.errors import blame_files
from finesight.reporting.classification_page import make_classification_page
from finesight.reporting.html import Page
from finesight.reporting.mask_images import Originals
from finesight.reporting.segmentation_page import make_segmentation_page
from finesight.run.folder import RunFolder

PAGES: dict[str, Callable[[Evidence, Originals], Page]] = {
    "classification": make_classification_page,
    "segmentation": make_segmentation_page,
}


def make_page(run: RunFolder, originals: Originals, split: str = "val") -> Page:
    """The report of a run's split. Raises RunError where the run folder is damaged."""
    evidence = read_evidence(run, split)
    with blame_files(run.path):
        return PAGES[evidence.model["task"]](evidence, originals)
