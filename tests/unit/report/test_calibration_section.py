"""The reliability diagram and its words, for both tasks."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rendering import render_report
from synthetic_masks import MaskRun, write_mask_run
from synthetic_run import SyntheticRun

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.metrics.calibration import calibrate
from finesight.metrics.confusion import DEFINITIONS
from finesight.reporting.calibration import SIDE, describe_calibration, describe_scaling, draw_reliability, judge
from finesight.reporting.charts import TOP
from finesight.run.calibration import Calibration
from finesight.run.folder import RunFolder
from finesight.tasks import find_task


@pytest.fixture(scope="module")
def evidence(synthetic: SyntheticRun) -> Evidence:
    return read_evidence(synthetic.run, "val", find_task(synthetic.run))


def measure(factor: float) -> Calibration:
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 4, generator=random)
    targets = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    return calibrate(factor * logits, targets, torch.arange(4000), "image", "val")


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "Well calibrated"), (3.0, "Overconfident"), (0.3, "Underconfident")]
)
def test_the_verdict_follows_the_numbers(factor: float, verdict: str) -> None:
    assert verdict in judge(measure(factor))


def test_where_every_answer_is_right_no_temperature_is_claimed() -> None:
    targets = torch.arange(40) % 4
    found = calibrate(torch.eye(4)[targets], targets, torch.arange(40), "image", "val")
    assert found.all_right
    assert "No temperature can be fitted" in describe_scaling(found, "")
    assert not measure(1.0).all_right


def test_a_temperature_that_is_not_offered_is_not_drawn(evidence: Evidence) -> None:
    found = measure(1.0)
    worse = replace(found, before=found.after, after=measure(3.0).before)
    story = describe_calibration(replace(evidence, calibration=worse), "")
    assert story is not None
    assert "No temperature is offered" in story.paragraphs[1]
    assert worse.why_not in story.paragraphs[1]
    assert len(story.diagrams) == 1


def test_bars_stand_where_their_numbers_say() -> None:
    found = measure(3.0).before
    diagram = draw_reliability("Before", found, "image")
    filled = [each for each in found.bins if each.count]
    assert len(diagram.bars) == len(filled)
    for bar, each in zip(diagram.bars, filled, strict=True):
        assert bar.top == pytest.approx(TOP + SIDE * (1 - each.accuracy), abs=0.1)
        assert bar.top + bar.height == pytest.approx(diagram.bottom, abs=0.2)
        assert bar.gap_height == pytest.approx(SIDE * abs(each.accuracy - each.confidence), abs=0.1)
        assert f"{each.count:,} images" in bar.label
    assert f"{found.ece:.4f}" in diagram.summary


def test_the_page_shows_what_the_run_holds(synthetic: SyntheticRun, evidence: Evidence, page: str) -> None:
    found = Calibration.load(synthetic.run)
    assert found is not None
    assert evidence.calibration == found
    section = page.partition('<section id="calibration"')[2].partition("</section>")[0]
    for text in (f"{found.before.ece:.4f}", f"{found.after.ece:.4f}", f"{found.temperature:.3f}", "--calibrated"):
        assert text in section
    assert section.count('<svg class="reliability"') == 2
    assert '<a class="number" href="#term-ece">' in section
    assert DEFINITIONS["ece"].split("|")[2].split(";")[0].replace("'", "&#39;") in page


def test_masks_have_it_too(tmp_path: Path) -> None:
    made = write_mask_run(tmp_path)
    story = describe_calibration(read_evidence(made.run, "val", find_task(made.run)), "Masks do not change.")
    assert story is not None
    assert "pixels" in story.paragraphs[1]
    assert "Masks do not change." in story.paragraphs[1]
    html = render(made)
    assert "reliability" in html
    assert "Masks do not change" in html


def render(made: MaskRun) -> str:
    originals = made.originals
    out = render_report(made.run, made.run.path / "r.html", originals.find_image, originals.read_truth)
    return out.read_text(encoding="utf-8")


def test_a_run_that_was_not_calibrated_says_how(synthetic: SyntheticRun, evidence: Evidence, tmp_path: Path) -> None:
    assert describe_calibration(replace(evidence, calibration=None), "") is None
    shutil.copytree(synthetic.run.path, tmp_path / "run")
    (tmp_path / "run" / "calibration.json").unlink()
    run = RunFolder(tmp_path / "run")
    html = render_report(run, tmp_path / "r.html", synthetic.find_image).read_text(encoding="utf-8")
    assert "Calibration has not been measured" in html
