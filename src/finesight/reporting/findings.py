"""Findings as the page shows them: as they were saved, each with its example images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Answer, Evidence
from finesight.checks.contract import Section, read_page
from finesight.reporting.mask_images import Originals
from finesight.reporting.mask_results import View, make_view
from finesight.reporting.panel import list_elsewhere

SAVED = ("code", "title", "severity", "message")  # of a finding in findings/SPLIT.json
VIEWS_SHOWN = 3  # images with masks a finding; one with its masks takes some 40 kB


@dataclass(frozen=True)
class Shown:
    """A finding of findings/SPLIT.json. examples: images of one class each; views: images with masks.

    page: what is known of findings of this code.
    """

    code: str
    title: str
    severity: str
    message: str
    page: tuple[Section, ...] = ()
    examples: tuple[Answer, ...] = ()
    views: tuple[View, ...] = ()


@dataclass(frozen=True)
class Found:
    """silent: code → what was looked for in vain. not_applicable: code → why it could not be checked."""

    findings: tuple[Shown, ...]
    silent: dict[str, str]
    not_applicable: dict[str, str]


def show_examples(evidence: Evidence) -> Found | None:
    """Findings on images of one class each; None where nobody has looked."""
    answers = {answer.key: answer for answer in (*list_elsewhere(evidence, list_keys(evidence)), *evidence.images)}
    return _show(evidence, lambda keys: {"examples": tuple(answers[key] for key in keys if key in answers)})


def list_keys(evidence: Evidence) -> list[str]:
    """Of the images that findings name."""
    return [key for finding in evidence.findings.get("findings", ()) for key in finding["keys"]]


def show_views(evidence: Evidence, originals: Originals) -> Found | None:
    """Findings on images with masks; None where nobody has looked."""

    def view(keys: Sequence[str]) -> dict[str, Any]:
        made = (make_view(key, [evidence], originals) for key in keys[:VIEWS_SHOWN])
        return {"views": tuple(each for each in made if each)}

    return _show(evidence, view)


def _show(evidence: Evidence, illustrate: Callable[[Sequence[str]], dict[str, Any]]) -> Found | None:
    saved = evidence.findings
    if not saved:
        return None
    findings = (
        Shown(**{name: each[name] for name in SAVED}, page=read_page(each["code"]), **illustrate(each["keys"]))
        for each in saved["findings"]
    )
    return Found(tuple(findings), saved.get("silent", {}), saved.get("not_applicable", {}))
