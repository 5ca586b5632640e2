"""Which classes are similar in embedding space: the result of `class_similarity` as numbers, JSON and sentences."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finesight.analysis.wording import join_words, percent, spell
from finesight.config import check

FEWEST_IMAGES = 3  # a class with fewer is left out
SIGNIFICANT = 0.05  # p-value below which an agreement with the confusions is reported

# Keys of close_classes.json and film/maps.json up to version 0.1.
OLD_KEYS = {
    "affinity": "similarity", "mistakes": "errors", "mistakes_inside": "errors_inside",
    "mistake_share": "error_fraction", "neighbour_share": "neighbour_fraction", "own_shares": "own_fractions",
    "own_share": "own_fraction", "chance_share": "chance_fraction", "num_pictures": "num_images",
}  # fmt: skip


@dataclass(frozen=True)
class SimilarPair:
    """first, second: class indices. confusions: images of one predicted as the other, both ways.

    error_fraction: confusions / all errors on images of the two; None where there are none.
    """

    first: int
    second: int
    similarity: float
    confusions: int
    error_fraction: float | None


@dataclass(frozen=True)
class SimilarGroup:
    """classes: indices. similarity: mean over pairs.

    neighbour_fraction: of an image's neighbours, those of another class of the group.
    errors: on images of the group; errors_inside: those predicted as a class of the group.
    examples: per class, the keys of the images nearest to one of another class of the group, nearest first.
    """

    classes: tuple[int, ...]
    similarity: float
    neighbour_fraction: float
    errors: int
    errors_inside: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Stability:
    """plan: (perplexity, seed) of each projection. groups, pairs: on how many of them each is still similar."""

    plan: tuple[tuple[float, int], ...]
    num_images: int
    groups: tuple[int, ...]
    pairs: tuple[int, ...]


@dataclass(frozen=True)
class ClassSimilarity:
    """labels: how sentences name each class. judged: indices of the classes with enough images.

    own_fractions: per class, the mean fraction of an image's k neighbours of the same class; None where not judged.
    own_fraction: over all images; chance_fraction: of random positions. threshold: from which pairs count as similar.
    similarity: (C, C), symmetric. order: judged classes, similar ones side by side.
    tree: average linkage, most similar first: (left, right, mean similarity); a class is its index, row m is C + m.
    pairs: most similar first. groups: those that mix most first.
    rank_correlation, p_value: with the confusions, see `measure_agreement`, over num_pairs pairs.
    unit: what an embedding describes, "image" or "region"; for regions, every count of images is one of regions.
    """

    labels: tuple[str, ...]
    k: int
    num_images: int
    judged: tuple[int, ...]
    own_fractions: tuple[float | None, ...]
    own_fraction: float
    chance_fraction: float
    threshold: float
    similarity: tuple[tuple[float, ...], ...]
    order: tuple[int, ...]
    tree: tuple[tuple[int, int, float], ...]
    pairs: tuple[SimilarPair, ...]
    groups: tuple[SimilarGroup, ...]
    rank_correlation: float | None
    p_value: float | None
    num_pairs: int
    unit: str = "image"
    stability: Stability | None = None

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "ClassSimilarity":
        """Reads `to_dict`, in old spellings too. Raises ValueError."""
        found = translate_keys(saved)
        return check(cls, found | {"unit": found["unit"].replace("picture", "image")})

    def to_dict(self) -> dict[str, Any]:
        """For JSON, sentences included."""
        return {**asdict(self), "sentence": self.sentence, "paragraphs": self.paragraphs}

    @property
    def sentence(self) -> str:
        """How well classes separate, and the three groups that mix most."""
        return " ".join([self.separation_text, *self.describe_groups(limit=3)])

    @property
    def paragraphs(self) -> list[str]:
        """Separation, every group, agreement with the confusions, stability, and the method."""
        texts = (
            self.separation_text, " ".join(self.describe_groups()), self.agreement_text, self.stability_text,
            self.method_text,
        )  # fmt: skip
        return [text for text in texts if text]

    @property
    def separation_text(self) -> str:
        """A class is well separated when most neighbours of its images have the same class."""
        num_judged, left_out = len(self.judged), len(self.labels) - len(self.judged)
        if num_judged < 2:
            return f"Class similarity needs two classes with at least {spell(FEWEST_IMAGES)} {self.unit}s each."
        separate = sum(fraction is not None and fraction > 0.5 for fraction in self.own_fractions)
        if separate == num_judged:
            lead = "Both classes are" if num_judged == 2 else f"All {spell(num_judged)} classes are"
        elif separate > num_judged / 2:
            lead = "Most classes are"
        elif separate:
            lead = f"Only {spell(separate)} of {spell(num_judged)} classes {'is' if separate == 1 else 'are'}"
        else:
            lead = "No class is"
        text = (
            f"{lead} well separated: on average, {percent(self.own_fraction)} of the {spell(self.k)} nearest "
            f"neighbours of {self._one} have its class (by chance: {percent(self.chance_fraction)})."
        )
        if left_out:
            classes = "One class" if left_out == 1 else f"{spell(left_out).capitalize()} classes"
            verb = "is" if left_out == 1 else "are"
            text += f" {classes} with fewer than {spell(FEWEST_IMAGES)} {self.unit}s {verb} left out."
        return text

    def describe_groups(self, limit: int | None = None) -> list[str]:
        """A sentence per group, at most `limit`."""
        if len(self.judged) < 2:
            return []
        if not self.groups:
            return ["There are no similar classes."]
        sentences = [self._describe_group(group) for group in self.groups[:limit]]
        if more := len(self.groups) - len(sentences):
            sentences.append(f"There {'is' if more == 1 else 'are'} {spell(more)} more such group{'s'[: more > 1]}.")
        return sentences

    def _describe_group(self, group: SimilarGroup) -> str:
        is_pair = len(group.classes) == 2
        text = (
            f"Classes {self._name(group.classes)} are similar: {percent(group.neighbour_fraction)} of their "
            f"{self.unit}s' neighbours belong to {'the other class' if is_pair else 'another class of the group'}, "
        )
        if not group.errors:
            return f"{text}but none of their {self.unit}s is misclassified."
        inside = "are confusions of the two" if is_pair else "stay within the group"
        inside_percent = percent(group.errors_inside / group.errors)
        return f"{text}and {inside_percent} of their errors {inside} ({group.errors_inside} of {group.errors})."

    @property
    def _one(self) -> str:
        return "an image" if self.unit == "image" else f"a {self.unit}"

    def _name(self, classes: tuple[int, ...]) -> str:
        return join_words([self.labels[c] for c in classes])

    @property
    def agreement_text(self) -> str:
        """Whether similar classes are the ones that are confused; empty where there is nothing to compare."""
        rho, p_value = self.rank_correlation, self.p_value
        if rho is None or p_value is None:
            return ""
        if p_value >= SIGNIFICANT:
            lead = "There are too few errors to tell whether similar classes are confused more often"
        elif rho >= 0.5:
            lead = "The more similar two classes are, the more often they are confused"
        elif rho >= 0.2:
            lead = "Similar classes tend to be confused more often"
        else:
            lead = "The similarity of two classes says little about how often they are confused"
        closest = self.pairs[0]
        times = {0: "never confused", 1: "confused once"}.get(
            closest.confusions, f"confused {spell(closest.confusions)} times"
        )
        return (
            f"{lead}: Spearman rank correlation {rho:.2f} between class similarity and confusions over "
            f"{self.num_pairs:,} pairs (p {'< 0.001' if p_value < 0.001 else f'= {p_value:.3f}'}, permutation test "
            f"over classes). The most similar pair, {self._name((closest.first, closest.second))}, is {times}."
        )

    @property
    def stability_text(self) -> str:
        """On how many other projections each group is still similar; empty where that was not checked."""
        if self.stability is None:
            return ""
        plan, counts = self.stability.plan, self.stability.groups
        perplexities = [f"{perplexity:g}" for perplexity in sorted({perplexity for perplexity, _ in plan})]
        lead = (
            f"Repeated on {spell(len(plan))} other projection{'s'[: len(plan) > 1]} (t-SNE of "
            f"{self.stability.num_images:,} {self.unit}s from random starts, perplexity {join_words(perplexities)}):"
        )
        if not self.groups:
            return f"{lead} there is no group to check."
        if all(count == len(plan) for count in counts):
            return f"{lead} every group is similar on all of them."
        found = [
            f"{self._name(group.classes)} are similar on {spell(count) if count else 'none'}"
            for group, count in zip(self.groups, counts, strict=True)
        ]
        return f"{lead} {'; '.join(found)} of them."

    @property
    def method_text(self) -> str:
        text = (
            f"The similarity of two classes is the fraction of the {spell(self.k)} nearest neighbours of {self._one} "
            "(cosine similarity of the embeddings) that belong to the other class, averaged over both directions. "
            f"Classes count as similar from {percent(self.threshold)}, averaged over all pairs of a group. "
            f"Measured on {self.num_images:,} {self.unit}s."
        )
        if self.unit == "image":
            return text
        return (
            f"{text} A region is everything one class covers in an image, unless "
            "that is very little. Its embedding is the mean of the head's input over the region. It counts as "
            "misclassified if most of it is predicted as another class. Regions of one image do not count as "
            "neighbours."
        )


def translate_keys(saved: Any) -> Any:
    """Old keys in their new spelling, at every depth."""
    if isinstance(saved, Mapping):
        return {OLD_KEYS.get(key, key): translate_keys(value) for key, value in saved.items()}
    return [translate_keys(each) for each in saved] if isinstance(saved, list | tuple) else saved
