"""Reports by the command line: of a segmentation, and of two runs side by side."""

import shutil
from pathlib import Path

import pytest
from commands import finesight, train
from test_segmentation import NETWORK, draw_pairs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs on the same pairs, of other seeds and lengths. Read them, never write to them."""
    root, out = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("runs")
    draw_pairs(root / "train", 4)
    draw_pairs(root / "validation", 4, first=100)
    settings = NETWORK | {"batch_size": 4, "optim__lr": 0.02}
    assert train(root, out / "baseline", epochs=1, **settings).code == 0
    assert train(root, out / "longer", epochs=2, seed=1, **settings).code == 0
    return out / "baseline", out / "longer"


def test_report_of_a_segmentation_makes_what_it_needs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs[1], tmp_path / "run")
    shutil.rmtree(run / "evaluation")
    answer = finesight("report", run, "--note", "Thin roads are lost.", "--json")
    assert answer.json() == {"report": str(run / "report.html")}
    assert (run / "evaluation/val/images.csv").is_file()  # made, for it was not there
    assert (run / "embedding/val/map.json").is_file()
    assert (run / "notes.md").read_text(encoding="utf-8") == "Thin roads are lost.\n"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Thin roads are lost." in page
    assert (run / "findings/val.json").is_file()
    after_findings = page.partition('id="metrics"')[2]
    assert after_findings.count('alt="True mask"') == 2 + 2 + 4  # film, its table, best and worst
    assert "not there" not in page
    assert 1 <= page.count("<figcaption>Grad-CAM of <span") <= 2  # of worst, but where all is right
    assert page.count('class="nearby js-only"') == 2 + 4 + page.partition('id="metrics"')[0].count('class="nearby')


def test_report_of_two_runs(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    assert finesight("report", *runs, "--out", out, "--json").json() == {"report": str(out)}
    page = out.read_text(encoding="utf-8")
    assert "2 runs compared" in page
    assert '<th scope="row"><code>seed</code></th>' in page


def test_report_of_runs_that_do_not_belong_together(runs: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "both.html"
    assert "A note is about one run, and 2 are named" in finesight("report", *runs, "--note", "Both.").error()
    assert "their tasks differ" in finesight("report", runs[0], trained, "--out", out).error()
    assert not out.exists()


def test_report_after_the_data_are_gone(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(runs[0], tmp_path / "run")
    config = (run / "config.toml").read_text(encoding="utf-8")
    (run / "config.toml").write_text(config.replace("pairs", "gone"), encoding="utf-8")
    answer = finesight("report", run)
    assert answer.code == 0, answer.err
    assert "the report has no images" in answer.err
    assert "the report has no projection" in answer.err
