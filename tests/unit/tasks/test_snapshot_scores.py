from pathlib import Path

import pytest
import torch

from finesight.classes import IGNORE_INDEX, ClassList
from finesight.errors import RunError
from finesight.run.folder import RunFolder
from finesight.tasks.segmentation.snapshot_scores import score_snapshots
from finesight.tasks.segmentation.snapshots import MaskSnapshots

CLASSES = ClassList(ids=("land", "sea", "unknown"), names=("land", "sea", "unknown"), ignore=2)


def test_frames_are_scored_where_the_truth_is_known(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_json("classes.json", CLASSES.to_dict())
    score_snapshots(run)  # no snapshots, nothing happens
    assert not (tmp_path / "film").exists()
    truth = torch.full((2, 2, 4), IGNORE_INDEX)
    truth[0] = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
    guess = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1]])  # one column of sea is taken for land
    MaskSnapshots(run, CLASSES, ("a/1.jpg", "a/2.jpg"), (0, 1)).add(5, {0: (guess, truth[0]), 1: (guess, truth[1])})
    score_snapshots(run)
    scores = run.read_json("film/scores.json")["miou"]
    assert scores == {"5": {"a/1.jpg": pytest.approx((4 / 6 + 2 / 4) / 2), "a/2.jpg": None}}
    (tmp_path / "film/5/a_1.png").write_bytes(b"no image")
    with pytest.raises(RunError, match="snapshot is damaged"):
        score_snapshots(run)
