"""Manifests: every image that one names lies inside its folder; whatever else it says is refused."""

from pathlib import Path

import pytest
from fuzzing import COUNTS, feed
from hostility import ESCAPE, MARKUP, WORDS, damaged
from hypothesis import strategies as st
from PIL import Image

from finesight.data.layouts.manifest import read_manifest
from listings import read_listing
from reliability import Tally

SEEDS = (
    b"path,label,split\na.png,wolf,train\nin/b.png,fox,val\n",
    b"image,mask\na.png,in/b.png\n",
    b"label,note,path\nwolf,,a.png\n",
)
NAMES = (
    "../a.png",
    "/etc/passwd",
    "in/../../victim/a.png",
    "in/../a.png",
    "./a.png",
    "~/a.png",
    "in",
    "a.png\0",
    "in//b.png",
    "link/a.png",
    "C:\\a.png",
    "..\\a.png",
    "x" * 300 + ".png",
    "x/" * 3000,
)
TOKENS = [name.encode() for name in NAMES] + [
    b",",
    b'"',
    b"\r",
    b"split",
    b"7" * 200_000,
    ESCAPE.encode(),
    MARKUP.encode(),
    b"\xff",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("data/a.png", "data/in/b.png", "victim/a.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / path)
    return tmp_path / "data"


@pytest.mark.parametrize("count", COUNTS)
def test_manifests(count: int, folder: Path, reliability: Tally) -> None:
    word = st.sampled_from(["a.png", "in/b.png", "wolf", "train", *NAMES, *WORDS]) | st.text(max_size=8)
    row = st.tuples(word, word, st.sampled_from(["train", "val", "test", "", "tset"])).map(_quote)
    head = st.sampled_from(["path,label,split", "image,mask,split", "label,path,split", "path,path,label"])
    built = st.tuples(head, st.lists(row, max_size=3)).map(lambda each: "\n".join([each[0], *each[1]]))
    table = folder / "table.csv"

    def read(content: bytes) -> None:
        table.write_bytes(content)
        for items in read_manifest(table, "masks" if b"mask" in content[:60] else "labels").values():
            for item in items:
                for path in (path for path in (item.path, item.target) if isinstance(path, Path)):
                    assert path.is_file()
                    assert path.resolve().is_relative_to(folder.resolve())
                assert folder / item.key == item.path
        read_listing(table)

    inputs = damaged(*SEEDS, tokens=TOKENS) | built.map(lambda text: text.encode("utf-8", "surrogatepass"))
    feed(inputs, read, count, folder)
    reliability("input", "manifests", count)


def _quote(cells: tuple[str, ...]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
