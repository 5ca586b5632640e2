"""What a bulk prediction left to go on from: read, or one sentence."""

import json
from pathlib import Path

import pytest
from fuzzing import COUNTS, feed
from hostility import damaged, nested, to_json, warped
from hypothesis import strategies as st

from finesight.data.sample import Item
from finesight.errors import ConfigError
from finesight.inference.continuation import CLAIM, Rows, claim
from reliability import Tally

IDENTITY = {"weights": "0f" * 16, "images": "/data/new", "index": False, "tta": False}
LINES = [["a.png", 0, [1, 0.5]], ["b.png", 17, [0, 0.25]]]


@pytest.mark.parametrize("count", COUNTS)
def test_claims(count: int, tmp_path: Path, reliability: Tally) -> None:
    """A folder is taken for one's own only if it says so, word for word."""
    path = tmp_path / CLAIM

    def read(content: bytes) -> None:
        path.write_bytes(content)
        claim(tmp_path, IDENTITY)
        assert IDENTITY.items() <= json.loads(content).items()

    inputs = warped(IDENTITY).map(to_json) | damaged(to_json(IDENTITY), tokens=[nested(100_000)])
    assert 0 < feed(inputs, read, count, tmp_path) < count
    reliability("input", "predictions to go on with", count)


def test_a_claim_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / CLAIM).write_bytes(nested(100_000))
    with pytest.raises(ConfigError, match="predictions of other weights"):
        claim(tmp_path, IDENTITY)


@pytest.mark.parametrize("count", COUNTS)
def test_rows(count: int, tmp_path: Path, reliability: Tally) -> None:
    items = [Item(name, tmp_path / name) for name in ("a.png", "b.png")]

    def read(content: bytes) -> None:
        (tmp_path / "one.jsonl").write_bytes(content)
        rows = Rows(tmp_path)
        assert {item.key for item, _ in rows.read(items, rows.locate(items))} <= {"a.png", "b.png"}

    lines = st.lists(warped(*LINES), max_size=3).map(lambda some: b"".join(to_json(each) + b"\n" for each in some))
    whole = b"".join(to_json(line) + b"\n" for line in LINES)
    assert 0 < feed(lines | damaged(whole, tokens=[nested(100_000)]), read, count, tmp_path) < count
    reliability("input", "predictions to go on with", count)
