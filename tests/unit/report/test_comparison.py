import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rendering import render_comparison
from synthetic_masks import MaskRun, write_mask_run
from synthetic_run import SyntheticRun, write_run
from test_report_page import Page, read_data

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.app.compare import compare
from finesight.errors import ConfigError
from finesight.reporting.comparison import (
    check_comparable,
    judge_outcome,
    list_changes,
    list_contrasts,
    list_settings,
    name_runs,
)
from finesight.reporting.html import write_page
from finesight.reporting.originals import Originals
from finesight.run.results import ClassDifference, Compared
from finesight.tasks import TASKS, find_task


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> tuple[MaskRun, MaskRun]:
    folder = tmp_path_factory.mktemp("masks")
    improved = write_mask_run(folder, "<b>improved", 6, 0.97, network="fcn8s")
    improved.run.add_note("Skips of two <i>stages</i>.")
    return write_mask_run(folder, "baseline"), improved


@pytest.fixture(scope="module")
def pair(masks: tuple[MaskRun, MaskRun]) -> list[Evidence]:
    return [read_evidence(made.run, "val", find_task(made.run)) for made in masks]


@pytest.fixture(scope="module")
def page(masks: tuple[MaskRun, MaskRun], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "r.html"
    return render_comparison([made.run for made in masks], out, masks[0].originals).read_text(encoding="utf-8")


def test_page_is_sound(page: str) -> None:
    parsed = Page(page)
    assert not parsed.unbalanced
    assert not parsed.open
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in parsed.values("href") if value.startswith("#")} <= set(ids)
    assert "<b>improved" not in page
    assert "&lt;b&gt;improved" in page


def test_notes_are_in_the_verdict_and_times_among_the_runs(page: str) -> None:
    verdict, runs = (re.search(f'id="{part}".*?</(header|section)>', page, re.S) for part in ("verdict", "runs"))
    assert verdict
    assert runs
    assert "&lt;b&gt;improved:</strong> Skips of two &lt;i&gt;stages&lt;/i&gt;." in verdict[0]
    assert verdict[0].count("own-note") == 1
    assert runs[0].count('<th scope="row">') == 2
    assert '<th scope="col">Machine</th>' in runs[0]


def test_numbers_are_those_of_the_evaluations(masks: tuple[MaskRun, MaskRun], page: str) -> None:
    before, after = (made.run.read_json("evaluation/val/metrics.json")["metrics"] for made in masks)
    for name in ("miou", "miou_unmasked", "iou/meadow"):
        for value in (before[name], after[name]):
            assert f'<data value="{value}">' in page
        assert f'value="{after[name] - before[name]}"' in page
    headline = re.sub(r"<.*?>", "", page[page.index("<h1>") : page.index("</h1>")])
    assert headline == f"Mean IoU {before['miou']:.4f} → {after['miou']:.4f}"


def test_architectures_and_settings_that_differ(page: str, pair: list[Evidence]) -> None:
    assert [name for name, _ in list_settings(pair)] == ["epochs", "model.name"]
    lines = re.findall(r'<span class="(gone|new)-line">[-+](\w[^ ]*)', page)
    assert ("gone", "score_fr") in lines
    assert ("new", "score_pool3") in lines


def test_both_films_share_one_slider(page: str) -> None:
    film = read_data(page)["snapshots"]
    assert film["epochs"] == [1, 2, 3, 4, 5, 6]
    assert [strip["epochs"][-1] for strip in film["strips"]] == [4, 6] * 3


def test_images_that_changed_most_come_first(pair: list[Evidence]) -> None:
    scores = [{each.key: each.fraction_right or 0 for each in run.evaluation.images} for run in pair if run.evaluation]
    better, worse = ([change.after.key for change in side] for side in list_changes(*pair))
    gain = {key: scores[1][key] - scores[0][key] for key in scores[0]}
    assert better == sorted((key for key in gain if gain[key] > 0), key=lambda key: -gain[key])
    back = ([change.after.key for change in side] for side in list_changes(*pair[::-1]))
    assert list(back) == [worse, better]


def test_runs_that_cannot_be_compared(pair: list[Evidence], tmp_path: Path) -> None:
    first, other = pair
    run = write_run(tmp_path / "c").run
    classification = read_evidence(run, "val", find_task(run))
    with pytest.raises(ConfigError, match="their tasks differ, segmentation and classification"):
        check_comparable([first, classification])
    classes = dataclasses.replace(first.classes, ids=("meadow", "sea", "town", "unknown"))
    with pytest.raises(ConfigError, match="their classes differ, 'lake' is in one of them only"):
        check_comparable([first, dataclasses.replace(other, classes=classes)])
    ignored = dataclasses.replace(first.classes, ignore=None)
    with pytest.raises(ConfigError, match="the ignored class is another"):
        check_comparable([first, dataclasses.replace(other, classes=ignored)])
    assert other.evaluation
    fewer = dataclasses.replace(other.evaluation, images=other.evaluation.images[1:])
    with pytest.raises(ConfigError, match=r"images of split 'val' differ, \"val/0000 'x'_sat.png\" is in one"):
        check_comparable([first, dataclasses.replace(other, evaluation=fewer)])
    check_comparable([first, other])


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[SyntheticRun, list[Evidence]]:
    """Two classification runs; the second tells one image right that the first did not, and one wrong."""
    made = write_run(tmp_path_factory.mktemp("first"))
    evidence = read_evidence(made.run, "val", find_task(made.run))
    assert evidence.evaluation
    told = list(evidence.evaluation.images)
    wrong = next(i for i, answer in enumerate(told) if answer.is_error)
    right = next(i for i, answer in enumerate(told) if not answer.is_error)
    told[wrong] = dataclasses.replace(told[wrong], prediction=told[wrong].truth, fraction_right=1.0)
    told[right] = dataclasses.replace(told[right], prediction=3, fraction_right=0.0)
    evaluation = dataclasses.replace(evidence.evaluation, images=tuple(told))
    return made, [evidence, dataclasses.replace(evidence, evaluation=evaluation)]


def test_images_put_right_and_spoilt(answers: tuple[SyntheticRun, list[Evidence]]) -> None:
    right, spoilt = list_changes(*answers[1])
    assert len(right) == len(spoilt) == 1
    assert right[0].before.is_error
    assert not right[0].after.is_error
    assert spoilt[0].after.prediction == 3


def test_lower_log_loss_is_a_gain(answers: tuple[SyntheticRun, list[Evidence]]) -> None:
    first, other = answers[1]
    assert other.evaluation
    metrics = other.evaluation.metrics
    changed = metrics | {"log_loss": metrics["log_loss"] - 0.1, "accuracy": metrics["accuracy"] - 0.1}
    worse = dataclasses.replace(other, evaluation=dataclasses.replace(other.evaluation, metrics=changed))
    rows = {row.name: row for row in list_contrasts([first, worse])}
    assert rows["log_loss"].gains == (None, True)
    assert rows["accuracy"].gains == (None, False)
    assert rows["macro_f1"].gains == (None, None)
    assert all(name.count("/") == 0 for name in rows)
    assert [row.name for row in list_contrasts([first, worse], "f1/")] == list(first.classes.names)


def test_page_of_classification_runs(answers: tuple[SyntheticRun, list[Evidence]], tmp_path: Path) -> None:
    made = answers[0]
    other = write_run(tmp_path / "other", epochs=7)
    originals = Originals(made.find_image, lambda key, size: None)
    out = render_comparison([made.run, other.run, made.run], tmp_path / "r.html", originals)
    html = out.read_text(encoding="utf-8")
    assert not Page(html).unbalanced
    assert "3 runs compared" in html
    assert "F1</a> of each class" in html
    images = read_data(html)["images"]
    assert [answers["name"] for answers in images["runs"]] == name_runs(
        [read_evidence(run, "val", find_task(run)) for run in (made.run, other.run, made.run)]
    )
    assert len(images["near"]) == len(images["key"]) == 60  # of the last run, which was embedded


@pytest.fixture
def compared(answers: tuple[SyntheticRun, list[Evidence]]) -> Compared:
    made, _ = answers
    return compare(made.run.path, made.run.path, resamples=200)


@pytest.mark.parametrize(
    ("difference", "interval", "word"),
    [
        (0.02, (0.01, 0.03), "Better"),
        (-0.02, (-0.03, -0.01), "Worse"),
        (0.02, (-0.01, 0.05), "Not distinguishable"),
        (0.0, (0.0, 0.0), "Not distinguishable"),
    ],
)
def test_the_interval_decides_the_outcome(
    compared: Compared, difference: float, interval: tuple[float, float], word: str
) -> None:
    outcome = judge_outcome(replace(compared, difference=difference, interval=interval, num_images=100))
    assert outcome.word == word
    assert 0 < outcome.places[0] <= outcome.places[1] <= outcome.places[2] < 100
    assert (outcome.places[1] > 50) == (difference > 0)


def test_few_images_decide_nothing_and_are_told(
    answers: tuple[SyntheticRun, list[Evidence]], compared: Compared, tmp_path: Path
) -> None:
    made, pair = answers
    row = ClassDifference(0.5, 0.5, 0.0, interval=None, p_value=1.0, num_images=1)
    few = replace(compared, difference=0.2, interval=(0.1, 0.3), num_images=3, classes={"red": row})
    assert judge_outcome(few).word == "Not distinguishable"
    originals = Originals(made.find_image, lambda key, size: None)
    page = TASKS["classification"].make_comparison_page(pair, originals, [few])
    html = write_page(page, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "too few images to tell which run is better" in html
    assert "1 image: too few" in html
    assert "±0.0000 to" not in html
    assert not Page(html).unbalanced


def test_the_outcome_and_its_interval_come_first(answers: tuple[SyntheticRun, list[Evidence]], tmp_path: Path) -> None:
    made, pair = answers
    other = write_run(tmp_path / "other", epochs=7)
    compared = compare(made.run.path, other.run.path, resamples=200)
    originals = Originals(made.find_image, lambda key, size: None)
    page = TASKS["classification"].make_comparison_page(
        [pair[0], read_evidence(other.run, "val", find_task(other.run))], originals, [compared]
    )
    html = write_page(page, tmp_path / "r.html").read_text(encoding="utf-8")
    head = html[html.index("<header") : html.index("</header>")]
    assert "<h1>Not distinguishable: accuracy" in head  # both tell the same
    assert "The interval includes zero" in head
    assert not Page(html).unbalanced


def test_runs_of_one_name_are_told_apart_by_path(answers: tuple[SyntheticRun, list[Evidence]]) -> None:
    first, _ = answers[1]
    elsewhere = dataclasses.replace(first, run=Path("other") / first.run.name)
    assert name_runs([first, elsewhere]) == [str(first.run), str(elsewhere.run)]
