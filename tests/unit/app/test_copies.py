"""Files that are the same, whatever they are called."""

from pathlib import Path

from finesight.app.copies import START, find_copies
from finesight.data.sample import Item


def test_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    long = b"x" * START
    files = {
        "a": b"one",
        "b": b"two",
        "c": long + b"1",
        "d": long + b"2",
        "copy of a": b"one",
        "copy of c": long + b"1",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    originals = [tmp_path / name for name in ("a", "c", "b", "gone")]
    items = [Item(name, tmp_path / name) for name in ("copy of a", "copy of c", "d", "link", "a", "missing")]
    assert find_copies(items, originals) == ["copy of a", "copy of c", "link", "a"]
    assert find_copies(items, []) == []
