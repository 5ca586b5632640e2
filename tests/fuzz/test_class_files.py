"""Class files of every ending: a class list of different, writable names, or one sentence."""

import json
from pathlib import Path

import pytest
from fuzzing import COUNTS, feed
from hostility import ESCAPE, MARKUP, damaged, nested, to_json, warped
from hypothesis import strategies as st

from finesight.classes import ClassList
from finesight.data.class_files import PRESETS, READERS, load_classes
from finesight.run.folder import RunFolder
from reliability import Tally

LANDS = {
    "classes": [
        {"id": 1, "name": "town", "colour": [0, 255, 255]},
        {"id": 7, "name": "lake", "colour": "#0000ff"},
        {"id": "x", "name": "no", "color": [0, 0, 0]},
    ],
    "ignore": "no",
}
TOML = b"""ignore = 2
[[classes]]
name = "town"
colour = [0, 255, 255]
[[classes]]
name = "lake"
colour = "#0000ff"
[[classes]]
name = "unknown"
colour = "#000000"
"""
TABLES = (b"id,name,r,g,b\n1,town,0,255,255\n7,lake,0,0,255\n", b"name,colour\ntown,#00ffff\nlake,#0000ff\n")
MERGES = (b"from,to\n1,town\n7,lake\n8,lake\n9,\n", b"from,to\n#00ffff,town\n#0000ff,lake\n")
TOKENS = (
    b'"',
    b",",
    b"#",
    b"[[classes]]\n",
    b"\xef\xbb\xbf",
    b"\r",
    nested(100_000),
    b"name = ",
    ESCAPE.encode(),
    MARKUP.encode(),
)
LONG = "\n".join(map(str, range(3_000))).encode()
INPUTS = {
    ".json": warped(LANDS, {"0": "bicycle", "1": "bear", "10": "road"}, ["town", "lake"]).map(to_json)
    | damaged(to_json(LANDS), b'{"0": "bicycle", "1": "bear"}', tokens=TOKENS),
    ".toml": damaged(TOML, tokens=TOKENS),
    ".csv": damaged(*TABLES, *MERGES, tokens=TOKENS),
    ".tsv": damaged(*(table.replace(b",", b"\t") for table in (*TABLES, *MERGES)), tokens=TOKENS),
    ".txt": damaged(b"town\nlake\n", b"town\r\nlake", LONG, tokens=TOKENS)
    | st.text().map(lambda t: t.encode("utf-8", "replace")),
}
INPUTS[".names"] = INPUTS[".txt"]


def check_classes(classes: ClassList, run: RunFolder) -> None:
    assert len(classes) == len(set(classes.ids)) == len(set(classes.names)) > 0
    assert classes.colours is None or len(set(classes.colours)) == len(classes)
    run.write_json("classes.json", classes.to_dict())
    assert run.read_classes() == classes


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("ending", READERS)
def test_class_files(ending: str, count: int, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / f"classes{ending}"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        check_classes(load_classes(str(path)), RunFolder(tmp_path))

    assert 0 < feed(INPUTS[ending], read, count, tmp_path) < count
    reliability("input", "class files", count)


@pytest.mark.parametrize("count", COUNTS)
def test_classes_of_a_run(count: int, tmp_path: Path, reliability: Tally) -> None:
    kept = json.loads(json.dumps(PRESETS["deepglobe"].to_dict()))

    def read(content: bytes) -> None:
        (tmp_path / "classes.json").write_bytes(content)
        check_classes(RunFolder(tmp_path).read_classes(), RunFolder(tmp_path))

    assert 0 < feed(warped(kept).map(to_json) | damaged(to_json(kept)), read, count, tmp_path) < count
    reliability("input", "classes.json of runs", count)
