"""One judgement for `inspect` and `train`: is there enough to begin."""

import pytest

from finesight.data.sufficiency import Amount, compare_classes, find_shortage

SOME, NONE = Amount(5, frozenset({0, 1})), Amount(0, frozenset())
IGNORED = Amount(5, frozenset())


@pytest.mark.parametrize(
    ("train", "val", "batch_size", "has_masks", "word"),
    [
        (SOME, SOME, 0, False, ""),
        (SOME, SOME, 5, True, ""),
        (SOME, SOME, 6, True, "larger than the 5"),
        (NONE, SOME, 0, False, "no image to train on"),
        (SOME, NONE, 0, False, "No class has two images"),
        (SOME, NONE, 0, True, "A single pair"),
        (IGNORED, SOME, 0, True, "training masks"),
        (SOME, IGNORED, 0, True, "validation masks"),
    ],
)
def test_what_is_missing(train: Amount, val: Amount, batch_size: int, has_masks: bool, word: str) -> None:
    reason = find_shortage(train, val, batch_size, has_masks)
    assert word in reason
    assert bool(reason) is bool(word)


def test_classes_of_one_side() -> None:
    found = list(compare_classes(Amount(1, frozenset({0, 1})), Amount(1, frozenset({1, 2})), ("a", "b", "c")))
    assert [names for _, names in found] == [["a"], ["c"]]
