"""Names with blanks, quotes, markup, Chinese and terminal escapes get from folder to page, and act on nothing."""

import csv
import html
import json
from pathlib import Path

import pytest
from commands import Answer, draw, finesight, train

ESCAPE = "\x1b[31mred\x1b]0;title\x07\x9b2J"  # colour, window title, and the one-byte CSI
CLASSES = {
    "a class": "red",
    'it\'s "so"': "green",
    "<script>alert(1)<∕script>": "blue",  # a folder's name can hold no slash
    "狼 🐺": "red",
    f"{ESCAPE}": "green",
    "=cmd|' ,;": "blue",
}
IMAGES = ("plain.png", "two words.png", "q'uo\"te.png", "<img src=x onerror=alert(1)>.png", "图片.png", f"{ESCAPE}.png")


def has_control(text: str) -> bool:
    return any(not c.isprintable() and c != "\n" for c in text)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Answer]]:
    """(images, run, what training and all that follows printed)."""
    home = tmp_path_factory.mktemp("ho me") / f"a 'b' <i> 图 {ESCAPE}"
    for number, (label, colour) in enumerate(CLASSES.items()):
        for name in IMAGES:
            draw(home / "data" / label / name, colour, seed=number)
    run = home / "run"
    answers = [
        train(home / "data", run, data__val_share=0.5),
        finesight("evaluate", run),
        finesight("embed", run, "--method", "pca"),
        finesight("predict", run, home / "data", "--out", home / "labels.csv"),
        finesight("report", run),
    ]
    return home / "data", run, answers


def test_all_commands_take_them(places: tuple[Path, Path, list[Answer]]) -> None:
    for answer in places[2]:
        assert answer.code == 0, answer.err


def test_nothing_reaches_the_terminal_raw(places: tuple[Path, Path, list[Answer]]) -> None:
    for answer in places[2]:
        assert not has_control(answer.out)
        assert not has_control(answer.err)
    assert any("狼 🐺" in answer.out for answer in places[2])
    assert any("�[31mred" in answer.out for answer in places[2])


@pytest.mark.parametrize("command", ["evaluate", "embed"])
def test_json_carries_names_unharmed(places: tuple[Path, Path, list[Answer]], command: str) -> None:
    answer = finesight(command, places[1], "--json")
    assert not has_control(answer.out)
    assert answer.out.isascii()
    if command == "evaluate":
        assert {name.partition("/")[2] for name in answer.json()["metrics"] if "/" in name} == set(CLASSES)


def test_files_carry_names_unharmed(places: tuple[Path, Path, list[Answer]]) -> None:
    data, run, _ = places
    keys = {f"{label}/{name}" for label in CLASSES for name in IMAGES}
    with (run / "splits.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["key"] for row in rows} == keys
    assert all(row["key"].startswith(row["label"] + "/") for row in rows)
    with (data.parent / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    assert {row["filename"] for row in labels} == keys
    assert {row["label"] for row in labels} <= set(CLASSES)
    assert set(json.loads((run / "classes.json").read_text(encoding="utf-8"))["ids"]) == set(CLASSES)


def test_the_page_shows_names_as_text(places: tuple[Path, Path, list[Answer]]) -> None:
    page = (places[1] / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert html.escape("<script>alert(1)<", quote=False) in page
    assert "狼 🐺" in page


def test_errors_about_them_are_one_safe_line(places: tuple[Path, Path, list[Answer]], tmp_path: Path) -> None:
    data, run, _ = places
    for answer in (
        train(data, run),
        train(tmp_path / ESCAPE, tmp_path / "run"),
        train(data, tmp_path / "run", "--model", ESCAPE),
        train(data, tmp_path / "run", "--set", f"{ESCAPE}=1"),
        train(data, tmp_path / "run", "--set", f"checkpoint.best={ESCAPE}"),
        finesight("predict", tmp_path / ESCAPE, data),
    ):
        assert answer.error()
        assert not has_control(answer.err)


def test_unreadable_images_are_named_safely(
    places: tuple[Path, Path, list[Answer]], small: Path, tmp_path: Path
) -> None:
    (small / f"red_{ESCAPE}1.png").write_bytes(b"")
    answer = finesight("predict", places[1], small, "--out", tmp_path / "labels.csv")
    assert answer.code == 1
    assert not has_control(answer.err)
    assert not has_control(train(small, tmp_path / "run", "--on-bad-image", "skip").err)
    assert not has_control(train(small, tmp_path / "other").err)


def test_a_line_break_in_a_name_makes_no_second_line(small: Path, tmp_path: Path) -> None:
    (small / "red_1\nError: all is lost 2.png").write_bytes(b"")
    answer = train(small, tmp_path / "run")
    assert answer.error().startswith("Error: 1 of ")
