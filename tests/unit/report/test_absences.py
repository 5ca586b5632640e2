"""Sections with too little to show say why, in one line, and draw nothing."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import SyntheticRun

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.classes import ClassList
from finesight.reporting.absences import (
    FEWEST_CALIBRATED,
    FEWEST_COMPARED,
    FEWEST_PROJECTED,
    Absences,
    explain_absences,
)
from finesight.reporting.dendrogram import MOST_CLASSES
from finesight.reporting.html import write_page
from finesight.reporting.originals import Originals
from finesight.tasks import find_task
from finesight.tasks.classification.page import make_page


@pytest.fixture(scope="module")
def evidence(synthetic: SyntheticRun) -> Evidence:
    return read_evidence(synthetic.run, "val", find_task(synthetic.run))


def test_enough_of_everything_needs_no_excuse(evidence: Evidence) -> None:
    assert explain_absences(evidence) == Absences("", "", "", "", "", "")
    nothing = replace(evidence, calibration=None, embedding=None, projection_history=None, journal=())
    assert explain_absences(nothing) == Absences("", "", "", "", "", ""), "what was never measured says so elsewhere"


def with_calibrated(evidence: Evidence, count: int) -> Evidence:
    assert evidence.calibration
    return replace(evidence, calibration=replace(evidence.calibration, num_samples=count))


def with_projected(evidence: Evidence, count: int) -> Evidence:
    assert evidence.embedding
    chosen = evidence.embedding.select(np.arange(count))
    return replace(evidence, embedding=replace(chosen, left_out=0))


def with_judged(evidence: Evidence, count: int) -> Evidence:
    assert evidence.embedding
    assert evidence.embedding.similarity
    similarity = replace(evidence.embedding.similarity, order=tuple(range(count)))
    return replace(evidence, embedding=replace(evidence.embedding, similarity=similarity))


def test_the_thresholds(evidence: Evidence) -> None:
    for count, is_shown in ((FEWEST_CALIBRATED - 1, False), (FEWEST_CALIBRATED, True)):
        assert (explain_absences(with_calibrated(evidence, count)).calibration == "") is is_shown
    for count, is_shown in ((FEWEST_PROJECTED - 1, False), (FEWEST_PROJECTED, True)):
        assert (explain_absences(with_projected(evidence, count)).projection == "") is is_shown
    for count, is_shown in ((FEWEST_COMPARED - 1, False), (FEWEST_COMPARED, True)):
        assert (explain_absences(with_judged(evidence, count)).similarity == "") is is_shown
    for count, is_shown in ((MOST_CLASSES + 1, False), (MOST_CLASSES, True)):
        assert (explain_absences(with_judged(evidence, count)).dendrogram == "") is is_shown
    for count, is_shown in ((1, False), (2, True)):
        assert (explain_absences(replace(evidence, journal=evidence.journal[:count])).curves == "") is is_shown


def test_each_says_why_in_one_line(evidence: Evidence) -> None:
    two = ClassList(("a", "b"), ("a", "b"))
    assert explain_absences(with_calibrated(evidence, 20)).calibration == (
        "Not shown: 20 images are too few for the 15 bins of a reliability diagram. It is shown from 50."
    )
    assert explain_absences(with_projected(evidence, 12)).projection == (
        "Not shown: 12 images are too few to see groups among neighbours. The projection is shown from 20."
    )
    assert explain_absences(with_judged(evidence, 1)).similarity == (
        "Not shown: of 4 classes, 1 have enough images. Similar classes are shown from 3."
    )
    assert explain_absences(replace(with_judged(evidence, 2), classes=two)).similarity == (
        "Not shown: 2 classes cannot form groups. Shown from 3."
    )


def test_what_steps_aside_draws_nothing(synthetic: SyntheticRun, evidence: Evidence, tmp_path: Path) -> None:
    small = with_projected(with_calibrated(with_judged(evidence, 2), 20), 12)
    few = replace(small, journal=small.journal[:1])
    page = write_page(
        make_page(few, Originals(synthetic.find_image, lambda key, size: None)), tmp_path / "page.html"
    ).read_text(encoding="utf-8")
    for anchor in ("calibration", "projection", "similar", "curves"):
        section = re.search(rf'<section id="{anchor}".*?</section>', page, re.S)
        assert section, anchor
        assert section[0].count("Not shown: ") == 1
        assert not re.search(r"<(svg|img|table|dl)\b|id=\"plot\"", section[0]), anchor
    assert "Bokeh" not in page, "the script of the plot is not there either"
