"""Numbered checks over a data set: what would hurt a training, and what is worth knowing."""

from finesight.checks.data import copies, files, labels, masks, values
from finesight.checks.data.contract import SEVERITIES, Check, Example, Explanation, Problem, Severity
from finesight.data.audit import Inspection

__all__ = ["CHECKS", "SEVERITIES", "Check", "Example", "Explanation", "Problem", "Severity", "find_problems"]

CHECKS: dict[str, Check] = {
    "D001": Check("The layout cannot be read as it is", "error", files.find_unusable_layout),
    "D101": Check("Images that cannot be read", "error", files.find_unreadable),
    "D102": Check("Images or masks without partner", "error", files.find_partnerless),
    "D103": Check("Masks that cannot be read", "error", files.find_unreadable_masks),
    "D104": Check("Masks of another size than their images", "error", files.find_misfits),
    "D105": Check("Oversized images", "note", files.find_outsized),
    "D106": Check("Images of a single colour", "note", files.find_flat),
    "D107": Check("Images that are passed over", "warning", files.find_lost_images),
    "D108": Check("How the data were read", "note", files.find_guesses),
    "D121": Check("Pixel values that scaling loses", "warning", values.find_lost_values),
    "D122": Check("Images of different types", "warning", values.find_mixture),
    "D123": Check("Values outside the range of the training images", "note", values.find_outside),
    "D124": Check("Bands or pages that are left out", "note", values.find_left_out),
    "D201": Check("The same image with two labels", "warning", copies.find_two_labels),
    "D202": Check("Nearly the same image with two labels", "warning", copies.find_two_labels_nearly),
    "D203": Check("The same image in two parts", "warning", copies.find_copies_across),
    "D204": Check("Nearly the same image in two parts", "warning", copies.find_near_copies_across),
    "D205": Check("Neighbouring crops of one scene in two parts", "warning", copies.find_neighbours_across),
    "D206": Check("A file in two parts", "error", copies.find_listed_twice),
    "D207": Check("The same image more than once", "note", copies.find_copies_within),
    "D208": Check("Nearly the same image more than once", "note", copies.find_near_copies_within),
    "D301": Check("Labels that are no class", "error", labels.find_unknown_labels),
    "D302": Check("Classes without training images", "error", labels.find_untrained),
    "D303": Check("Classes missing where they should be scored", "warning", labels.find_unvalidated),
    "D304": Check("Classes that occur nowhere", "note", labels.find_unused),
    "D305": Check("Rare classes", "note", labels.find_rare),
    "D306": Check("Classes of nearly the same name", "warning", labels.find_twins),
    "D307": Check("Too little to train or to validate on", "error", labels.find_too_little),
    "D308": Check("Classes of masks without training pixels", "warning", labels.find_untrained_masks),
    "D401": Check("Colours that are no class", "note", masks.find_stray_colours),
    "D402": Check("A border value that no rule explains", "error", masks.find_borders),
    "D403": Check("Values that are no class", "error", masks.find_unknown_values),
    "D404": Check("Masks that seem to count from one", "warning", masks.find_shift),
    "D405": Check("Masks whose meaning cannot be told", "error", masks.find_unreadable_rule),
    "D406": Check("Masks without a known class", "note", masks.find_unlabelled_masks),
    "D407": Check("How masks are read", "note", masks.find_odd_reading),
}


def find_problems(inspection: Inspection) -> list[Problem]:
    """Makes every check; the gravest problems first."""
    problems = []
    for code, check in CHECKS.items():
        if found := check.judge(inspection):
            problems.append(Problem(code, check.title, check.severity, found.message, found.examples))
    return sorted(problems, key=lambda problem: (SEVERITIES.index(problem.severity), problem.code))
