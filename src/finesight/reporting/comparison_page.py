"""The page on several runs of one task, each set against the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from finesight.analysis.evidence import Evidence
from finesight.errors import ConfigError
from finesight.reporting.comparison import (
    check_comparable,
    compare_architectures,
    draw_together,
    judge_outcome,
    list_contrasts,
    list_keys,
    list_settings,
    name_runs,
)
from finesight.reporting.html import NO_SPRITES, Page, name_split
from finesight.reporting.originals import Originals
from finesight.reporting.provenance import describe_provenance
from finesight.reporting.thumbnails import Sprites
from finesight.run.results import Compared


@dataclass(frozen=True)
class Gathered:
    """What the templates of `ComparedImages` need: their context, the data of their scripts, thumbnails."""

    context: dict[str, Any]
    data: dict[str, Any] = field(default_factory=dict)
    sprites: Sprites = NO_SPRITES
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparedImages:
    """How a task compares runs. class_score: metric of single classes that the page shows; score_name: in words.

    parts, contents: of the page, after what all tasks share. gather: what those need of runs and originals.
    """

    class_score: str
    score_name: str
    parts: tuple[str, ...]
    contents: tuple[tuple[str, str], ...]
    gather: Callable[[Sequence[Evidence], Originals], Gathered]


def make_comparison_page(
    runs: Sequence[Evidence], originals: Originals, images: ComparedImages, comparisons: Sequence[Compared] = ()
) -> Page:
    """comparisons: of every run after the first. Raises ConfigError where they cannot be compared."""
    if len(runs) < 2:
        raise ConfigError("A comparison needs two runs or more.")
    check_comparable(runs)
    found, names = images.gather(runs, originals), name_runs(runs)
    scores, provenances = list_contrasts(runs), [describe_provenance(run) for run in runs]
    context = {
        "evidences": runs,
        "evidence": runs[0],
        "runs": names,
        "names": runs[0].classes.labels,
        "split_name": name_split(runs[0].split),
        "num_samples": len(list_keys(runs[0])),
        "provenances": provenances,
        "facts_known": list(dict.fromkeys(label for each in provenances for label in each.facts)),
        "comparisons": comparisons,
        "outcome": judge_outcome(comparisons[-1]) if comparisons else None,
        "headline": next((row for row in scores if row.name == runs[0].task.best_metric), None),
        "contrasts": scores,
        "class_contrasts": list_contrasts(runs, f"{images.class_score}/"),
        "score_name": images.score_name,
        "score_term": images.class_score,
        "embedding_run": names[-1],
        "colours": None,
        "curves_drawn": draw_together(runs, names),
        "architectures": [compare_architectures(runs[0], run) for run in runs[1:]],
        "setting_rows": list_settings(runs),
    }
    return Page(
        title=" and ".join(names),
        contents=(
            ("verdict", "Verdict"),
            *([("significance", "Significance")] if comparisons else ()),
            *(("metrics", "Metrics"), ("classes", "Classes"), ("curves", "Training")),
            *images.contents,
            *(("runs", "Runs"), ("architecture", "Architectures"), ("settings", "Settings")),
        ),
        parts=("comparison.html.j2", *images.parts, "comparison_record.html.j2"),
        sources=[str(run.run) for run in runs],
        data={"names": runs[0].classes.labels, "unit": "image", **found.data},
        context=context | found.context,
        definitions=runs[0].evaluation.definitions if runs[0].evaluation else {},
        scripts=found.scripts,
        sprites=found.sprites,
    )
