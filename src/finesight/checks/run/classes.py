"""Findings about single classes and pairs of them, from what was answered. For images of one class and for masks."""

from collections.abc import Sequence

import numpy as np

from finesight.analysis.distance import Floats, Indices
from finesight.analysis.wording import count_of, interval_of, join_some, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.metrics.intervals import Measured, bootstrap, measure_share, subtract
from finesight.metrics.significance import divide, mask_rows, mcnemar, score_masks

FEWEST_IMAGES = 20  # below, even a flawless network cannot be told from a lucky guess between two classes
SURE = 0.05  # chance of being wrong that is accepted, of all pairs or classes looked at together
LEARNED = 1.5  # times the mean recall of guessing: what is above has learned something, whatever its accuracy
FEWEST_TO_EXPECT_ONE = 5  # a class found every second time is missed five times in a row in 3 % of cases
NEVER = 0.05  # of masks, predicted pixels of a class / true ones, below which it is as good as never predicted
WIDEST = 0.3  # of an interval that still says something: 0.65 to 0.95 is anything from poor to good
FEWEST_MASKS = 10  # a bootstrap over fewer images makes intervals that are too narrow
CONFUSED = 0.1  # share of a class that is taken for another, lower end of its interval
RARE = 0.5  # of an even share of the training part
HURT = 0.05  # recall that rare classes lose against the others, lower end of its interval
TOO_SELDOM = 0.8  # predictions of rare classes / true ones: their mistakes go to the frequent ones, not both ways


def find_no_better_than_guessing(case: Case) -> Explanation | None:
    counts = _pool(case)
    sizes = counts.sum(1)
    if not sizes.sum() or len(case.keys) < FEWEST_IMAGES:
        raise NotApplicable(f"{count_of(len(case.keys), 'image')} cannot tell; it takes {FEWEST_IMAGES}.")
    if (sizes > 0).sum() < 2:
        raise NotApplicable("All images are of one class.")
    largest = int(sizes.argmax())
    share, right = sizes[largest] / sizes.sum(), counts.diagonal().sum() / sizes.sum()
    recalls = counts.diagonal()[sizes > 0] / sizes[sizes > 0]
    if recalls.mean() >= LEARNED / len(recalls) or _beats(case, largest):
        return None
    unit = "pixels" if case.has_masks else "images"
    return Explanation(
        f"The network is right on {percent(right)} of {unit}; always answering {case.label(largest)} would be right on "
        f"{percent(share)} of them. On {count_of(len(case.keys), 'image')} the two cannot be told apart, and the "
        f"mean recall of the classes is {percent(recalls.mean())}, where guessing has {percent(1 / len(recalls))}."
    )


def _beats(case: Case, largest: int) -> bool:
    """Whether the network is right more often than the answer `largest`, and not by luck."""
    if case.has_masks:
        rows = case.pixels[:, case.known]
        right = rows[:, range(len(case.known)), case.known].sum(1)
        table = np.stack([right - rows[:, case.known.index(largest)].sum(1), rows.sum((1, 2))], axis=1)
        (gain,) = bootstrap(table, lambda sums: sums[:, :1] / sums[:, 1:])
        return gain is not None and gain.low > 0
    right, guessed = case.predictions == case.targets, case.targets == largest
    won, lost = int((right & ~guessed).sum()), int((guessed & ~right).sum())
    return won > lost and mcnemar(lost, won) < SURE


def find_never_predicted(case: Case) -> Explanation | None:
    counts = _pool(case)
    truth, predicted = counts.sum(1), counts.sum(0)
    holders = _count_holders(case)
    enough = [c for c in case.known if holders[c] >= FEWEST_TO_EXPECT_ONE]
    if not enough:
        raise NotApplicable(f"No class has {FEWEST_TO_EXPECT_ONE} images here.")
    missed = [c for c in enough if predicted[c] <= (NEVER * truth[c] if case.has_masks else 0)]
    if not missed:
        return None
    missed.sort(key=lambda c: -truth[c])
    names = join_some([f"{case.label(c)} ({count_of(int(holders[c]), 'image')})" for c in missed])
    never = "as good as never" if case.has_masks else "never"
    verb = "is" if len(missed) == 1 else "are"
    return Explanation(
        f"{count_of(len(missed), 'class')} of {len(enough)} {verb} {never} predicted, though the truth has: {names}.",
        _example_of_each(case, missed),
    )


def find_too_few(case: Case) -> Explanation | None:
    holders, train = _count_holders(case), _count_training(case)
    used = [c for c in case.known if holders[c] or train is None or train[c]]
    if not used:
        raise NotApplicable("There is no class.")
    measured = _measure_classes(case)
    unsure = [c for c in used if _is_unsure(case, int(holders[c]), measured[c])]
    if not unsure:
        return None
    unsure.sort(key=lambda c: holders[c])
    score = "IoU" if case.has_masks else "recall"
    return Explanation(
        f"{count_of(len(unsure), 'class')} of {len(used)} cannot be judged on so few images: "
        f"{join_some([_describe_score(case, c, int(holders[c]), score, measured[c]) for c in unsure])}.",
        _example_of_each(case, unsure),
    )


def _is_unsure(case: Case, num_images: int, measured: Measured | None) -> bool:
    if measured is None or (case.has_masks and num_images < FEWEST_MASKS):
        return True
    return measured.high - measured.low > WIDEST


def _describe_score(case: Case, c: int, num_images: int, score: str, measured: Measured | None) -> str:
    if not num_images:
        return f"{case.label(c)} (no image)"
    if measured is None or (case.has_masks and num_images < FEWEST_MASKS):
        value = percent(case.evaluation.metrics.get(f"iou/{case.evidence.classes.names[c]}", 0.0))
        return f"{case.label(c)} ({score} {value}, {count_of(num_images, 'image')}: too few for an interval)"
    interval = interval_of(measured.low, measured.high)
    return f"{case.label(c)} ({score} {percent(measured.value)}, {interval}, {count_of(num_images, 'image')})"


def find_confused_pairs(case: Case) -> Explanation | None:
    counts = _pool(case)
    present = [c for c in case.known if counts[c].sum()]
    if len(present) < 3:
        raise NotApplicable("With fewer than three classes every mistake is between the same two.")
    shares = {}
    many = counts >= np.maximum(CONFUSED * counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(many, False)
    for a, b in np.argwhere(many).tolist():
        share = _measure_confusion(case, counts, a, b, len(present))
        if share and share.low >= CONFUSED:
            shares[a, b] = share
    if not shares:
        return None
    worst = sorted(shares, key=lambda pair: -shares[pair].low)
    sentences = [
        f"{percent(shares[a, b].value)} of {case.label(a)} is taken for {case.label(b)} "
        f"({interval_of(shares[a, b].low, shares[a, b].high)}), {percent(counts[b, a] / counts[b].sum())} the other way"
        for a, b in worst[:3]
    ]
    more = f"; and {count_of(len(worst) - 3, 'more pair')}" if len(worst) > 3 else ""
    return Explanation("; ".join(sentences) + more + ".", _find_confused(case, worst[:3]))


def _measure_confusion(case: Case, counts: Indices, a: int, b: int, num_classes: int) -> Measured | None:
    """Share of class a taken for b; None where b gets no more of a's mistakes than an even spread would give it."""
    mistakes = int(counts[a].sum() - counts[a, a])
    if case.has_masks:
        if counts[a, b] <= mistakes / 2:
            return None
        rows = case.pixels[:, a]
        table = np.stack([rows[:, b], rows.sum(1)], axis=1)
        if (table[:, 1] > 0).sum() < FEWEST_MASKS:
            return None
        return bootstrap(table, lambda sums: divide(*np.split(sums, 2, axis=1)))[0]
    from scipy.stats import binomtest

    pairs = num_classes * (num_classes - 1)
    even = binomtest(int(counts[a, b]), mistakes, 1 / (num_classes - 1), alternative="greater").pvalue
    return measure_share(int(counts[a, b]), int(counts[a].sum())) if even * pairs < SURE else None


def _find_confused(case: Case, pairs: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Images of each pair in turn: the surest mistakes, or those with most pixels of it."""
    each = NUM_EXAMPLES // len(pairs)
    if case.has_masks:
        chosen = [np.argsort(-case.pixels[:, a, b], kind="stable")[:each] for a, b in pairs]
        return tuple(dict.fromkeys(case.keys[i] for places in chosen for i in places))
    found: list[str] = []
    for a, b in pairs:
        mistaken = [answer for answer in case.answers if (answer.truth, answer.prediction) == (a, b)]
        mistaken.sort(key=lambda answer: -(answer.confidence or 0.0))
        found += [answer.key for answer in mistaken[:each]]
    return tuple(found)


def find_imbalance(case: Case) -> Explanation | None:
    train = _count_training(case)
    if train is None:
        raise NotApplicable("The run does not say how often each class occurs in its training part.")
    holders = _count_holders(case)
    used = [c for c in case.known if train[c] and holders[c]]
    even = sum(train[c] for c in used) / max(len(used), 1)
    rare = [c for c in used if train[c] < RARE * even]
    others = [c for c in used if c not in rare]
    if not rare or not others:
        raise NotApplicable("No class has less than half of an even share of the training part.")
    loss = _measure_loss(case, rare, others)
    counts = _pool(case)
    predicted = counts[:, rare].sum() / counts[rare].sum()
    if loss is None or loss.low < HURT or predicted > TOO_SELDOM:
        return None
    if not case.has_masks and mcnemar(int(counts[others][:, rare].sum()), int(counts[rare][:, others].sum())) > SURE:
        return None  # too few mistakes to say which way they go
    rare.sort(key=lambda c: train[c])
    names = join_some([f"{case.label(c)} ({percent(train[c] / sum(train))})" for c in rare])
    return Explanation(
        f"{names}, each with less than half of an even share of the training part, {'is' if len(rare) == 1 else 'are'} "
        f"found {100 * loss.value:.0f} points less often than the other classes (95 % interval {100 * loss.low:.0f} to "
        f"{100 * loss.high:.0f} points), and predicted {predicted:.2f} times as often as true: their mistakes go to "
        "the frequent classes.",
        _find_lost(case, rare, others),
    )


def _measure_loss(case: Case, rare: list[int], others: list[int]) -> Measured | None:
    """Recall of the others - recall of the rare; of masks the mean over classes."""
    if not case.has_masks:
        right = case.predictions == case.targets
        of_rare, of_others = (right[np.isin(case.targets, classes)] for classes in (rare, others))
        return subtract(*(measure_share(int(each.sum()), len(each)) for each in (of_others, of_rare)))
    if len(case.keys) < FEWEST_MASKS:
        raise NotApplicable(f"{count_of(len(case.keys), 'mask')} cannot tell; it takes {FEWEST_MASKS}.")
    chosen = [*others, *rare]
    rows = case.pixels[:, chosen]
    table = np.concatenate([rows[:, range(len(chosen)), chosen], rows.sum(2)], axis=1)

    def lose(sums: Floats) -> Floats:
        recalls = divide(*np.split(sums, 2, axis=1))
        seen = np.where(np.isnan(recalls), 0, recalls)
        there = ~np.isnan(recalls)
        means = [seen[:, part].sum(1) / np.maximum(there[:, part].sum(1), 1) for part in _split(len(others))]
        difference: Floats = (means[0] - means[1])[:, None]
        return difference

    return bootstrap(table, lose)[0]


def _split(place: int) -> tuple[slice, slice]:
    return slice(None, place), slice(place, None)


def _find_lost(case: Case, rare: list[int], others: list[int]) -> tuple[str, ...]:
    if case.has_masks:
        lost = case.pixels[:, rare][:, :, others].sum((1, 2))
        return tuple(case.keys[i] for i in np.argsort(-lost, kind="stable")[:NUM_EXAMPLES] if lost[i])
    mistaken = [answer for answer in case.answers if answer.truth in rare and answer.prediction in others]
    mistaken.sort(key=lambda answer: -(answer.confidence or 0.0))
    return tuple(answer.key for answer in mistaken[:NUM_EXAMPLES])


def _pool(case: Case) -> Indices:
    """Confusion counts (C, C) of the scored classes, in images or pixels; those of other classes are 0."""
    counts = case.pixels.sum(0)[:-1].copy() if case.has_masks else np.array(case.evaluation.counts, dtype=np.int64)
    counts[[c for c in range(len(counts)) if c not in case.known]] = 0
    return counts


def _count_holders(case: Case) -> Indices:
    """Images in which each class occurs, (C,)."""
    if case.has_masks:
        holders: Indices = (case.pixels[:, :-1].sum(2) > 0).sum(0)
        return holders
    return np.array([sum(row) for row in case.evaluation.counts], dtype=np.int64)


def _count_training(case: Case) -> list[int] | None:
    """Images, or pixels, of each class in the training part."""
    return case.evidence.class_counts.get("train")


def _measure_classes(case: Case) -> list[Measured | None]:
    """Recall of each class in images, IoU in pixels; None where it has no value."""
    if not case.has_masks:
        return [measure_share(row[c], sum(row)) if sum(row) else None for c, row in enumerate(case.evaluation.counts)]
    measured: list[Measured | None] = [None] * len(case.evidence.classes)
    for c, found in zip(case.known, bootstrap(mask_rows(case.pixels, case.known), score_masks)[1:], strict=True):
        measured[c] = found
    return measured


def _example_of_each(case: Case, classes: Sequence[int]) -> tuple[str, ...]:
    """One image of each class: the one with most of it."""
    found: list[str] = []
    for c in classes[:NUM_EXAMPLES]:
        if case.has_masks:
            sizes = case.pixels[:, c].sum(1)
            found += [case.keys[int(sizes.argmax())]] if sizes.any() else []
        else:
            found += [next(answer.key for answer in case.answers if answer.truth == c)] if _has(case, c) else []
    return tuple(dict.fromkeys(found))


def _has(case: Case, c: int) -> bool:
    return any(answer.truth == c for answer in case.answers)
