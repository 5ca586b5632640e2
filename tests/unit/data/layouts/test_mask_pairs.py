"""Names of true and predicted masks: which belong together, which are images, and which are left over."""

import pytest

from finesight.data.layouts.mask_pairs import pair_files
from finesight.errors import DataError

PAIRED = {
    "the same name": (["a.png", "b.png"], ["a.png", "b.png"]),
    "another type of file": (["a.png"], ["a.tif"]),
    "two words at the end": (["a_mask.png", "b_mask.png"], ["a_mask_pred.png", "b_pred_mask.tif"]),
    "words at the end": (["a_mask.png", "b_label.png"], ["a_pred.png", "b_prediction.tif"]),
    "capitals": (["top_1.png"], ["top_1_OUT.png"]),
    "words in front": (["7.png", "8.png"], ["pred_7.png", "Output-8.png"]),
    "a double ending": (["7.png"], ["7.jpg.png"]),
    "one name ends like a mask's": (["s_1.png", "s_target.png"], ["s_1.png", "s_target.png"]),
    "and the other is what is left of it": (["s.png", "s_target.png", "t.png"], ["s.png", "s_target.png", "t.png"]),
    "the same folders": (["x/a.png", "y/a.png"], ["x/a.png", "y/a.png"]),
    "folders called masks": (["x/masks/a.png", "y/masks/a.png"], ["pred/x/a.png", "pred/y/a.png"]),
    "folders of one side": (["x/a.png", "y/b.png"], ["a.png", "b.png"]),
    "masks with images' names": (["7_sat.png"], ["7_sat.png"]),
    "masks that are JPEGs": (["7.jpg"], ["7.png"]),
}


@pytest.mark.parametrize("case", PAIRED)
def test_every_mask_has_its_partner(case: str) -> None:
    truth, predicted = PAIRED[case]
    found = pair_files(truth, predicted)
    assert found.pairs == tuple(zip(truth, predicted, strict=True))
    assert found.images == ()


BESIDE = {
    "sat and mask": (["7_sat.jpg", "7_mask.png", "8_sat.jpg", "8_mask.png"], ["7_mask.png", "8_mask.png"], 2),
    "in both folders": (["7_sat.jpg", "7_mask.png"], ["7_sat.jpg", "7_mask.png"], 2),
    "plain and mask": (["7.png", "7_mask.png", "8.png", "8_mask.png"], ["7.png", "8.png"], 2),
    "of one name": (["7.jpg", "7.png"], ["7.png"], 1),
    "in folders": (["images/7.png", "masks/7.png"], ["7.png"], 1),
    "without a mask yet": (["7.jpg", "7.png", "8.jpg"], ["7.png"], 2),
}


@pytest.mark.parametrize("case", BESIDE)
def test_images_beside_masks_are_passed_over(case: str) -> None:
    truth, predicted, count = BESIDE[case]
    found = pair_files(truth, predicted)
    assert len(found.images) == count
    assert len(found.pairs) == sum("sat" not in key for key in predicted)
    assert not set(found.images[: len(truth)]) & {one for one, _ in found.pairs}


@pytest.mark.parametrize(
    ("truth", "predicted", "words"),
    [
        (["0.png"], ["0.png", "0.tif"], "'0.png' and '0.tif' (prediction)"),
        (["0_mask.png", "0_gt.png"], ["0.png"], "'0_mask.png' and '0_gt.png' (truth)"),
        (["0.png"], ["0_pred.png", "0_OUT.png"], "'0_pred.png' and '0_OUT.png' (prediction)"),
        (["0.png", "1.png"], ["0.png"], "'1.png' (truth) is not predicted"),
        (["0.png"], ["0.png", "1.png"], "'1.png' (prediction) has no true mask"),
        (["x/0.png", "y/0.png"], ["0.png"], "'x/0.png' (truth) is not predicted"),
        ([f"{n}.png" for n in range(40)], ["a.png"], "and 21 more"),
    ],
)
def test_what_is_left_over_is_told(truth: list[str], predicted: list[str], words: str) -> None:
    with pytest.raises(DataError) as error:
        pair_files(truth, predicted)
    assert words in str(error.value)
