"""What is passed over in a data folder is counted and told, by training and by predicting."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from finesight.app.inspect import inspect
from finesight.data.formats import list_images
from finesight.data.images.content import explain_content, recognise
from finesight.data.layouts.patterns import read_globs
from finesight.data.leftovers import CLAIM, Note
from finesight.errors import DataError
from listings import read_listing

Draw = Callable[..., Path]


@pytest.fixture
def data(draw: Draw, tmp_path: Path) -> Path:
    for label in ("fox", "wolf"):
        for number in range(4):
            draw(f"d/{label}/{number}.png")
    return tmp_path / "d"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("lynx/IMG_1.CR2", b"", "1 camera raw image ('lynx/IMG_1.CR2'); convert them to JPEG or PNG"),
        ("fox/9.psd", b"", "1 Photoshop image"),
        ("fox/9.jp2", b"", "1 JPEG 2000 image"),
        ("fox/9.CR2", b"", "1 camera raw image"),
        ("9.npy", b"", "1 NumPy file"),
        ("more.zip", b"", "1 archive ('more.zip'); unpack it"),
        ("fox/clip.mp4", b"", "1 video"),
        ("fox/9", b"\xff\xd8\xff\xe0", "1 file without an ending ('fox/9'); 'fox/9' is a JPEG image"),
        ("fox/9.jpg_large", b"\xff\xd8\xff\xe0", "1 file with the ending '.jpg_large'"),
        ("fox/9.weird", b"", "1 file with the ending '.weird' ('fox/9.weird')"),
        ("fox/._9.png", b"", "1 hidden file ('fox/._9.png')"),
    ],
)
def test_files_of_other_kinds(data: Path, name: str, content: bytes, says: str) -> None:
    (data / name).parent.mkdir(exist_ok=True)
    (data / name).write_bytes(content)
    listing = read_listing(data)
    assert f"Skipped: {says}" in " ".join(listing.notes)
    assert len(listing.splits["train"]) + len(listing.splits["val"]) == 8
    (problem,) = [each for each in inspect(data).problems if each.code in ("D107", "D108")]
    assert name in problem.keys
    assert ("class: 'lynx'" in " ".join(listing.notes)) == name.startswith("lynx")


def test_what_usually_lies_beside_images_is_not_told(data: Path) -> None:
    names = [
        "README",
        "LICENSE.md",
        "fox/0.json",
        "fox/0.pgw",
        "fox/Thumbs.db",
        "labels.xml",
        "desktop.ini",
        ".DS_Store",
    ]
    for name in names:
        (data / name).touch()
    assert read_listing(data).notes == ()


def test_folders_that_are_never_data(data: Path) -> None:
    for folder, files in (
        ("runs/first", ("config.toml", "model.json")),
        ("masks", (CLAIM,)),
        ("__MACOSX", ()),
        (".ipynb_checkpoints", ()),
    ):
        (data / folder).mkdir(parents=True)
        shutil.copy(data / "fox/0.png", data / folder)
        for name in files:
            (data / folder / name).write_text(json.dumps({}))
    listing = read_listing(data)
    assert listing.classes.ids == ("fox", "wolf")
    told = " ".join(listing.notes)
    for words in (
        "('masks'): written by finesight",
        "('__MACOSX'): made",
        "('runs/first'): runs",
        "('.ipynb_checkpoints'): hidden",
    ):
        assert f"Skipped: 1 folder {words}" in told
    assert "no class" not in told
    assert len(list_images(data)) == 8


def test_the_cache_in_the_data_is_never_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINESIGHT_CACHE", str(data / "cache"))
    shutil.copytree(data / "fox", data / "cache")
    assert read_listing(data).classes.ids == ("fox", "wolf")


def test_an_archive_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "d.zip").touch()
    with pytest.raises(DataError, match=r"d.zip' is an archive: unpack it, and name the folder"):
        read_listing(tmp_path / "d.zip")


def test_what_patterns_name_beside_images_is_told(draw: Draw, tmp_path: Path) -> None:
    for number in range(4):
        draw(f"photos/{number}.png")
        draw(f"drawn/{number}.png")
    (tmp_path / "photos/9.CR2").touch()
    notes: list[Note] = []
    read_globs(tmp_path, "photos", "drawn", notes)
    assert "Skipped: 1 camera raw image ('photos/9.CR2')" in " ".join(note.text for note in notes)


def test_an_empty_class_folder_is_told(data: Path) -> None:
    for name in ("lynx", "bear", "docs"):
        (data / name).mkdir()
    (data / "docs/a.txt").touch()
    assert read_listing(data).notes == ("Folders hold no readable image, so it is not a class: 'bear', 'lynx'.",)


def test_a_folder_to_predict(draw: Draw, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw("p/1.png")
    for name in ("IMG_2.CR2", "more.zip"):
        (tmp_path / "p" / name).touch()
    assert [item.key for item in list_images(tmp_path / "p")] == ["1.png", "IMG_2.CR2"]
    assert capsys.readouterr().err == "Note: Skipped: 1 archive ('more.zip'); unpack it.\n"
    assert [item.key for item in list_images(tmp_path / "p/IMG_2.CR2")] == ["IMG_2.CR2"]


@pytest.mark.parametrize("ending", ["gif", "webp", "apng"])
def test_animations_are_told(data: Path, ending: str) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    frames[0].save(
        data / f"fox/9.{ending}", "PNG" if ending == "apng" else None, save_all=True, append_images=frames[1:]
    )
    frames[0].save(data / "fox/8.gif")
    told = [example.text for problem in inspect(data).problems for example in problem.examples]
    assert any("an animation; its first frame is read" in text for text in told), told


def test_only_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.cr2").touch()
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=r"holds no images\. Skipped: 1 camera raw image.*1 archive"):
        read_listing(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer.*git lfs pull"),
        ("a.jpg", b"8BPS\0\0\0\0", "is a Photoshop image, which finesight does not read; convert it"),
        ("a.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0", "is a video, which"),
        ("a.jpg", b"<!DOCTYPE html><html>", "is a web page.*download failed"),
        ("a.png", b"  <svg xmlns=''>", "is an SVG drawing"),
        ("a.cr2", b"anything", "is a camera raw image"),
        ("a.png", b"anything", "^$"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "^$"),
        ("gone.png", None, "^$"),
    ],
)
def test_what_a_file_is(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert re.search(says, explain_content(tmp_path / name))


def test_webp_and_video(tmp_path: Path) -> None:
    for content, kind in ((b"RIFF\0\0\0\0WEBPVP8 ", "WebP image"), (b"\0\0\0\x18ftypisom", "video"), (b"", "")):
        (tmp_path / "a").write_bytes(content)
        assert recognise(tmp_path / "a") == kind
