"""Rows of a bulk prediction: found again by their place in the file, in the order of the images."""

import os
from pathlib import Path

import pytest

from finesight.data.sample import Item
from finesight.errors import RunError
from finesight.inference.continuation import Rows, last_change


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    folder = tmp_path / "images"
    folder.mkdir()
    made = [Item(name, folder / name) for name in ("a.png", "b.png", "猫.png", "d.png")]
    for item in made:
        item.path.touch()
    return made


def list_rows(rows: Rows, items: list[Item]) -> list[tuple[str, object]]:
    return [(item.key, prediction) for item, prediction in rows.read(items, rows.locate(items))]


def test_rows_come_in_the_order_of_the_images(tmp_path: Path, items: list[Item]) -> None:
    rows = Rows(tmp_path / "rows")
    rows.folder.mkdir()
    for some in ([(items[2], [2, 0.5]), (items[0], {"0": 0.25})], [(items[1], [1, 0.75])]):
        with rows.open() as file:
            rows.write(file, some)
    assert list_rows(rows, items) == [("a.png", {"0": 0.25}), ("b.png", [1, 0.75]), ("猫.png", [2, 0.5])]
    assert rows.locate(items).is_current.tolist() == [True, True, True, False]


def test_the_row_of_the_image_as_it_is_now_counts(tmp_path: Path, items: list[Item]) -> None:
    rows = Rows(tmp_path / "rows")
    rows.folder.mkdir()
    with rows.open() as file:
        rows.write(file, [(items[0], "before"), (items[1], "stays")])
        os.utime(items[0].path, (1, 1))
        assert rows.locate(items).is_current.tolist() == [False, True, False, False]
        rows.write(file, [(items[0], "after")])
    assert list_rows(rows, items) == [("a.png", "after"), ("b.png", "stays")]


def test_a_line_that_was_cut_off_is_none_and_a_damaged_one_an_error(tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(f'["a.png", {last_change(items[0])}, 1]\n\n["b.png", 1')
    assert list_rows(Rows(tmp_path), items) == [("a.png", 1)]
    path.write_text('["a.png", 1, 1]\n{\n')
    with pytest.raises(RunError, match=r"one\.jsonl is damaged"):
        Rows(tmp_path).locate(items)
