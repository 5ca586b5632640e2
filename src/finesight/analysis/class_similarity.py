"""Which classes lie close in feature space, in words and with proof.

Affinity of two classes: the share of an image's k nearest other images (cosine similarity) that belong to the other
class; mean over the images of each class, then mean of the two directions. 0: the classes never meet; two classes
that cannot be told apart reach 0.5. A class with fewer than k other images is asked for as many as it has, so that a
small class can separate too.

Close: affinity of at least a tenth, that is one neighbour in ten. Where classes separate well, a smaller affinity
stands out already: ten times that of an average pair, but never less than a twentieth. Groups are what average linkage
joins until then, so that the *mean* affinity over all pairs of a group is that high, and no chain of neighbours makes a
group of classes that never meet.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from finesight.analysis.agreement import measure_agreement
from finesight.analysis.class_similarity_text import (
    FEWEST_IMAGES,
    describe_agreement,
    describe_groups,
    describe_method,
    describe_separation,
)
from finesight.analysis.distance import Floats, Indices, find_nearest, most_neighbours, normalise_rows
from finesight.analysis.wording import label_class

NEIGHBOURS = 10
CLOSE, CLOSE_AT_LEAST, TIMES_AVERAGE = 0.10, 0.05, 10.0
NUM_EXAMPLES = 4  # images a class and group
NUM_PAIRS = 10


@dataclass(frozen=True)
class ClosePair:
    """first, second: class indices. confusions: images of one taken for the other, both ways.

    mistake_share: confusions / all mistakes made on images of the two; None where there is none.
    """

    first: int
    second: int
    affinity: float
    confusions: int
    mistake_share: float | None


@dataclass(frozen=True)
class CloseGroup:
    """Classes that lie close to each other.

    affinity: mean over pairs. neighbour_share: how many of an image's neighbours are of another class of the group.
    mistakes: made on the group's images; mistakes_inside: those of them that end in the group.
    examples: per class the keys of the images that are nearest to one of another class of the group, nearest first.
    """

    classes: tuple[int, ...]
    affinity: float
    neighbour_share: float
    mistakes: int
    mistakes_inside: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class CloseClasses:
    """labels: how each class is called in sentences. judged: indices of the classes with enough images.

    own_shares: per class, the share of its images' neighbours that are of the class; None where not judged.
    own_share: the same over all images; chance_share: what it would be if images lay anywhere.
    affinity: C x C, symmetric. order: judged classes so that close ones stand side by side. threshold: of close.
    tree: average linkage, closest first: (left, right, mean affinity between them); a class is its index, what the
    m-th row joins is C + m. pairs: the closest, closest first. groups: those first that mix most.
    rank_correlation, p_value: see `measure_agreement`, over num_pairs pairs; None where there is nothing to compare.
    unit: what features are of, "image" or "region"; everything that is said of images here is said of it.
    """

    labels: tuple[str, ...]
    k: int
    num_images: int
    judged: tuple[int, ...]
    own_shares: tuple[float | None, ...]
    own_share: float
    chance_share: float
    threshold: float
    affinity: tuple[tuple[float, ...], ...]
    order: tuple[int, ...]
    tree: tuple[tuple[int, int, float], ...]
    pairs: tuple[ClosePair, ...]
    groups: tuple[CloseGroup, ...]
    rank_correlation: float | None
    p_value: float | None
    num_pairs: int
    unit: str = "image"

    @property
    def sentence(self) -> str:
        """The finding in a few lines: how well classes separate, and the three groups that mix most."""
        return " ".join([describe_separation(self), *describe_groups(self, limit=3)])

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The finding, every group, how it agrees with the mistakes, and how it was measured."""
        parts = (describe_separation(self), " ".join(describe_groups(self)), describe_agreement(self))
        return (*filter(None, parts), describe_method(self))

    def to_dict(self) -> dict[str, object]:
        """All of it for JSON, sentences included."""
        return {**asdict(self), "sentence": self.sentence, "paragraphs": list(self.paragraphs)}


def find_close_classes(
    features: Floats,
    targets: Indices,
    confusion: NDArray[np.int64],
    names: Sequence[str],
    ids: Sequence[str],
    keys: Sequence[str],
    owners: Indices | None = None,
) -> CloseClasses:
    """Close classes of features (n, d) with class indices targets (n,), one key an image.

    confusion: counts (C, C), rows truth. Classes with fewer than three images are left out and said to be.
    owners: of regions of images, which image each is of (n,); regions of one image are no neighbours, for they
    are alike by lying side by side.
    """
    sizes = np.bincount(targets, minlength=len(names))
    judged = np.flatnonzero(sizes >= FEWEST_IMAGES)
    chosen = np.isin(targets, judged)
    features, targets = normalise_rows(features[chosen]), targets[chosen]
    keys = [key for key, keep in zip(keys, chosen, strict=True) if keep]
    owners = None if owners is None else owners[chosen]
    shares, own_share = neighbour_shares(features, targets, len(names), owners)
    affinity = to_affinity(shares)
    mistakes = np.array(confusion)
    np.fill_diagonal(mistakes, 0)
    first, second = (judged[side] for side in np.triu_indices(len(judged), 1))
    closeness = affinity[first, second]
    block = np.ix_(judged, judged)
    agreement = measure_agreement(affinity[block], (mistakes + mistakes.T)[block])
    average = float(closeness.mean()) if len(closeness) else 0.0
    threshold = min(max(TIMES_AVERAGE * average, CLOSE_AT_LEAST), CLOSE)
    order, tree, members = _cluster(affinity, judged, threshold)
    groups = [_describe_group(group, features, targets, keys, shares, affinity, mistakes) for group in members]
    chance = float((sizes[judged] * (sizes[judged] - 1)).sum() / max(_count_pairs(len(targets), owners), 1))
    return CloseClasses(
        labels=tuple(label_class(class_id, name) for class_id, name in zip(ids, names, strict=True)),
        k=max(1, _count_neighbours(len(targets), owners)),
        num_images=len(targets),
        judged=tuple(judged.tolist()),
        own_shares=tuple(float(shares[c, c]) if c in judged else None for c in range(len(names))),
        own_share=own_share,
        chance_share=chance,
        threshold=threshold,
        affinity=tuple(tuple(row) for row in affinity.round(5).tolist()),
        order=order,
        tree=tree,
        pairs=_closest_pairs(first, second, closeness, mistakes),
        groups=tuple(sorted(groups, key=lambda group: -group.neighbour_share * len(group.classes))),
        rank_correlation=agreement.rank_correlation if agreement else None,
        p_value=agreement.p_value if agreement else None,
        num_pairs=len(closeness),
        unit="image" if owners is None else "region",
    )


def neighbour_shares(
    points: Floats, targets: Indices, num_classes: int, owners: Indices | None = None
) -> tuple[Floats, float]:
    """(C, C) mean share of class j among the nearest images of an image of class i, and the mean own share.

    points: normalised features (n, d), or places on a map. owners: see `find_close_classes`.
    """
    sums = np.zeros((num_classes, num_classes))
    if not len(targets):
        return sums, 0.0
    sizes = np.bincount(targets, minlength=num_classes)
    near = targets[find_nearest(points, _count_neighbours(len(targets), owners), owners=owners)]  # (n, k) classes
    asked = np.minimum(sizes[targets] - 1, near.shape[1])  # (n,)
    weights = (np.arange(near.shape[1]) < asked[:, None]) / asked[:, None]  # (n, k), rows sum to 1
    np.add.at(sums, (targets[:, None], near), weights)
    own_share = round(float(np.trace(sums) / len(targets)), 6)
    return (sums / np.maximum(sizes, 1)[:, None]).round(6), own_share  # thirds summed up are not quite 1


def _count_neighbours(num_images: int, owners: Indices | None) -> int:
    """That each is asked for."""
    return min(NEIGHBOURS, num_images - 1 if owners is None else most_neighbours(owners))


def _count_pairs(num_images: int, owners: Indices | None) -> int:
    """Of two that may be neighbours, in both directions."""
    together = num_images if owners is None else int((np.bincount(owners) ** 2).sum())
    return num_images**2 - together


def to_affinity(shares: Floats) -> Floats:
    """Mean of both directions; 0 on the diagonal."""
    affinity: Floats = (shares + shares.T) / 2
    np.fill_diagonal(affinity, 0.0)
    return affinity


def mean_affinity(affinity: Floats, classes: Sequence[int] | Indices) -> float:
    """Over all pairs of the classes."""
    members = np.asarray(classes)
    return float(affinity[np.ix_(members, members)].sum() / (len(members) * (len(members) - 1)))


Tree = tuple[tuple[int, int, float], ...]


def _cluster(affinity: Floats, judged: Indices, threshold: float) -> tuple[tuple[int, ...], Tree, list[Indices]]:
    """(order of the judged classes, tree, groups of two and more), from one average linkage."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if len(judged) < 2:
        return tuple(judged.tolist()), (), []
    distances = 1 - affinity[np.ix_(judged, judged)]
    np.fill_diagonal(distances, 0.0)
    condensed = squareform(distances, checks=False)
    tree = hierarchy.linkage(condensed, "average")
    if len(judged) <= 300:  # the best order of leaves takes cubic time
        tree = hierarchy.optimal_leaf_ordering(tree, condensed)
    group_of = hierarchy.fcluster(tree, 1 - threshold + 1e-9, "distance")
    groups = [judged[group_of == group] for group in np.unique(group_of)]
    nodes = [*judged.tolist(), *range(len(affinity), len(affinity) + len(tree))]
    joins = tuple((nodes[int(left)], nodes[int(right)], round(1 - height, 5)) for left, right, height, _ in tree)
    order = tuple(judged[hierarchy.leaves_list(tree)].tolist())
    return order, joins, [group for group in groups if len(group) > 1]


def _describe_group(
    group: Indices,
    features: Floats,
    targets: Indices,
    keys: Sequence[str],
    shares: Floats,
    affinity: Floats,
    mistakes: NDArray[np.int64],
) -> CloseGroup:
    block = np.ix_(group, group)
    images = np.array([int((targets == c).sum()) for c in group])
    to_others = shares[block].sum(1) - shares[group, group]
    return CloseGroup(
        classes=tuple(group.tolist()),
        affinity=round(mean_affinity(affinity, group), 5),
        neighbour_share=round(float((to_others * images).sum() / images.sum()), 5),
        mistakes=int(mistakes[group].sum()),
        mistakes_inside=int(mistakes[block].sum()),
        examples=tuple(_find_examples(c, group, features, targets, keys) for c in group),
    )


def _find_examples(c: int, group: Indices, features: Floats, targets: Indices, keys: Sequence[str]) -> tuple[str, ...]:
    """Keys of the images of class c that are most like an image of another class of the group."""
    own = np.flatnonzero(targets == c)
    others = np.flatnonzero(np.isin(targets, group) & (targets != c))
    likeness = (features[own] @ features[others].T).max(1)
    return tuple(str(keys[image]) for image in own[np.argsort(-likeness, kind="stable")[:NUM_EXAMPLES]])


def _closest_pairs(
    first: Indices, second: Indices, closeness: Floats, mistakes: NDArray[np.int64]
) -> tuple[ClosePair, ...]:
    pairs = []
    for index in np.argsort(-closeness, kind="stable")[:NUM_PAIRS]:
        a, b = int(first[index]), int(second[index])
        confusions, made = int(mistakes[a, b] + mistakes[b, a]), int(mistakes[[a, b]].sum())
        if closeness[index] > 0:
            pairs.append(
                ClosePair(a, b, round(float(closeness[index]), 5), confusions, confusions / made if made else None)
            )
    return tuple(pairs)
