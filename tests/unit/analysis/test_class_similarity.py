"""Close classes: a planted group is found with its proof, and nothing is found where nothing is."""

import json

import numpy as np
import pytest

from finesight.analysis.class_similarity import CloseClasses, find_close_classes
from finesight.analysis.wording import join_words, label_class, percent, spell


def find(
    centres: np.ndarray, per_class: int | list[int] = 20, mistakes: dict[tuple[int, int], int] | None = None
) -> CloseClasses:
    """Close classes of gaussians around `centres` (C, d), with unit spread."""
    sizes = [per_class] * len(centres) if isinstance(per_class, int) else per_class
    targets = np.repeat(np.arange(len(centres)), sizes)
    features = centres[targets] + np.random.default_rng(0).normal(size=(len(targets), centres.shape[1]))
    confusion = np.diag(sizes).astype(np.int64)
    for (truth, prediction), count in (mistakes or {}).items():
        confusion[truth, prediction] += count
        confusion[truth, truth] -= count
    names = [f"name {c}" for c in range(len(centres))]
    keys = [f"{target}/{index}.png" for index, target in enumerate(targets)]
    return find_close_classes(
        features.astype("f4"), targets, confusion, names, [str(c) for c in range(99)][: len(names)], keys
    )


def far_apart(num_classes: int) -> np.ndarray:
    return 12 * np.eye(num_classes, 16)


def with_group(*members: int, num_classes: int = 10) -> np.ndarray:
    """Classes far apart, but for the members, that lie upon each other."""
    centres = far_apart(num_classes)
    centres[list(members)] = centres[members[0]]
    return centres


def test_a_planted_group_is_found() -> None:
    found = find(with_group(1, 3, 4, 8), mistakes={(1, 3): 4, (3, 8): 2, (4, 0): 2, (7, 5): 1})
    (group,) = found.groups
    assert group.classes == (1, 3, 4, 8)
    assert group.neighbour_share == pytest.approx(0.75, abs=0.06)  # of four classes upon each other, three are others
    assert group.affinity == pytest.approx(0.25, abs=0.02)
    assert (group.mistakes, group.mistakes_inside) == (8, 6)
    assert found.threshold == pytest.approx(0.1)
    at = found.order.index
    assert max(map(at, group.classes)) - min(map(at, group.classes)) == 3, "the group stands together in the order"
    assert {found.pairs[0].first, found.pairs[0].second} <= set(group.classes)
    assert found.rank_correlation is not None
    assert found.rank_correlation > 0.2


def test_the_examples_are_images_of_their_class_that_are_most_like_the_others() -> None:
    features = np.array([[1, 0], [0.8, 0.6], [0.9, 0.1], [0, 1], [0.5, 0.8], [0.1, 0.9]], dtype=np.float32)
    keys = ["a far", "a near", "a", "b far", "b near", "b"]
    found = find_close_classes(features, np.array([0, 0, 0, 1, 1, 1]), np.eye(2, dtype=np.int64), "ab", "ab", keys)
    (group,) = found.groups
    assert group.examples == (("a near", "a", "a far"), ("b near", "b", "b far"))


def test_the_words_say_the_numbers() -> None:
    found = find(with_group(1, 3, 4, 8), mistakes={(1, 3): 4, (3, 8): 2, (4, 0): 2})
    share, own = percent(found.groups[0].neighbour_share), percent(found.own_share)
    assert found.sentence == (
        f"Most classes separate: each image's ten nearest neighbours share its class in {own} of cases; chance would "
        "give 9.5 %. Classes 1 (name 1), 3 (name 3), 4 (name 4) and 8 (name 8) lie close: "
        f"{share} of their images' neighbours belong to another of them, and 75 % of their mistakes stay inside the "
        "group (6 of 8)."
    )
    assert len(found.paragraphs) == 4
    assert "over 45 pairs" in found.paragraphs[2]


def test_no_group() -> None:
    found = find(far_apart(6))
    assert found.groups == ()
    assert found.own_share == 1
    assert found.sentence.startswith(
        "All six classes separate: each image's ten nearest neighbours share its class in 100 %"
    )
    assert found.sentence.endswith("No classes lie close.")
    assert found.rank_correlation is None
    assert found.pairs == ()


def test_two_groups_each_have_their_sentence() -> None:
    centres = with_group(0, 1, 2, num_classes=9)
    centres[5] = centres[4]
    found = find(centres, mistakes={(4, 5): 3})
    assert [group.classes for group in found.groups] == [(0, 1, 2), (4, 5)]
    assert "yet none of their images is mistaken" in found.sentence
    assert "100 % of their mistakes are between the two (3 of 3)" in found.sentence
    assert "belong to the other one" in found.sentence


def test_more_than_three_groups_are_counted_in_the_sentence_and_told_in_the_paragraphs() -> None:
    centres = np.repeat(12 * np.eye(5, 16), 2, axis=0)
    found = find(centres)
    assert len(found.groups) == 5
    assert "Two more groups of classes lie close." in found.sentence
    assert found.paragraphs[1].count("lie close:") == 5
    assert "One more group of classes lies close." in find(centres[:8]).sentence


@pytest.mark.parametrize(("distance", "close"), [(12.0, False), (0.0, True)])
def test_two_classes_only(distance: float, close: bool) -> None:
    found = find(np.array([[8.0, 0, 0, 0], [8.0, distance, 0, 0]]))
    assert bool(found.groups) == close
    assert found.sentence.startswith("Both classes separate") != close
    assert found.rank_correlation is None


def test_a_small_class_can_separate_too() -> None:
    found = find(far_apart(3), per_class=[40, 4, 40])
    assert found.own_shares == (1.0, 1.0, 1.0)
    assert found.groups == ()


def test_unequal_classes_upon_each_other_are_close() -> None:
    assert find(with_group(0, 1, num_classes=4), per_class=[60, 6, 20, 20]).groups[0].classes == (0, 1)


def test_classes_with_too_few_images_are_left_out_and_said() -> None:
    found = find(far_apart(5), per_class=[20, 0, 20, 2, 20])
    assert found.judged == (0, 2, 4)
    assert set(found.order) == {0, 2, 4}
    assert found.own_shares[1] is None
    assert "Two classes with fewer than three images are left out." in found.sentence
    assert "One class with fewer than three images is left out." in find(far_apart(3), [20, 0, 20]).sentence
    assert not any(found.affinity[1])


@pytest.mark.parametrize("sizes", [[0, 0, 0], [20, 0, 0], [1, 1, 1]])
def test_nothing_to_compare_is_said(sizes: list[int]) -> None:
    found = find(far_apart(3), per_class=sizes)
    assert "cannot be said" in found.sentence
    assert found.groups == ()


def test_classes_that_all_mix_do_not_separate() -> None:
    found = find(np.zeros((4, 8)), per_class=30)
    assert found.sentence.startswith("No class separates")
    assert found.groups[0].classes == (0, 1, 2, 3)
    assert found.own_share == pytest.approx(found.chance_share, abs=0.05)


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
    assert np.array_equal(np.array(value["affinity"]), np.array(value["affinity"]).T)


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
    assert (label_class("10", "baby"), label_class("baby", "baby")) == ("10 (baby)", "baby")


def test_regions_of_one_image_are_no_neighbours() -> None:
    """Every image is a place of its own in feature space, with a region of either class: side by side, but apart."""
    owners, targets = np.repeat(np.arange(12), 2), np.tile([0, 1], 12)
    random = np.random.default_rng(0)
    features = (3 * random.normal(size=(12, 16)))[owners] + 4 * np.eye(2, 16)[targets]
    arguments = (features.astype("f4"), targets, np.diag([12, 12]), "ab", "ab", [f"{owner}.png" for owner in owners])
    found = find_close_classes(*arguments, owners=owners)
    assert found.unit == "region"
    assert found.own_share > find_close_classes(*arguments).own_share
    assert found.chance_share == pytest.approx(0.5)
    assert "24 regions" in found.paragraphs[-1]
    assert "image's" not in found.sentence


def test_regions_of_a_single_image_have_no_neighbours() -> None:
    features = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")
    found = find_close_classes(features, np.repeat([0, 1], 3), np.diag([3, 3]), "ab", "ab", ["a"] * 6, np.zeros(6, int))
    assert not found.groups
    assert found.own_share == 0
