"""Probabilities on disk, and labels searched in blocks of them, give what the whole array gives."""

from pathlib import Path

import numpy as np
import pytest

from finesight.analysis import probabilities
from finesight.analysis.label_errors import find_doubtful_labels, find_label_errors
from finesight.analysis.probabilities import Probabilities
from finesight.errors import RunError
from finesight.run.files import map_rows, read_tensors, write_rows, write_tensors

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 5, 300)
LOGITS = (RANDOM.normal(size=(300, 5)) + 3 * np.eye(5)[np.roll(TARGETS, 1)]).astype(np.float32)
KEYS = [str(row) for row in range(300)]


def test_rows_on_disk(tmp_path: Path) -> None:
    write_rows(tmp_path / "ours", "logits", LOGITS)
    write_tensors(tmp_path / "theirs", {"logits": LOGITS})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert np.array_equal(map_rows(tmp_path / "ours", "logits"), LOGITS)
    write_rows(tmp_path / "empty", "logits", LOGITS[:0])
    assert map_rows(tmp_path / "empty", "logits").shape == read_tensors(tmp_path / "empty", "logits")[0].shape == (0, 5)


def test_what_is_no_matrix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    with pytest.raises(RunError, match="missing or damaged"):
        map_rows(path, "logits")
    path.write_bytes(b"no tensors")
    with pytest.raises(RunError, match="missing or damaged"):
        map_rows(path, "logits")
    write_tensors(path, {"logits": LOGITS.astype(np.float16)})
    with pytest.raises(RunError, match=r"holds F16 of shape \[300, 5\] where a float32 matrix should be"):
        map_rows(path, "logits")
    with pytest.raises(RunError, match="missing or damaged"):
        map_rows(path, "other")


def test_labels_searched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy, whole = Probabilities(LOGITS), Probabilities(LOGITS)[:]
    votes = RANDOM.integers(0, 5, 300)
    expected = find_label_errors(whole, TARGETS, KEYS), find_doubtful_labels(whole, TARGETS, KEYS, None, 1.5)
    asked = find_doubtful_labels(whole, TARGETS, KEYS, votes)
    assert 0 < len(asked) < len(expected[1]) < len(expected[0])
    monkeypatch.setattr(probabilities, "VALUES", 35)
    assert (find_label_errors(lazy, TARGETS, KEYS), find_doubtful_labels(lazy, TARGETS, KEYS, None, 1.5)) == expected
    assert find_doubtful_labels(lazy, TARGETS, KEYS, votes) == asked
    some = np.arange(0, 300, 3)
    assert np.array_equal(lazy.select(some).pick(TARGETS[some]), whole[some, TARGETS[some]])
    assert not find_doubtful_labels(lazy.select(some[:0]), TARGETS[:0], [])
