"""What was found about close classes, in plain words made from the numbers."""

from typing import TYPE_CHECKING

from finesight.analysis.wording import join_words, percent, spell

FEWEST_IMAGES = 3  # a class with fewer is not judged
CHANCE_TOLERATED = 0.05

if TYPE_CHECKING:
    from finesight.analysis.class_similarity import CloseClasses, CloseGroup
    from finesight.analysis.class_similarity_stability import Stability


def describe_separation(found: "CloseClasses") -> str:
    """How well classes separate at all; a class separates when most neighbours of its images are its own."""
    num_judged, left_out = len(found.judged), len(found.labels) - len(found.judged)
    if num_judged < 2:
        return (
            "Which classes lie close cannot be said: it takes two classes "
            f"with at least {spell(FEWEST_IMAGES)} {found.unit}s each."
        )
    separate = sum(share is not None and share > 0.5 for share in found.own_shares)
    if separate == num_judged:
        lead = "Both classes separate" if num_judged == 2 else f"All {spell(num_judged)} classes separate"
    elif separate > num_judged / 2:
        lead = "Most classes separate"
    elif separate:
        lead = f"Only {spell(separate)} of {spell(num_judged)} classes {'separates' if separate == 1 else 'separate'}"
    else:
        lead = "No class separates"
    text = (
        f"{lead}: each {found.unit}'s {spell(found.k)} nearest neighbours share its class in "
        f"{percent(found.own_share)} of cases; chance would give {percent(found.chance_share)}."
    )
    if left_out:
        classes = "One class" if left_out == 1 else f"{spell(left_out).capitalize()} classes"
        verb = "is" if left_out == 1 else "are"
        text += f" {classes} with fewer than {spell(FEWEST_IMAGES)} {found.unit}s {verb} left out."
    return text


def describe_groups(found: "CloseClasses", limit: int | None = None) -> list[str]:
    """A sentence for each group, or that there is none."""
    if len(found.judged) < 2:
        return []
    if not found.groups:
        return ["No classes lie close."]
    sentences = [_describe_mixing(found, group) for group in found.groups[:limit]]
    more = len(found.groups) - len(sentences)
    if more:
        verb = "group of classes lies" if more == 1 else "groups of classes lie"
        sentences.append(f"{spell(more).capitalize()} more {verb} close.")
    return sentences


def _describe_mixing(found: "CloseClasses", group: "CloseGroup") -> str:
    pair = len(group.classes) == 2
    text = (
        f"Classes {join_words([found.labels[c] for c in group.classes])} lie close: "
        f"{percent(group.neighbour_share)} of their {found.unit}s' neighbours belong to "
        f"{'the other one' if pair else 'another of them'}, and "
    )
    if not group.mistakes:
        return text + f"yet none of their {found.unit}s is mistaken."
    share = percent(group.mistakes_inside / group.mistakes)
    inside = "are between the two" if pair else "stay inside the group"
    return text + f"{share} of their mistakes {inside} ({group.mistakes_inside} of {group.mistakes})."


def describe_agreement(found: "CloseClasses") -> str:
    """Whether the classes that lie close are those that are confused; empty where there is nothing to compare."""
    rho, chance = found.rank_correlation, found.p_value
    if rho is None or chance is None:
        return ""
    if chance >= CHANCE_TOLERATED:
        lead = "Whether close classes are confused more often cannot be told from so few mistakes"
    elif rho >= 0.5:
        lead = "The closer two classes lie, the more often they are confused"
    elif rho >= 0.2:
        lead = "Classes that lie closer tend to be confused more often"
    else:
        lead = "How close two classes lie says little about how often they are confused"
    text = (
        f"{lead}: Spearman rank correlation {rho:.2f} of affinity and confusions over {found.num_pairs:,} pairs "
        f"(p {'< 0.001' if chance < 0.001 else f'= {chance:.3f}'} by permuting the classes)."
    )
    closest = found.pairs[0]
    first, second = found.labels[closest.first], found.labels[closest.second]
    times = "once" if closest.confusions == 1 else f"{spell(closest.confusions)} times"
    return f"{text} Closest are {first} and {second}, confused {times}."


def describe_method(found: "CloseClasses") -> str:
    """What the words mean."""
    text = (
        f"Affinity of two classes is the share of each {found.unit}'s {spell(found.k)} nearest other {found.unit}s, by "
        "cosine similarity of their features, that belong to the other class, averaged over both directions. Classes "
        f"count as close from an affinity of {percent(found.threshold)} on, averaged over all pairs of a group. "
        f"Measured on {found.num_images:,} {found.unit}s."
    )
    if found.unit == "image":
        return text
    return (
        f"{text} A region is all that a class covers of one image, unless that is very little: its features are the "
        "mean of what the last layer sees there, it is mistaken if most of it is taken for another class, and regions "
        "of one image do not count as neighbours."
    )


def describe_stability(stability: "Stability", found: "CloseClasses") -> str:
    """On how many other maps each group is still one."""
    maps = len(stability.plan)
    perplexities = [f"{perplexity:g}" for perplexity in sorted({perplexity for perplexity, _ in stability.plan})]
    lead = (
        f"Asked again of {spell(maps)} other {'map' if maps == 1 else 'maps'} (t-SNE of "
        f"{stability.num_images:,} {found.unit}s from random starts, perplexity {join_words(perplexities)}):"
    )
    if not found.groups:
        return f"{lead} there is no group to look for."
    held = [
        f"{join_words([found.labels[c] for c in group.classes])} lie close on {spell(count) if count else 'none'}"
        for group, count in zip(found.groups, stability.groups, strict=True)
    ]
    everywhere = all(count == maps for count in stability.groups)
    if everywhere:
        return f"{lead} every group is a group on each of them."
    return f"{lead} {'; '.join(held)} of them."
