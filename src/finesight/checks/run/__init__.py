"""Numbered checks over a run: what is wrong with it or worth knowing, each with a page in docs/findings."""

from dataclasses import asdict, dataclass
from typing import Any

from finesight.checks.run import borders, calibration, classes, data, freezing, labels, learning_rate, training
from finesight.checks.run.contract import Case, Check, Explanation, NotApplicable, Severity
from finesight.errors import RunError

__all__ = ["FINDINGS", "Case", "Check", "Explanation", "Finding", "Findings", "NotApplicable", "find_all"]

FINDINGS: dict[str, Check] = {
    "V001": Check("Training images are known far better than others", "warning", training.find_gap),
    "V002": Check("No better than always guessing the largest class", "error", classes.find_no_better_than_guessing),
    "V003": Check("A class is never predicted", "error", classes.find_never_predicted),
    "V004": Check("Too few images of a class to judge it", "note", classes.find_too_few),
    "V005": Check("Two classes are taken for each other", "warning", classes.find_confused_pairs),
    "V006": Check("Surer than it is right", "warning", calibration.find_over_confidence),
    "V007": Check("Labels that may be wrong", "warning", labels.find_label_errors),
    "V008": Check("The same image in training and here", "error", data.find_identical),
    "V009": Check("Nearly the same image in training and here", "warning", data.find_near),
    "V010": Check("A class falls into groups", "note", labels.find_split_classes),
    "V011": Check("Errors sit on borders", "note", borders.find_border_errors),
    "V012": Check("Still improving when training ended", "note", training.find_unfinished),
    "V013": Check("Too much may be frozen", "warning", freezing.find_too_deep),
    "V014": Check("Too little may be frozen", "warning", freezing.find_too_shallow),
    "V015": Check("The learning rate looks out of range", "warning", learning_rate.find_bad_rate),
    "V016": Check("Rare classes lose to frequent ones", "warning", classes.find_imbalance),
}

ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """A check that fired. keys: of example images, the clearest first."""

    code: str
    title: str
    severity: Severity
    message: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """Everything that was checked. findings: the gravest first.

    silent: code → title of what is well. not_applicable: code → why it could not be checked.
    """

    split: str
    findings: tuple[Finding, ...]
    silent: dict[str, str]
    not_applicable: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "findings": [{**asdict(each), "keys": list(each.keys)} for each in self.findings]}


def find_all(case: Case) -> Findings:
    """Makes every check of the table. Raises RunError where a file is damaged."""
    findings: list[Finding] = []
    silent: dict[str, str] = {}
    not_applicable: dict[str, str] = {}
    for code, check in FINDINGS.items():
        try:
            found = check.judge(case)
        except NotApplicable as reason:
            not_applicable[code] = str(reason)
            continue
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            raise RunError(
                f"{case.run.path} cannot be checked for {code}: a file is damaged ({error!r}). Evaluate or embed again."
            ) from None
        if found is None:
            silent[code] = check.title
        else:
            findings.append(Finding(code, check.title, check.severity, found.message, found.keys))
    findings.sort(key=lambda each: (ORDER.index(each.severity), each.code))
    return Findings(case.split, tuple(findings), silent, not_applicable)
