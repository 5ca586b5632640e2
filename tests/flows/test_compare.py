"""`finesight compare`: from two runs to a verdict."""

import shutil
from pathlib import Path

import pytest
from commands import finesight, train


@pytest.fixture(scope="module")
def runs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compared")
    for name, settings in (("poor", {"optim__lr": 1e-6}), ("good", {"epochs": 3}), ("other", {"seed": 5})):
        answer = train(images, folder / name, **settings)
        assert answer.code == 0, answer.err
    return [folder / name for name in ("poor", "good", "other")]


def test_a_verdict_with_its_interval(runs: list[Path]) -> None:
    answer = finesight("compare", runs[0], runs[1], "--json").json()
    low, high = answer["interval"]
    assert low <= answer["difference"] <= high
    assert answer["difference"] == pytest.approx(answer["improved"] - answer["baseline"])
    assert str(answer["num_samples"]) in answer["verdict"]
    assert answer["settings"]["optim.lr"][0] == 1e-6
    gained = answer["mcnemar"]["only_improved"] - answer["mcnemar"]["only_baseline"]
    assert answer["p_value"] == answer["mcnemar"]["p"]
    assert gained / answer["num_samples"] == pytest.approx(answer["difference"])
    assert answer["num_samples"] < 6
    assert "too few to tell" in answer["verdict"]
    assert "95 % interval" in finesight("compare", runs[0], runs[1]).out


def test_a_run_is_not_distinguishable_from_itself(runs: list[Path]) -> None:
    assert "not distinguishable" in finesight("compare", runs[1], runs[1]).out


def test_runs_with_other_images_are_refused(runs: list[Path]) -> None:
    answer = finesight("compare", runs[0], runs[2])
    assert answer.code == 2
    assert "images of split 'val' differ" in answer.err


def test_the_report_of_two_runs_shows_how_sure_it_is(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    assert finesight("report", runs[0], runs[1], "--out", out).code == 0
    answer = finesight("compare", runs[0], runs[1], "--json").json()
    assert answer["metric"] == "accuracy"
    assert answer["verdict"].startswith("Accuracy: not distinguishable")
    assert answer["verdict"] in out.read_text(encoding="utf-8")


def test_runs_of_other_labels_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs[1], tmp_path / "relabelled"))
    answers = other / "evaluation/val/predictions.csv"
    header, first, *rows = answers.read_text(encoding="utf-8").splitlines()
    key, truth, *rest = first.split(",")
    another = next(row.split(",")[1] for row in rows if row.split(",")[1] != truth)
    answers.write_text("\n".join([header, ",".join([key, another, *rest]), *rows, ""]), encoding="utf-8")
    answer = finesight("compare", runs[0], other)
    assert answer.code == 2
    assert f"1 images have another label or mask, first '{key}'" in answer.err
