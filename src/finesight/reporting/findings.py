"""Findings as the page shows them: as they were saved, each with its example images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.checks.contract import Section, read_page
from finesight.metrics.evaluation import ImageResult
from finesight.reporting.image_columns import list_from_other_splits

SAVED = ("code", "title", "severity", "message")  # of a finding in findings/SPLIT.json


@dataclass(frozen=True)
class Shown:
    """A finding of findings/SPLIT.json. examples: images shown as thumbnails; views: in a task's own way.

    page: what is known of findings of this code.
    """

    code: str
    title: str
    severity: str
    message: str
    page: tuple[Section, ...] = ()
    examples: tuple[ImageResult, ...] = ()
    views: tuple[object, ...] = ()


@dataclass(frozen=True)
class Found:
    """silent, ignored: code → title of checks that found nothing, or were left out. not_applicable: code → why."""

    findings: tuple[Shown, ...]
    silent: dict[str, str]
    not_applicable: dict[str, str]
    ignored: dict[str, str]


def show_findings(evidence: Evidence, illustrate: Callable[[Sequence[str]], Mapping[str, Any]]) -> Found | None:
    """None where the run was not checked. illustrate: `examples` or `views` of keys."""
    saved = evidence.findings
    if not saved:
        return None
    findings = (
        Shown(**{name: each[name] for name in SAVED}, page=read_page(each["code"]), **illustrate(each["keys"]))
        for each in saved["findings"]
    )
    return Found(tuple(findings), *(saved.get(name, {}) for name in ("silent", "not_applicable", "ignored")))


def show_examples(evidence: Evidence) -> Found | None:
    """Findings with thumbnails of their images."""
    images = {image.key: image for image in (*list_from_other_splits(evidence, list_keys(evidence)), *evidence.images)}
    return show_findings(evidence, lambda keys: {"examples": tuple(images[key] for key in keys if key in images)})


def list_keys(evidence: Evidence) -> list[str]:
    """Of the images that findings name."""
    return [key for finding in evidence.findings.get("findings", ()) for key in finding["keys"]]
