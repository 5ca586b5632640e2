"""`finesight inspect` of data of which one file is damaged: judged and printed, or one sentence; nothing is written."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from fuzzing import COUNTS, feed
from hostility import ESCAPE, damaged
from hypothesis import strategies as st
from PIL import Image
from test_class_files import TOKENS as CLASS_TOKENS
from test_class_files import TOML
from test_images import SIZES
from test_manifests import TOKENS as MANIFEST_TOKENS

from finesight.app.inspect import inspect
from finesight.cli.inspect import print_problems, print_summary
from reliability import Tally

COLOURS = np.array([[0, 255, 255], [0, 0, 255], [0, 0, 0]], np.uint8)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Path]:
    """Two images with masks, and their classes."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(2):
        codes = np.random.default_rng(number).integers(0, 3, (8, 9))
        Image.fromarray((codes * 80).astype(np.uint8)).convert("RGB").save(folder / f"{number}_sat.jpg")
        Image.fromarray(COLOURS[codes]).save(folder / f"{number}_mask.png")
    (tmp_path / "classes.toml").write_bytes(TOML)
    return [folder / "0_sat.jpg", folder / "0_mask.png", tmp_path / "classes.toml"]


@pytest.fixture
def table(tmp_path: Path) -> list[Path]:
    """Three images of two classes, and the manifest that says so."""
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (9, 8, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    rows = ["path,label,split", "0.png,wolf,train", "1.png,fox,train", "2.png,fox,val"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    return [tmp_path / "table.csv", tmp_path / "1.png"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["pairs", "table"])
def test_inspect(kind: str, count: int, request: pytest.FixtureRequest, tmp_path: Path, reliability: Tally) -> None:
    files: list[Path] = request.getfixturevalue(kind)
    data, classes = (files[0].parent, str(files[2])) if kind == "pairs" else (files[0], "")
    tokens = [*SIZES, *CLASS_TOKENS, *MANIFEST_TOKENS]

    def read(change: tuple[Path, bytes]) -> None:
        path, content = change
        kept = path.read_bytes()
        path.write_bytes(content)
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                result = inspect(data, classes=classes)
                print_summary(result)
                print_problems(result.problems)
        finally:
            path.write_bytes(kept)
        assert ESCAPE[0] not in printed.getvalue()

    changes = [st.tuples(st.just(path), damaged(path.read_bytes(), tokens=tokens)) for path in files]
    assert 0 < feed(st.one_of(changes), read, count, tmp_path) < count
    reliability("input", "data sets inspected", count)
