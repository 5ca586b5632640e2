"""Class similarity: a planted group is found, and nothing is found where nothing is."""

import json

import numpy as np
import pytest

from finesight.analysis.class_similarity import measure_class_similarity
from finesight.analysis.class_similarity_result import OLD_KEYS, ClassSimilarity
from finesight.analysis.wording import join_words, percent, spell


def find(
    centres: np.ndarray, per_class: int | list[int] = 20, errors: dict[tuple[int, int], int] | None = None
) -> ClassSimilarity:
    """Similar classes among gaussians around `centres` (C, d), with unit spread."""
    sizes = [per_class] * len(centres) if isinstance(per_class, int) else per_class
    targets = np.repeat(np.arange(len(centres)), sizes)
    features = centres[targets] + np.random.default_rng(0).normal(size=(len(targets), centres.shape[1]))
    confusion = np.diag(sizes).astype(np.int64)
    for (truth, prediction), count in (errors or {}).items():
        confusion[truth, prediction] += count
        confusion[truth, truth] -= count
    names = [f"name {c}" for c in range(len(centres))]
    keys = [f"{target}/{index}.png" for index, target in enumerate(targets)]
    return measure_class_similarity(features.astype("f4"), targets, confusion, names, keys)


def far_apart(num_classes: int) -> np.ndarray:
    return 12 * np.eye(num_classes, 16)


def with_group(*members: int, num_classes: int = 10) -> np.ndarray:
    """Classes far apart, but for the members, that lie upon each other."""
    centres = far_apart(num_classes)
    centres[list(members)] = centres[members[0]]
    return centres


def test_a_planted_group_is_found() -> None:
    found = find(with_group(1, 3, 4, 8), errors={(1, 3): 4, (3, 8): 2, (4, 0): 2, (7, 5): 1})
    (group,) = found.groups
    assert group.classes == (1, 3, 4, 8)
    assert group.neighbour_fraction == pytest.approx(
        0.75, abs=0.06
    )  # of four classes upon each other, three are others
    assert group.similarity == pytest.approx(0.25, abs=0.02)
    assert (group.errors, group.errors_inside) == (8, 6)
    assert found.threshold == pytest.approx(0.1)
    at = found.order.index
    assert max(map(at, group.classes)) - min(map(at, group.classes)) == 3, "the group stands together in the order"
    assert {found.pairs[0].first, found.pairs[0].second} <= set(group.classes)
    assert found.rank_correlation is not None
    assert found.rank_correlation > 0.2


def test_the_examples_are_images_of_their_class_that_are_most_like_the_others() -> None:
    features = np.array([[1, 0], [0.8, 0.6], [0.9, 0.1], [0, 1], [0.5, 0.8], [0.1, 0.9]], dtype=np.float32)
    keys = ["a far", "a near", "a", "b far", "b near", "b"]
    found = measure_class_similarity(features, np.array([0, 0, 0, 1, 1, 1]), np.eye(2, dtype=np.int64), "ab", keys)
    (group,) = found.groups
    assert group.examples == (("a near", "a", "a far"), ("b near", "b", "b far"))


def test_the_words_say_the_numbers() -> None:
    found = find(with_group(1, 3, 4, 8), errors={(1, 3): 4, (3, 8): 2, (4, 0): 2})
    mixed, own = percent(found.groups[0].neighbour_fraction), percent(found.own_fraction)
    assert found.sentence == (
        f"Most classes are well separated: on average, {own} of the ten nearest neighbours of an image have its class "
        "(by chance: 9.5 %). Classes name 1, name 3, name 4 and name 8 are similar: "
        f"{mixed} of their images' neighbours belong to another class of the group, and 75 % of their errors stay "
        "within the group (6 of 8)."
    )
    assert len(found.paragraphs) == 4
    assert "over 45 pairs" in found.paragraphs[2]


def test_no_group() -> None:
    found = find(far_apart(6))
    assert found.groups == ()
    assert found.own_fraction == 1
    assert found.sentence.startswith(
        "All six classes are well separated: on average, 100 % of the ten nearest neighbours"
    )
    assert found.sentence.endswith("There are no similar classes.")
    assert found.rank_correlation is None
    assert found.pairs == ()


def test_two_groups_each_have_their_sentence() -> None:
    centres = with_group(0, 1, 2, num_classes=9)
    centres[5] = centres[4]
    found = find(centres, errors={(4, 5): 3})
    assert [group.classes for group in found.groups] == [(0, 1, 2), (4, 5)]
    assert "but none of their images is misclassified" in found.sentence
    assert "100 % of their errors are confusions of the two (3 of 3)" in found.sentence
    assert "belong to the other class" in found.sentence


def test_more_than_three_groups_are_counted_in_the_sentence_and_told_in_the_paragraphs() -> None:
    centres = np.repeat(12 * np.eye(5, 16), 2, axis=0)
    found = find(centres)
    assert len(found.groups) == 5
    assert "There are two more such groups." in found.sentence
    assert found.paragraphs[1].count("are similar:") == 5
    assert "There is one more such group." in find(centres[:8]).sentence


@pytest.mark.parametrize(("distance", "similar"), [(12.0, False), (0.0, True)])
def test_two_classes_only(distance: float, similar: bool) -> None:
    found = find(np.array([[8.0, 0, 0, 0], [8.0, distance, 0, 0]]))
    assert bool(found.groups) == similar
    assert found.sentence.startswith("Both classes are well separated") != similar
    assert found.rank_correlation is None


def test_a_small_class_can_separate_too() -> None:
    found = find(far_apart(3), per_class=[40, 4, 40])
    assert found.own_fractions == (1.0, 1.0, 1.0)
    assert found.groups == ()


def test_unequal_classes_upon_each_other_are_similar() -> None:
    assert find(with_group(0, 1, num_classes=4), per_class=[60, 6, 20, 20]).groups[0].classes == (0, 1)


def test_classes_with_too_few_images_are_left_out_and_said() -> None:
    found = find(far_apart(5), per_class=[20, 0, 20, 2, 20])
    assert found.judged == (0, 2, 4)
    assert set(found.order) == {0, 2, 4}
    assert found.own_fractions[1] is None
    assert "Two classes with fewer than three images are left out." in found.sentence
    assert "One class with fewer than three images is left out." in find(far_apart(3), [20, 0, 20]).sentence
    assert not any(found.similarity[1])


@pytest.mark.parametrize("sizes", [[0, 0, 0], [20, 0, 0], [1, 1, 1]])
def test_nothing_to_compare_is_said(sizes: list[int]) -> None:
    found = find(far_apart(3), per_class=sizes)
    assert "needs two classes" in found.sentence
    assert found.groups == ()


def test_classes_that_all_mix_are_not_separated() -> None:
    found = find(np.zeros((4, 8)), per_class=30)
    assert found.sentence.startswith("No class is well separated")
    assert found.groups[0].classes == (0, 1, 2, 3)
    assert found.own_fraction == pytest.approx(found.chance_fraction, abs=0.05)


def test_a_chain_is_not_a_group() -> None:
    """Each class touches the next only: average linkage does not join the ends."""
    angles = np.linspace(0, np.pi, 7)
    centres = 9 * np.stack([np.cos(angles), np.sin(angles), *np.zeros((6, 7))], axis=1)
    assert all(len(group.classes) < 7 for group in find(centres, per_class=40).groups)


def test_the_dict_is_plain_json() -> None:
    found = find(with_group(0, 1))
    value = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert value["groups"][0]["classes"] == [0, 1]
    assert value["sentence"] == found.sentence
    assert np.array_equal(np.array(value["similarity"]), np.array(value["similarity"]).T)
    assert ClassSimilarity.from_dict(value) == found


def test_a_run_of_version_0_1_is_read() -> None:
    found = find(with_group(0, 1), errors={(0, 1): 2})
    text = json.dumps(found.to_dict())
    for old, new in OLD_KEYS.items():
        text = text.replace(f'"{new}":', f'"{old}":')
    assert '"affinity":' in text
    assert ClassSimilarity.from_dict(json.loads(text) | {"unit": "picture"}) == found


def test_wording() -> None:
    assert [percent(share) for share in (0, 1e-6, 0.004, 0.0999, 0.31, 0.9999, 1)] == [
        "0 %",
        "0.1 %",
        "0.4 %",
        "10 %",
        "31 %",
        "99.9 %",
        "100 %",
    ]
    assert [join_words(list(words)) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert (spell(2), spell(11), spell(1225)) == ("two", "11", "1,225")


def test_regions_of_one_image_are_not_neighbours() -> None:
    """Every image is a place of its own in feature space, with a region of either class: side by side, but apart."""
    image_of, targets = np.repeat(np.arange(12), 2), np.tile([0, 1], 12)
    random = np.random.default_rng(0)
    features = (3 * random.normal(size=(12, 16)))[image_of] + 4 * np.eye(2, 16)[targets]
    arguments = (features.astype("f4"), targets, np.diag([12, 12]), "ab", [f"{image}.png" for image in image_of])
    found = measure_class_similarity(*arguments, images=image_of)
    assert found.unit == "region"
    assert found.own_fraction > measure_class_similarity(*arguments).own_fraction
    assert found.chance_fraction == pytest.approx(0.5)
    assert "24 regions" in found.paragraphs[-1]
    assert "an image" not in found.sentence


def test_regions_of_a_single_image_have_no_neighbours() -> None:
    features = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")
    found = measure_class_similarity(features, np.repeat([0, 1], 3), np.diag([3, 3]), "ab", ["a"] * 6, np.zeros(6, int))
    assert not found.groups
    assert found.own_fraction == 0
