"""A file is looked at once, and again when it changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finesight.data import cache_files, file_facts
from finesight.data.decoders import Images
from finesight.data.file_facts import find_facts, looking_once
from finesight.data.image_cache import open_pixels
from finesight.data.images import bands, image_files
from finesight.data.images.image import image_sizes
from finesight.data.images.reading_notes import describe_reading
from finesight.data.images.scaling import AS_STORED
from finesight.data.sample import Item


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """Three files, which count as old at once."""
    monkeypatch.setenv("FINESIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_facts, "TICK_NS", -(10**18))
    folder = tmp_path / "data" / "cat"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"{number}")
    return [Item(f"cat/{number}.txt", folder / f"{number}.txt") for number in range(3)]


def ask(items: list[Item]) -> tuple[list[bytes | None], list[str]]:
    """(answers, names of the files that were opened)."""
    opened: list[str] = []

    def find_out(file: str) -> bytes | None:
        path = Path(file)
        opened.append(path.name)
        return path.read_bytes() if path.is_file() else None

    return list(find_facts("first byte", 1, find_out, items, [item.file for item in items])), sorted(opened)


def test_a_file_is_opened_once(items: list[Item]) -> None:
    assert ask(items) == ([b"0", b"1", b"2"], ["0.txt", "1.txt", "2.txt"])
    assert ask(items) == ([b"0", b"1", b"2"], [])
    assert ask(items[1:]) == ([b"1", b"2"], [])
    assert ask(items) == ([b"0", b"1", b"2"], [])  # what was asked of some has not made the others forgotten


def test_a_changed_file_is_opened_again(items: list[Item]) -> None:
    ask(items)
    items[1].path.write_text("x")  # of the same size
    assert ask(items) == ([b"0", b"x", b"2"], ["1.txt"])


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_opened_again(items: list[Item], tmp_path: Path) -> None:
    """As `cp -p` and `rsync -t` do: the time at which the file system itself says that it changed tells."""
    ask(items)
    before = items[1].path.stat()
    other = tmp_path / "other"
    other.write_text("x")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(items[1].path)
    assert items[1].path.stat().st_mtime_ns == before.st_mtime_ns
    assert ask(items) == ([b"0", b"x", b"2"], ["1.txt"])


def test_a_file_that_vanished_is_asked_and_not_remembered(items: list[Item]) -> None:
    ask(items)
    items[1].path.unlink()
    assert ask(items) == ([b"0", None, b"2"], ["1.txt"])
    items[1].path.write_text("y")
    assert ask(items) == ([b"0", b"y", b"2"], ["1.txt"])


def test_a_file_that_changed_just_now_is_not_remembered(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next change may fall into the same tick of the clock."""
    monkeypatch.setattr(file_facts, "TICK_NS", 10**12)
    assert ask(items)[1] == ask(items)[1] == ["0.txt", "1.txt", "2.txt"]


def test_within_a_block_each_file_is_looked_at_once(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    stat = os.stat
    ask(items)
    monkeypatch.setattr(os, "stat", lambda file, **more: (looked.append(os.fspath(file)), stat(file, **more))[1])
    with looking_once():
        assert ask(items)[1] == ask(items)[1] == []
    files = [item.file for item in items]
    assert sorted(file for file in looked if file in files) == files
    items[1].path.write_text("x")
    with looking_once():
        assert ask(items)[1] == ["1.txt"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_broken_facts_are_no_facts(items: list[Item], tmp_path: Path, content: bytes) -> None:
    ask(items)
    (facts,) = (tmp_path / "cache" / "files").iterdir()
    facts.write_bytes(content)
    assert ask(items)[1] == ["0.txt", "1.txt", "2.txt"]
    assert ask(items)[1] == []


def test_few_files_of_facts_are_kept(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_facts, "MOST_FILES", 2)
    for number in range(4):
        list(find_facts(f"kind {number}", 1, lambda file: b"1", items, [item.file for item in items]))
    assert len(list((tmp_path / "cache" / "files").iterdir())) == 2


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_a_second_start_opens_no_image(items: list[Item], mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, item in enumerate(items):
        Image.fromarray(np.full((6, 5, 3), number, np.uint8)).save(item.path, "PNG")
    decoder = Images((4, 4), "stretch", "bilinear", AS_STORED)

    def start() -> np.ndarray:
        assert list(image_sizes(items)) == [(6, 5)] * 3
        assert describe_reading(items, AS_STORED) == ()
        pixels, kept, bad = open_pixels(items, decoder, mode=mode)  # type: ignore[arg-type]
        assert kept == tuple(items)
        assert not bad
        return pixels.read([0, 1, 2]) if mode == "auto" else np.zeros(1)

    first = start()

    def refuse(*_: object) -> None:
        raise AssertionError("an image was opened")

    with monkeypatch.context() as patched:
        patched.setattr(image_files, "_open", refuse)
        patched.setattr(bands, "open_image", refuse)
        patched.setattr(cache_files, "_build", refuse)
        assert np.array_equal(start(), first)
    items[2].path.write_bytes(b"no image")
    with pytest.raises(Exception, match=r"cat/2\.txt"):
        open_pixels(items, decoder, mode=mode)  # type: ignore[arg-type]
