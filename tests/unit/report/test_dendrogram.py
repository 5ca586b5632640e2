"""The dendrogram of classes: every class once, and similar ones join further left."""

import re
from dataclasses import replace

import numpy as np

from finesight.analysis.class_similarity import measure_class_similarity
from finesight.analysis.class_similarity_result import ClassSimilarity
from finesight.reporting.dendrogram import GAP, WIDTH, draw_dendrogram


def measure(num_classes: int) -> ClassSimilarity:
    centres = 12 * np.eye(num_classes, 16)
    centres[1] = centres[0]
    targets = np.repeat(np.arange(num_classes), 12)
    features = (centres[targets] + np.random.default_rng(0).normal(size=(len(targets), 16))).astype("f4")
    names = [f"name {c}" for c in range(num_classes)]
    keys = [str(i) for i in range(len(targets))]
    return measure_class_similarity(features, targets, np.eye(num_classes, dtype=int), names, keys)


def test_every_class_has_its_place_and_similar_ones_join_furthest_left() -> None:
    drawn = draw_dendrogram(measure(6), [f"name {c}" for c in range(6)])
    assert drawn is not None
    assert sorted(index for index, *_ in drawn.labels) == list(range(6))
    assert len(drawn.joins) == 5
    assert [join.is_similar for join in drawn.joins] == [True, False, False, False, False]
    across = [float(re.findall(r"H([\d.]+)V", join.path)[0]) for join in drawn.joins]
    assert across[0] < drawn.threshold_x < min(across[1:])
    assert across == sorted(across)
    assert max(across) <= drawn.labels_x + GAP + WIDTH <= drawn.width
    assert min(across) >= drawn.labels_x
    heights = [y for *_, y in drawn.labels]
    assert len(set(np.diff(heights))) == 1


def test_without_a_tree_nothing_is_drawn() -> None:
    assert draw_dendrogram(replace(measure(6), tree=()), [f"name {c}" for c in range(6)]) is None
