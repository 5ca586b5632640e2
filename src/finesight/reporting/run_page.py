"""The page of one run: what the reports of all tasks share, around what a task shows of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.reporting.absences import explain_absences
from finesight.reporting.budget_section import describe_budget
from finesight.reporting.calibration import describe_calibration
from finesight.reporting.contact_sheet import show_sheet
from finesight.reporting.html import NO_SPRITES, Page, name_split
from finesight.reporting.interactive_plot import Style, bokeh_script
from finesight.reporting.originals import Originals, find_root
from finesight.reporting.projection_section import describe_projection, draw_history, plot_projection
from finesight.reporting.provenance import describe_provenance
from finesight.reporting.range_test_chart import draw_range_test
from finesight.reporting.sections import describe_training, draw_training, list_commands, list_freeze_phases
from finesight.reporting.thumbnails import Sprites
from finesight.run import schema


@dataclass(frozen=True)
class Outline:
    """A task's page. contents, parts: as of Page. The others are sentences in shared sections.

    plot_key: what colour and shape mean in the projection. label_rule: when a label is suspected, and its score.
    calibration_effect: what scaled probabilities change.
    """

    contents: Sequence[tuple[str, str]]
    parts: Sequence[str]
    plot_key: str
    label_rule: str
    calibration_effect: str
    package: str = "finesight.reporting"  # as of Page


def make_run_page(
    evidence: Evidence,
    originals: Originals,
    outline: Outline,
    styles: Sequence[Style],
    context: Mapping[str, Any],
    data: Mapping[str, Any],
    sprites: Sprites = NO_SPRITES,
    scripts: Sequence[str] = (),
) -> Page:
    """styles: of each class's dots. context, data, scripts: what the task's own parts need.

    evidence: with the images that the page holds, all or a sample. data: with `unit`, what a confusion counts.
    context: with `class_table`, `class_bars`, `colours` of masks.
    """
    evaluation, embedding, history = evidence.evaluation, evidence.embedding, evidence.projection_history
    absences = explain_absences(evidence)
    plotted = None if absences.projection else embedding
    shared = {
        "evidence": evidence,
        "split_name": name_split(evidence.split),
        "names": evidence.classes.labels,
        "unit": data["unit"],
        "colours": None,
        "ordered_by_similarity": False,
        "absences": absences,
        "provenance": describe_provenance(evidence),
        "training": describe_training(evidence),
        "curves_drawn": draw_training(evidence),
        "range_test": draw_range_test(evidence.run),
        "budget": describe_budget(evidence),
        "first_batch": show_sheet(evidence.run / schema.PREVIEW),
        "calibration": describe_calibration(evidence, outline.calibration_effect),
        "label_rule": outline.label_rule,
        "history_panels": draw_history(evidence),
        "history_paragraph": history.paragraph if history else "",
        "saliency": originals.saliency,
        "phases": list_freeze_phases(evidence),
        "commands": list_commands(evidence),
        **describe_projection(evidence, styles, outline.plot_key),
    }
    return Page(
        title=evidence.run.resolve().name,
        contents=outline.contents,
        parts=outline.parts,
        sources=[str(evidence.run)],
        data={
            "names": evidence.classes.labels,
            "ids": evidence.classes.ids,
            "run": str(evidence.run),
            "root": find_root(originals, [image.key for image in evidence.images]),
            **data,
            "sampled": bool(evaluation and len(evaluation.images) < evaluation.num_samples),
            "projection": plot_projection(plotted, styles) if plotted else None,
        },
        context=shared | {**context},
        definitions=evaluation.definitions if evaluation else {},
        scripts=(*scripts, *(("projection.js",) if plotted else ())),
        bundled_script=bokeh_script() if plotted else "",
        package=outline.package,
        sprites=sprites,
    )
