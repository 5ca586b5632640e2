"""Report: one offline HTML file of one run (scores, findings, plots), or of the differences between runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from finesight.analysis.evidence import read_evidence
from finesight.app.compare import compare
from finesight.app.embed import embed
from finesight.app.evaluate import evaluate
from finesight.app.explain import explain_errors
from finesight.app.findings import findings
from finesight.app.labels import labels
from finesight.app.run_data import RunData
from finesight.data.sample import Item
from finesight.data.targets import Rule
from finesight.errors import ConfigError, DataError, blame_files
from finesight.progress import say
from finesight.reporting.comparison import check_comparable
from finesight.reporting.html import Page, write_book, write_page
from finesight.reporting.originals import Originals
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import Reported
from finesight.tasks import make_page


def report(*runs: str | Path, out: str | Path = "", split: str = "val", note: str = "") -> Reported:
    """Writes the report of a run, or of two and more side by side; what it needs and is not there yet is made first.

    out: RUN/report.html by default, of several runs comparison.html in the last of them. note: your words on a
    single run, a paragraph in its notes.md after those that are there.
    Raises ConfigError for runs that cannot be compared.
    """
    if not runs:
        raise ConfigError("Name a run folder to report on.")
    if note and len(runs) > 1:
        raise ConfigError(f"A note is about one run, and {len(runs)} are named: add it with `finesight report RUN`.")
    if note:
        RunFolder.open(runs[0]).add_note(note)
    last = Path(runs[-1])
    where = Path(out) if out else last / (schema.REPORT if len(runs) == 1 else schema.COMPARISON_REPORT)
    return Reported(write_page(make_report_page(runs, split), where))


def report_chapters(chapters: Mapping[str, Sequence[str | Path]], out: str | Path, note: str = "") -> Reported:
    """Writes reports that have little in common into one HTML file, to be leafed through.

    chapters: title → run folders, as `report` takes them. note: a sentence below the titles.
    """
    pages = {title: make_report_page(runs) for title, runs in chapters.items()}
    return Reported(write_book(pages, Path(out), note))


def make_report_page(runs: Sequence[str | Path], split: str = "val") -> Page:
    """The page that `report` writes."""
    opened = [RunData.of(run) for run in runs]
    folders = [own.run for own in opened]
    if len(folders) > 1:
        check_comparable([read_evidence(own.run, split, own.task) for own in opened])
    for own in opened:
        complete(own, split, is_alone=len(folders) == 1)
    task, originals = opened[0].task, find_originals(opened[0], split)
    if len(folders) == 1:
        looked = explain_errors(folders[0], split, originals)
        return make_page(folders[0], replace(originals, saliency=looked), split)
    comparisons = [compare(folders[0].path, folder.path, split=split) for folder in folders[1:]]
    evidences = [read_evidence(own.run, split, task) for own in opened]
    with blame_files(folders[-1].path):
        return task.make_comparison_page(evidences, originals, comparisons)


def complete(own: RunData, split: str, is_alone: bool) -> None:
    """Makes what a report needs and the run has not yet; what compares runs needs no map, findings or labels."""
    run = own.run
    evaluated = run.is_evaluated(split)
    if is_alone and not (evaluated and run.is_embedded(split)):
        _embed(own, split, evaluated)
    elif not evaluated:
        evaluate(own, split=split)
    own.task.prepare_report(run)
    if is_alone and not run.has(schema.findings(split)):
        findings(own, split=split)
    if is_alone and own.task.quick_label_search and split == "val" and not run.has(schema.label_errors(split, "json")):
        labels(own)


def _embed(own: RunData, split: str, evaluated: bool) -> None:
    """If the images are missing, the report is written without thumbnails."""
    try:
        embed(own, split=split)
    except DataError as error:
        if not evaluated:
            raise
        say(f"Note: the report has no projection: {error}")


def find_originals(own: RunData, split: str) -> Originals:
    """Images and true masks by key; none when the data are missing, which a report survives."""
    items: dict[str, Item] = {}
    rule: Rule = None
    try:
        splits, rule = own.listing.splits, own.rule
        if split in splits:  # else it is of other data, where the same key is another image
            items = {item.key: item for some in splits.values() for item in some}
    except DataError as error:
        say(f"Note: the report has no images: {error}")
    fit = own.run.read_model().preprocessing.fit

    def find_image(key: str) -> Path | None:
        return items[key].path if key in items else None

    def read_truth(key: str, size: tuple[int, int]) -> np.ndarray | None:
        return own.task.targets.read_mask(items[key], size, fit, rule) if key in items else None

    return Originals(find_image, read_truth)
