"""Measures which classes are similar in embedding space, and how far to trust that.

The similarity of two classes is the fraction of an image's k nearest other images (cosine similarity) that belong to
the other class: mean over the images of each class, then mean of the two directions. 0: the classes are never
neighbours; two classes that cannot be separated reach 0.5. A class with fewer than k other images is measured with as
many as it has, so that a small class can separate too.

Similar: at least a tenth, that is one neighbour in ten. Where classes separate well, less stands out already: ten times
the mean over all pairs, but never less than a twentieth. Groups are what average linkage joins until then, so that the
*mean* over all pairs of a group is that high, and a chain of neighbours is not a group.
"""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finesight.analysis.class_similarity_result import (
    FEWEST_IMAGES,
    ClassSimilarity,
    SimilarGroup,
    SimilarPair,
    Stability,
)
from finesight.analysis.distance import EXACT, Floats, Indices, find_nearest, most_neighbours, normalise_rows
from finesight.analysis.projection_methods import project
from finesight.progress import progress_bar

NEIGHBOURS = 10
SIMILAR, SIMILAR_AT_LEAST, TIMES_AVERAGE = 0.10, 0.05, 10.0
NUM_EXAMPLES = 4  # images per class and group
MOST_COMPARED = 5_000  # images of each side among which they are searched, where there are more than EXACT
NUM_PAIRS = 10
PERMUTATIONS = 2000
# Stability is checked on t-SNE projections of (perplexity, seed), a second each.
PLAN = tuple((perplexity, seed) for seed in (1, 2) for perplexity in (30.0, 10.0, 90.0))
MOST_IMAGES = 1500  # on a projection, evenly from all classes
LONGEST_S = 120.0  # no further projection is started after that


def measure_class_similarity(
    features: Floats,
    targets: Indices,
    confusion: NDArray[np.int64],
    labels: Sequence[str],
    keys: Sequence[str],
    images: Indices | None = None,
) -> ClassSimilarity:
    """Of features (n, d) with class indices targets (n,), one key per image.

    labels: how each class is written (C,). confusion: counts (C, C), rows truth. Classes with fewer than three images
    are left out.
    images: of regions, the image each belongs to (n,). Regions of one image are not neighbours: they are similar
    because they are adjacent.
    """
    sizes = np.bincount(targets, minlength=len(labels))
    judged = np.flatnonzero(sizes >= FEWEST_IMAGES)
    chosen = np.isin(targets, judged)
    features, targets = normalise_rows(features[chosen]), targets[chosen]
    keys = [key for key, keep in zip(keys, chosen, strict=True) if keep]
    images = None if images is None else images[chosen]
    fractions, own_fraction = neighbour_fractions(features, targets, len(labels), images)
    similarity = _symmetrise(fractions)
    errors = np.array(confusion)
    np.fill_diagonal(errors, 0)
    first, second = (judged[side] for side in np.triu_indices(len(judged), 1))
    pairs = similarity[first, second]
    block = np.ix_(judged, judged)
    rank_correlation, p_value = measure_agreement(similarity[block], (errors + errors.T)[block])
    threshold = _choose_threshold(pairs)
    order, tree, members = _cluster(similarity, judged, threshold)
    groups = [_describe_group(group, features, targets, keys, fractions, similarity, errors) for group in members]
    return ClassSimilarity(
        labels=tuple(labels),
        k=max(1, _count_neighbours(len(targets), images)),
        num_images=len(targets),
        judged=tuple(judged.tolist()),
        own_fractions=tuple(float(fractions[c, c]) if c in judged else None for c in range(len(labels))),
        own_fraction=own_fraction,
        chance_fraction=_chance_fraction(sizes[judged], images),
        threshold=threshold,
        similarity=tuple(tuple(row) for row in similarity.round(5).tolist()),
        order=order,
        tree=tree,
        pairs=_most_similar_pairs(first, second, pairs, errors),
        groups=tuple(sorted(groups, key=lambda group: -group.neighbour_fraction * len(group.classes))),
        rank_correlation=rank_correlation,
        p_value=p_value,
        num_pairs=len(pairs),
        unit="image" if images is None else "region",
    )


def neighbour_fractions(
    points: Floats, targets: Indices, num_classes: int, images: Indices | None = None
) -> tuple[Floats, float]:
    """(C, C) mean fraction of class j among the nearest images of an image of class i, and its mean for i = j.

    points: normalised features (n, d), or positions of a projection. images: see `measure_class_similarity`.
    """
    sums = np.zeros((num_classes, num_classes))
    if not len(targets):
        return sums, 0.0
    sizes = np.bincount(targets, minlength=num_classes)
    near = targets[find_nearest(points, _count_neighbours(len(targets), images), groups=images)]  # (n, k) classes
    asked = np.minimum(sizes[targets] - 1, near.shape[1])  # (n,)
    weights = (np.arange(near.shape[1]) < asked[:, None]) / asked[:, None]  # (n, k), rows sum to 1
    np.add.at(sums, (targets[:, None], near), weights)
    own_fraction = round(float(np.trace(sums) / len(targets)), 6)
    return (sums / np.maximum(sizes, 1)[:, None]).round(6), own_fraction  # thirds summed up are not quite 1


def _count_neighbours(num_images: int, images: Indices | None) -> int:
    return min(NEIGHBOURS, num_images - 1 if images is None else most_neighbours(images))


def _chance_fraction(sizes: Indices, images: Indices | None) -> float:
    """Of all ordered pairs that may be neighbours, those of one class."""
    num_images = int(sizes.sum())
    together = num_images if images is None else int((np.bincount(images) ** 2).sum())
    return float((sizes * (sizes - 1)).sum() / max(num_images**2 - together, 1))


def _choose_threshold(pairs: Floats) -> float:
    average = float(pairs.mean()) if len(pairs) else 0.0
    return min(max(TIMES_AVERAGE * average, SIMILAR_AT_LEAST), SIMILAR)


def _symmetrise(fractions: Floats) -> Floats:
    """Mean of both directions; 0 on the diagonal."""
    similarity: Floats = (fractions + fractions.T) / 2
    np.fill_diagonal(similarity, 0.0)
    return similarity


def _average_pairs(similarity: Floats, classes: Sequence[int] | Indices) -> float:
    """Mean over all pairs of the classes."""
    members = np.asarray(classes)
    return float(similarity[np.ix_(members, members)].sum() / (len(members) * (len(members) - 1)))


Tree = tuple[tuple[int, int, float], ...]


def _cluster(similarity: Floats, judged: Indices, threshold: float) -> tuple[tuple[int, ...], Tree, list[Indices]]:
    """(order of the judged classes, tree, groups of two and more), from one average linkage."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if len(judged) < 2:
        return tuple(judged.tolist()), (), []
    distances = 1 - similarity[np.ix_(judged, judged)]
    np.fill_diagonal(distances, 0.0)
    condensed = squareform(distances, checks=False)
    tree = hierarchy.linkage(condensed, "average")
    if len(judged) <= 300:  # the best order of leaves takes cubic time
        tree = hierarchy.optimal_leaf_ordering(tree, condensed)
    group_of = hierarchy.fcluster(tree, 1 - threshold + 1e-9, "distance")
    groups = [judged[group_of == group] for group in np.unique(group_of)]
    nodes = [*judged.tolist(), *range(len(similarity), len(similarity) + len(tree))]
    joins = tuple((nodes[int(left)], nodes[int(right)], round(1 - height, 5)) for left, right, height, _ in tree)
    order = tuple(judged[hierarchy.leaves_list(tree)].tolist())
    return order, joins, [group for group in groups if len(group) > 1]


def _describe_group(
    group: Indices,
    features: Floats,
    targets: Indices,
    keys: Sequence[str],
    fractions: Floats,
    similarity: Floats,
    errors: NDArray[np.int64],
) -> SimilarGroup:
    block = np.ix_(group, group)
    sizes = np.array([int((targets == c).sum()) for c in group])
    to_others = fractions[block].sum(1) - fractions[group, group]
    return SimilarGroup(
        classes=tuple(group.tolist()),
        similarity=round(_average_pairs(similarity, group), 5),
        neighbour_fraction=round(float((to_others * sizes).sum() / sizes.sum()), 5),
        errors=int(errors[group].sum()),
        errors_inside=int(errors[block].sum()),
        examples=tuple(_find_examples(c, group, features, targets, keys) for c in group),
    )


def _find_examples(c: int, group: Indices, features: Floats, targets: Indices, keys: Sequence[str]) -> tuple[str, ...]:
    """Keys of the images of class c that are most similar to an image of another class of the group."""
    own, others = np.flatnonzero(targets == c), np.flatnonzero(np.isin(targets, group) & (targets != c))
    if len(targets) > EXACT:  # all pairs would be too many
        own, others = _thin(own), _thin(others)
    nearest = (features[own] @ features[others].T).max(1)
    return tuple(str(keys[image]) for image in own[np.argsort(-nearest, kind="stable")[:NUM_EXAMPLES]])


def _thin(rows: Indices, most: int = MOST_COMPARED) -> Indices:
    """At most so many of them, evenly."""
    thinned: Indices = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int)]
    return thinned


def _most_similar_pairs(
    first: Indices, second: Indices, similarity: Floats, errors: NDArray[np.int64]
) -> tuple[SimilarPair, ...]:
    pairs = []
    for index in np.argsort(-similarity, kind="stable")[:NUM_PAIRS]:
        a, b = int(first[index]), int(second[index])
        confusions, made = int(errors[a, b] + errors[b, a]), int(errors[[a, b]].sum())
        if similarity[index] > 0:
            fraction = confusions / made if made else None
            pairs.append(SimilarPair(a, b, round(float(similarity[index]), 5), confusions, fraction))
    return tuple(pairs)


def measure_agreement(
    similarity: Floats, confused: NDArray[np.int64], seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """(Spearman's rank correlation, one-sided p-value) of symmetric matrices (C, C) over their pairs.

    None for fewer than three classes, or where one matrix is the same for all pairs. Pairs that share a class are not
    independent, so the classes of one matrix are permuted, not its pairs (Mantel 1967, "The detection of disease
    clustering and a generalized regression approach").
    """
    from scipy.stats import rankdata

    num_classes = len(similarity)
    first, second = np.triu_indices(num_classes, 1)
    if num_classes < 3 or np.ptp(similarity[first, second]) == 0 or np.ptp(confused[first, second]) == 0:
        return None, None
    similarities, confusions = (_standardise(rankdata(matrix[first, second])) for matrix in (similarity, confused))
    ranks = np.zeros((num_classes, num_classes))
    ranks[first, second] = ranks[second, first] = confusions
    measured = float(similarities @ confusions)
    random = np.random.default_rng(seed)
    orders = (random.permutation(num_classes) for _ in range(PERMUTATIONS))
    as_good = sum(float(similarities @ ranks[order[first], order[second]]) >= measured - 1e-12 for order in orders)
    return round(measured, 6), (1 + as_good) / (1 + PERMUTATIONS)


def _standardise(ranks: Floats) -> Floats:
    """Mean 0, length 1: the product of two is their correlation."""
    centred: Floats = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def check_stability(
    features: Floats,
    targets: Indices,
    found: ClassSimilarity,
    images: Indices | None = None,
    longest_s: float = LONGEST_S,
) -> Stability:
    """Looks for the groups on the projections of PLAN, as many as start within `longest_s` seconds.

    A group is still one when the mean similarity of its pairs, measured on the projection, reaches the threshold.
    images: see `measure_class_similarity`.
    """
    chosen = choose_images(targets, MOST_IMAGES)
    features, targets = features[chosen], targets[chosen]
    images = None if images is None else images[chosen]
    groups = [group.classes for group in found.groups]
    pairs = [(pair.first, pair.second) for pair in found.pairs]
    held: list[list[bool]] = []
    began = time.monotonic()
    with progress_bar("Stability", len(PLAN), "projections") as bar:
        for perplexity, seed in PLAN:
            if held and time.monotonic() - began > longest_s:
                break
            start = np.random.default_rng(seed).normal(size=(len(features), 2))
            points = project(features, perplexity=perplexity, seed=seed, start=start).points
            similarity = _symmetrise(neighbour_fractions(points, targets, len(found.labels), images)[0])
            held.append([_average_pairs(similarity, classes) >= found.threshold for classes in (*groups, *pairs)])
            bar.advance()
    counts = tuple(np.sum(held, axis=0, dtype=int).tolist())
    return Stability(PLAN[: len(held)], len(features), counts[: len(groups)], counts[len(groups) :])


def choose_images(targets: Indices, most: int) -> Indices:
    """Indices of at most `most` images, evenly from all classes."""
    chosen: Indices = np.sort(_thin(np.argsort(targets, kind="stable"), most))
    return chosen
