"""The table of docs/reliability.md counts what tests told, and takes no other line's place."""

from pathlib import Path

from reliability import END, START, Tally


def test_rows_of_the_same_words_are_summed() -> None:
    tally = Tally()
    tally("kill", "inside an epoch", 3)
    tally("kill", "inside an epoch", 4, epochs_lost=1)
    tally("input", "class lists", 10_000)
    lines = tally.table().splitlines()
    assert "| **kills survived** | 7 | 1 | 0 |" in lines
    assert "| inside an epoch | 7 | 1 | 0 |" in lines
    assert "| class lists | 10,000 | 0 | 0 |" in lines
    assert "| **faults injected** | 0 | 0 | 0 |" in lines


def test_rows_of_what_was_not_run_are_kept() -> None:
    old, tally = Tally(), Tally()
    old("input", "class lists", 10_000)
    old("input", "recipes", 200, images_lost=1)
    tally("input", "recipes", 10_000)
    tally.keep(f"{old.table()}\n\n100 tests, 151 s.")
    lines = tally.table().splitlines()
    assert "| **inputs fuzzed** | 20,000 | 0 | 0 |" in lines
    assert "| recipes | 10,000 | 0 | 0 |" in lines
    assert "| class lists | 10,000 | 0 | 0 |" in lines


def test_the_page_has_the_marks_the_table_stands_between() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert text.index(START) < text.index(END)
