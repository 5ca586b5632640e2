"""One judgement for `inspect` and `train`: is there enough to begin."""

import pytest

from finesight.data.sufficiency import Amount, compare_classes, find_shortage
from finesight.tasks import TASKS

SOME, NONE = Amount(5, frozenset({0, 1})), Amount(0, frozenset())
IGNORED = Amount(5, frozenset())


@pytest.mark.parametrize(
    ("train", "val", "batch_size", "task", "word"),
    [
        (SOME, SOME, 0, "classification", ""),
        (SOME, SOME, 5, "segmentation", ""),
        (SOME, SOME, 6, "segmentation", "larger than the 5"),
        (NONE, SOME, 0, "classification", "no image to train on"),
        (SOME, NONE, 0, "classification", "No class has two images"),
        (SOME, NONE, 0, "segmentation", "A single pair"),
        (IGNORED, SOME, 0, "segmentation", "training masks"),
        (SOME, IGNORED, 0, "segmentation", "validation masks"),
    ],
)
def test_what_is_missing(train: Amount, val: Amount, batch_size: int, task: str, word: str) -> None:
    targets = TASKS[task].targets
    reason = find_shortage(train, val, batch_size, targets.no_val, targets.no_class)
    assert word in reason
    assert bool(reason) is bool(word)


def test_classes_of_one_side() -> None:
    found = list(compare_classes(Amount(1, frozenset({0, 1})), Amount(1, frozenset({1, 2})), ("a", "b", "c"), "mask"))
    assert [names for _, names in found] == [["a"], ["c"]]
