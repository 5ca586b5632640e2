"""`finesight explain`: overlays at the image's size, and what was seen in words."""

import shutil

import pytest
from commands import finesight
from PIL import Image

from tiny import write_images


@pytest.fixture
def few(tmp_path):
    return write_images(tmp_path / "few", per_class=1, first=50, size=40)


def test_overlays_are_written_at_the_images_size(trained, few, tmp_path):
    answer = finesight("explain", trained, few, "--out", tmp_path / "seen", "--json")
    assert answer.code == 0
    result = answer.json()
    assert len(result["images"]) == 3
    for seen in result["images"]:
        with Image.open(seen["file"]) as overlay:
            assert overlay.size == (40, 40)
        assert seen["class"] in ("red", "green", "blue")
        assert 1 / 3 - 1e-6 <= seen["probability"] <= 1
        assert seen["inside"] is None
    assert not list((tmp_path / "few").glob("*-*.png")), "nothing is written beside the images"


def test_the_classes_asked_for_are_looked_for(trained, few, tmp_path):
    one = few / "red_50.png"
    answer = finesight("explain", trained, one, "--class", "blue", "--class", "red", "--out", tmp_path / "seen")
    assert answer.code == 0
    assert [line.split(",")[0] for line in answer.out.splitlines()[:2]] == ["red_50.png: blue", "red_50.png: red"]
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["red_50-blue.png", "red_50-red.png"]


def test_what_cannot_be_explained_is_said(trained, few, tmp_path):
    assert "'purple'" in finesight("explain", trained, few, "--class", "purple").error()
    (few / "broken_1.png").write_bytes(b"")
    answer = finesight("explain", trained, few, "--out", tmp_path / "seen")
    assert answer.code == 1
    assert "broken_1.png" in answer.err
    assert "3 overlays" in answer.out


def test_a_report_shows_where_the_network_looked_in_its_mistakes(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    assert finesight("embed", run, "--method", "pca").code == 0
    answers = run / "evaluation/val/predictions.csv"
    header, *rows = (line.split(",") for line in answers.read_text().splitlines())
    rows = [[key, truth, "red" if truth == "blue" else "blue", "0.9"] for key, truth, *_ in rows]
    answers.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    assert finesight("report", run, "--out", tmp_path / "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert page.count('alt="Grad-CAM of ') == len(rows) > 0
