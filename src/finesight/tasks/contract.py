"""What the application asks of a task, beside what training, scoring, analysis and checks ask of it (task.py).

A new task is a package beside these whose object answers both, and a line of the table in tasks/__init__.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from finesight import task
from finesight.analysis.evidence import Evidence
from finesight.classes import ClassList
from finesight.reporting.html import Page
from finesight.reporting.originals import Originals
from finesight.run.folder import RunFolder


class Task(task.Task, Protocol):
    overlay_side: int  # pixels of the longest side of a saliency map in the page

    def list_colours(self, classes: ClassList) -> list[str]:
        """CSS colours by which people know the classes; empty where a plot chooses its own."""

    def prepare_report(self, run: RunFolder) -> None:
        """Computes what the report shows and no command has saved yet."""

    def make_page(self, evidence: Evidence, originals: Originals) -> Page: ...

    def make_comparison_page(
        self, runs: Sequence[Evidence], originals: Originals, comparisons: Sequence[Mapping[str, Any]] = ()
    ) -> Page:
        """comparisons: comparison.json of each run after the first. Raises ConfigError for unlike runs."""

    def list_false_classes(self, evidence: Evidence, originals: Originals) -> dict[str, int]:
        """The class that was wrongly predicted for each image whose error the page shows, by key."""
