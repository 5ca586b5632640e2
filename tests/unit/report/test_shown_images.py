"""A page of many images holds a sample of them, and says so; its numbers stay those of all."""

import re
from pathlib import Path

import numpy as np
import pytest
from rendering import render_report
from synthetic_run import SyntheticRun
from test_report_page import read_data

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.reporting import shown_images
from finesight.reporting.shown_images import sample_evidence
from finesight.tasks import find_task

MOST = 24


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_images, "MOST_SHOWN", MOST)


@pytest.fixture
def evidence(synthetic: SyntheticRun) -> Evidence:
    return read_evidence(synthetic.run, "val", find_task(synthetic.run))


def test_few_images_are_all_shown(evidence: Evidence) -> None:
    assert sample_evidence(evidence) is evidence


@pytest.mark.usefixtures("few")
def test_a_sample_holds_errors_and_every_class(evidence: Evidence) -> None:
    assert evidence.embedding
    assert evidence.embedding.nearest
    named = evidence.images[-1].key
    sample = sample_evidence(evidence, [named])
    assert sample.embedding
    assert sample.embedding.nearest
    assert len(sample.images) == len(sample.embedding.images) == len(sample.embedding.projection.points) == MOST
    assert sample.embedding.left_out == len(evidence.images) - MOST
    assert named in {image.key for image in sample.images}
    num_errors = sum(image.is_error for image in evidence.images)
    assert sum(image.is_error for image in sample.images) == min(num_errors, MOST // 2)
    assert {image.truth for image in sample.images} == {0, 1, 2, 3}
    rows = {image.key: row for row, image in enumerate(evidence.embedding.images)}
    for row, image in enumerate(sample.embedding.images):
        whole = evidence.embedding.nearest.indices[rows[image.key]]
        expected = [evidence.embedding.images[place].key for place in whole]
        found = [
            "" if place < 0 else sample.embedding.images[place].key for place in sample.embedding.nearest.indices[row]
        ]
        keys = {image.key for image in sample.images}
        assert found == [key if key in keys else "" for key in expected]
        point = evidence.embedding.projection.points[rows[image.key]]
        assert np.array_equal(sample.embedding.projection.points[row], point)


@pytest.mark.usefixtures("few")
def test_the_page_says_that_it_holds_a_sample(synthetic: SyntheticRun, tmp_path: Path) -> None:
    html = render_report(synthetic.run, tmp_path / "report.html", synthetic.find_image).read_text(encoding="utf-8")
    found = re.search(r"(\d+) of 60 images shown", html)
    assert found
    data = read_data(html)
    assert data["sampled"]
    assert len(data["projection"]["image"]) == int(found[1]) < 60
    assert len(data["images"]["key"]) < 70
    assert all(len(near) <= 6 and min(near, default=0) >= 0 for near in data["images"]["near"] if near is not None)
    assert "60 images" in html  # the number that the scores are of
