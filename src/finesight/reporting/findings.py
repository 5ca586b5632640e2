"""Findings as the page shows them: as they were saved, each with its example images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.checks.contract import Section, read_page
from finesight.metrics.evaluation import ImageResult
from finesight.reporting.image_columns import list_from_other_splits
from finesight.run.results import Finding


@dataclass(frozen=True)
class ShownFinding:
    """images: its examples as thumbnails; views: in a task's own way. page: what is known of findings of its code."""

    finding: Finding
    page: tuple[Section, ...] = ()
    images: tuple[ImageResult, ...] = ()
    views: tuple[object, ...] = ()


def show_findings(
    evidence: Evidence, illustrate: Callable[[Sequence[str]], Mapping[str, Any]]
) -> tuple[ShownFinding, ...]:
    """None where there are none. illustrate: `images` or `views` of keys."""
    found = evidence.findings.findings if evidence.findings else ()
    return tuple(ShownFinding(each, read_page(each.code), **illustrate(each.keys)) for each in found)


def show_examples(evidence: Evidence) -> tuple[ShownFinding, ...]:
    """Findings with thumbnails of their images."""
    images = {image.key: image for image in (*list_from_other_splits(evidence, list_keys(evidence)), *evidence.images)}
    return show_findings(evidence, lambda keys: {"images": tuple(images[key] for key in keys if key in images)})


def list_keys(evidence: Evidence) -> list[str]:
    """Of the images that findings name."""
    return [key for finding in (evidence.findings.findings if evidence.findings else ()) for key in finding.keys]
