"""From run folders to the file on disk, as the `report` command goes."""

from collections.abc import Sequence
from pathlib import Path

from finesight.analysis.evidence import read_evidence
from finesight.reporting.html import write_page
from finesight.reporting.originals import Originals, ReadTruth
from finesight.reporting.thumbnails import FindImage
from finesight.run.folder import RunFolder
from finesight.tasks import find_task, make_page


def render_report(
    run: RunFolder, out: Path, find_image: FindImage, read_truth: ReadTruth = lambda key, size: None
) -> Path:
    return write_page(make_page(run, Originals(find_image, read_truth)), out)


def render_comparison(runs: Sequence[RunFolder], out: Path, originals: Originals) -> Path:
    task = find_task(runs[0])
    page = task.make_comparison_page([read_evidence(run, "val", find_task(run)) for run in runs], originals)
    return write_page(page, out)
