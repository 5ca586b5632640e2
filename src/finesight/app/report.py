"""Report: one offline HTML file of what a run is, how good it is, and what it learned; or of how runs differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from finesight.analysis.evidence import read_evidence
from finesight.app.compare import compare
from finesight.app.embed import embed
from finesight.app.evaluate import evaluate
from finesight.app.explain import look_at_mistakes
from finesight.app.findings import findings
from finesight.app.labels import labels
from finesight.app.run_data import list_run
from finesight.app.run_masks import find_mask_rule
from finesight.data.decoders import Masks
from finesight.data.images.image import UnreadableImage
from finesight.data.masks.rule import MaskRule
from finesight.data.sample import Item
from finesight.errors import ConfigError, DataError, blame_files
from finesight.inference.restore import read_preprocessing
from finesight.progress import say
from finesight.reporting import Page, write_book, write_page
from finesight.reporting.comparison import check_comparable
from finesight.reporting.originals import Originals
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.tasks import find_task, make_page


def report(*runs: str | Path, out: str | Path = "", split: str = "val") -> dict[str, Any]:
    """Writes the report of a run, or of two and more side by side; what it needs and is not there yet is made first.

    out: RUN/report.html by default, of several runs comparison.html in the last of them.
    Returns `report`, the path of the HTML file. Raises ConfigError for runs that cannot be compared.
    """
    if not runs:
        raise ConfigError("Name a run folder to report on.")
    last = Path(runs[-1])
    where = Path(out) if out else last / (schema.REPORT if len(runs) == 1 else schema.COMPARISON_REPORT)
    return {"report": str(write_page(_make_page(runs, split), where))}


def report_chapters(chapters: Mapping[str, Sequence[str | Path]], out: str | Path, note: str = "") -> dict[str, Any]:
    """Writes reports that have little in common into one HTML file, to be leafed through.

    chapters: title → run folders, as `report` takes them. note: a sentence below the titles.
    Returns `report`, the path of the file.
    """
    pages = {title: _make_page(runs, "val") for title, runs in chapters.items()}
    return {"report": str(write_book(pages, Path(out), note))}


def _make_page(runs: Sequence[str | Path], split: str) -> Page:
    folders = [RunFolder.open(run) for run in runs]
    if len(folders) > 1:
        check_comparable([read_evidence(folder, split, find_task(folder)) for folder in folders])
    for folder in folders:
        complete(folder, split, is_alone=len(folders) == 1)
    task, originals = find_task(folders[0]), find_originals(folders[0], split)
    if len(folders) == 1:
        looked = look_at_mistakes(folders[0], split, originals)
        return make_page(folders[0], replace(originals, attention=looked), split)
    comparisons = [compare(folders[0].path, folder.path, split=split) for folder in folders[1:]]
    evidences = [read_evidence(folder, split, task) for folder in folders]
    with blame_files(folders[-1].path):
        return task.make_comparison_page(evidences, originals, comparisons)


def complete(run: RunFolder, split: str, is_alone: bool) -> None:
    """Makes what a report needs and the run has not yet; what compares runs needs no map, findings or labels."""
    evaluated = run.is_evaluated(split)
    if is_alone and not (evaluated and run.is_embedded(split)):
        _embed(run, split, evaluated)
    elif not evaluated:
        evaluate(run.path, split=split)
    find_task(run).prepare_report(run)
    if is_alone and not run.has(schema.findings(split)):
        findings(run.path, split=split)
    if is_alone and not find_task(run).has_masks and split == "val" and not run.has(schema.label_errors(split, "json")):
        labels(run.path)  # of masks it would take a pass over all images


def _embed(run: RunFolder, split: str, evaluated: bool) -> None:
    """Data that are gone are no reason to tell nothing of what was evaluated."""
    try:
        embed(run.path, split=split)
    except DataError as error:
        if not evaluated:
            raise
        say(f"Note: the report has no map: {error}")


def find_originals(run: RunFolder, split: str) -> Originals:
    """Images and true masks by key; none when the data are gone, which a report survives."""
    items: dict[str, Item] = {}
    rule: MaskRule | None = None
    try:
        settings = run.read_settings()
        listing = list_run(run, settings)
        if find_task(run).has_masks:
            rule = find_mask_rule(run, settings, [item for part in listing.splits.values() for item in part])
        if split in listing.splits:  # else it is of other data, where the same key is another image
            items = {item.key: item for part in listing.splits.values() for item in part}
    except DataError as error:
        say(f"Note: the report has no images: {error}")
    fit = read_preprocessing(run).fit

    def find_image(key: str) -> Path | None:
        return items[key].path if key in items else None

    def read_truth(key: str, size: tuple[int, int]) -> np.ndarray | None:
        if rule is None or key not in items or items[key].target is None:
            return None
        try:
            return Masks(size, fit, rule).decode(items[key])
        except UnreadableImage:
            return None

    return Originals(find_image, read_truth)
