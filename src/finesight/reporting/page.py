"""The report: evidence of a run, or of several → one HTML file with everything in it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from finesight.reporting.classification_page import make_classification_page
from finesight.reporting.comparison_page import make_comparison_page
from finesight.reporting.evidence import Evidence, read_evidence
from finesight.reporting.html import Page, write_page
from finesight.reporting.masks import Originals, ReadTruth
from finesight.reporting.pictures import FindPicture
from finesight.reporting.segmentation_page import make_segmentation_page
from finesight.run import RunFolder

PAGES: dict[str, Callable[[Evidence, Originals], Page]] = {
    "classification": make_classification_page,
    "segmentation": make_segmentation_page,
}


def render_report(
    run: RunFolder,
    out: Path,
    find_picture: FindPicture,
    split: str = "val",
    read_truth: ReadTruth = lambda key, size: None,
) -> Path:
    """Writes the report of a run's split to `out` and returns it.

    find_picture: the file of a picture by its key, None where it is gone: a placeholder is shown then.
    read_truth: likewise its true mask, where the task has masks. Raises RunError where the run folder is damaged.
    """
    evidence = read_evidence(run, split)
    make_page = PAGES[evidence.model["task"]]
    return write_page(make_page(evidence, Originals(find_picture, read_truth)), out)


def render_comparison(runs: Sequence[RunFolder], out: Path, originals: Originals, split: str = "val") -> Path:
    """Writes one page on two runs or more, each set against the first, and returns `out`.

    originals: pictures and true masks by key. Raises ConfigError where the runs cannot be compared: other tasks,
    classes or pictures.
    """
    return write_page(make_comparison_page([read_evidence(run, split) for run in runs], originals), out)
