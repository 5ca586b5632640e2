"""Confusion counts by hand, and what must hold for any counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight.classes import IGNORE_INDEX
from finesight.errors import DataError
from finesight.metrics import confusion

COUNTS = torch.tensor([[3, 1, 0], [2, 2, 0], [0, 0, 0]])  # the third class never occurs


def test_count_confusion_rows_are_truth() -> None:
    counts = confusion.count_confusion(torch.tensor([0, 0, 1, IGNORE_INDEX]), torch.tensor([0, 1, 1, 0]), 2)
    assert counts.dtype == torch.int64
    assert counts.tolist() == [[1, 1], [0, 1]]


def test_ignored_targets_go_to_the_unknown_row_when_asked() -> None:
    targets = torch.tensor([[0, IGNORE_INDEX], [1, IGNORE_INDEX]], dtype=torch.uint8)
    counts = confusion.count_confusion(targets, torch.tensor([[0, 0], [1, 2]]), 3, unknown=2)
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize(("target", "prediction"), [(3, 0), (0, 3), (-1, 0), (0, -1), (0, IGNORE_INDEX)])
def test_a_value_that_is_no_class_is_named(target: int, prediction: int) -> None:
    with pytest.raises(DataError, match="is not a class"):
        confusion.count_confusion(torch.tensor([target]), torch.tensor([prediction]), 3)


def test_shapes_must_agree() -> None:
    with pytest.raises(DataError, match=r"\(2,\)"):
        confusion.count_confusion(torch.tensor([0, 1]), torch.tensor([0]), 2)


def test_a_class_cannot_be_ignored_by_accident() -> None:
    many = torch.tensor([255])
    with pytest.raises(DataError, match="255 is a class"):
        confusion.count_confusion(many, many, 300)
    assert confusion.count_confusion(many, many, 300, ignore_index=None)[255, 255] == 1


def test_scores_by_hand() -> None:
    assert confusion.accuracy(COUNTS) == 5 / 8
    assert confusion.precision(COUNTS) == (3 / 5, 2 / 3, None)
    assert confusion.recall(COUNTS) == (3 / 4, 2 / 4, None)
    assert confusion.f1(COUNTS) == (6 / 9, 4 / 7, None)
    assert confusion.iou(COUNTS) == (3 / 6, 2 / 5, None)
    assert confusion.balanced_accuracy(COUNTS) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert confusion.macro_f1(COUNTS) == pytest.approx((6 / 9 + 4 / 7) / 2)
    assert confusion.frequency_weighted_iou(COUNTS, range(3)) == pytest.approx((3 / 6 + 2 / 5) / 2)


def test_a_class_that_is_only_predicted_counts_as_found_badly() -> None:
    counts = torch.tensor([[1, 1], [0, 0]])
    assert confusion.precision(counts) == (1.0, 0.0)
    assert confusion.recall(counts) == (0.5, None)
    assert confusion.iou(counts) == (0.5, 0.0)


def test_a_class_that_is_never_predicted_has_no_precision_to_boast_of() -> None:
    assert confusion.precision(torch.tensor([[1, 0], [1, 0]])) == (0.5, 0.0)


def test_unknown_pixels_are_masked_or_false_positives() -> None:
    """Two known classes and unknown: the course's metric punishes the two pixels predicted where nobody knows."""
    counts = torch.tensor([[4, 0, 0], [1, 3, 1], [2, 0, 0]])
    assert confusion.iou(counts, [0, 1], masked=True) == (4 / 5, 3 / 5)
    assert confusion.iou(counts, [0, 1], masked=False) == (4 / 7, 3 / 5)
    assert confusion.mean_iou(counts, [0, 1], masked=True) == pytest.approx((4 / 5 + 3 / 5) / 2)
    assert confusion.mean_iou(counts, [0, 1], masked=False) == pytest.approx((4 / 7 + 3 / 5) / 2)
    assert confusion.accuracy(counts, [0, 1]) == 7 / 9


@pytest.mark.parametrize("score", [confusion.accuracy, confusion.balanced_accuracy, confusion.macro_f1])
def test_nothing_counted_is_an_error_not_nan(score) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="nothing to score"):
        score(torch.zeros(3, 3, dtype=torch.int64))
    with pytest.raises(DataError, match="nothing to score"):
        confusion.frequency_weighted_iou(torch.zeros(3, 3, dtype=torch.int64), [0])


def test_definitions_follow_the_path_of_a_metric() -> None:
    said = confusion.definitions(["f1/a/b", "miou_unmasked"])
    assert said["f1/a/b"] == confusion.DEFINITIONS["f1"]
    assert "false positive" in said["miou_unmasked"]


labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(pairs=labels, cut=st.integers(0, 60))
def test_counts_merge_by_addition(pairs: list[tuple[int, int]], cut: int) -> None:
    targets, predictions = torch.tensor(pairs).T
    whole = confusion.count_confusion(targets, predictions, 5)
    parts = [confusion.count_confusion(targets[s], predictions[s], 5) for s in (slice(cut), slice(cut, None))]
    assert torch.equal(whole, parts[0] + parts[1])
    assert whole.sum() == len(pairs)


@settings(max_examples=50, deadline=None)
@given(pairs=labels)
def test_masking_can_only_help(pairs: list[tuple[int, int]]) -> None:
    counts = confusion.count_confusion(*torch.tensor(pairs).T, 5)  # class 4 plays the unknown
    masked, unmasked = (confusion.iou(counts, range(4), masked=m) for m in (True, False))
    for with_mask, without in zip(masked, unmasked, strict=True):
        assert with_mask is None or (without is not None and 0 <= without <= with_mask <= 1)
