"""Features and samples on disk."""

from pathlib import Path

import numpy as np
import pytest

from finesight.analysis.features import load_features, save_features
from finesight.errors import RunError

FEATURES = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
ODD = ('a "b", <script>.png', "猫\x1b[31m.png")


def test_features_come_back_in_order(tmp_path: Path) -> None:
    save_features(tmp_path / "val", FEATURES, ODD, ["10", "猫, x"], ["10", "9"])
    found = load_features(tmp_path / "val")
    assert np.array_equal(found.features, FEATURES)
    assert (found.keys, found.targets, found.predictions) == (ODD, ("10", "猫, x"), ("10", "9"))


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing or damaged"):
        load_features(tmp_path)
    save_features(tmp_path, FEATURES, ODD, ["1", "2"], ["1", "2"])
    (tmp_path / "samples.csv").write_text("key,target,prediction\na,1,1\n")
    with pytest.raises(RunError, match="but 1 samples"):
        load_features(tmp_path)
