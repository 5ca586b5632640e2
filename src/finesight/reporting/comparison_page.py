"""The page on several runs of one task, each set against the first."""

from collections.abc import Callable, Mapping, Sequence
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
    list_turned_answers,
    name_runs,
    rank_changes,
)
from finesight.reporting.html import NO_SPRITES, Page, name_split
from finesight.reporting.mask_images import Originals, list_colours
from finesight.reporting.mask_results import make_view
from finesight.reporting.mask_snapshots import masks_scripts, screen_films
from finesight.reporting.panel import list_answers, list_images
from finesight.reporting.thumbnails import Sprites, make_sprites

TURNS_SHOWN = 48  # images put right, and as many spoilt
CHANGES_SHOWN = 6  # masks that became better, and as many that became worse


@dataclass(frozen=True)
class Specialty:
    """What a comparison shows of one task. class_score: prefix of the metric of single classes; best_metric: of all.

    parts, contents: of the page, after what all tasks share. gather: what those need of runs and originals.
    """

    class_score: str
    score_name: str
    best_metric: str
    parts: tuple[str, ...]
    contents: tuple[tuple[str, str], ...]
    gather: Callable[[Sequence[Evidence], Originals], "Findings"]


@dataclass(frozen=True)
class Findings:
    context: dict[str, Any]
    data: dict[str, Any] = field(default_factory=dict)
    sprites: Sprites = NO_SPRITES
    scripts: tuple[str, ...] = ()


def make_comparison_page(
    runs: Sequence[Evidence], originals: Originals, comparisons: Sequence[Mapping[str, Any]] = ()
) -> Page:
    """comparisons: comparison.json of every run after the first with it. Raises ConfigError where they cannot be."""
    if len(runs) < 2:
        raise ConfigError("A comparison needs two runs or more.")
    check_comparable(runs)
    special = SPECIALTIES[runs[0].model["task"]]
    found, names = special.gather(runs, originals), name_runs(runs)
    scores = list_contrasts(runs)
    context = {
        "evidences": runs,
        "evidence": runs[0],
        "runs": names,
        "names": runs[0].classes.names,
        "split_name": name_split(runs[0].split),
        "num_samples": len(list_keys(runs[0])),
        "comparisons": comparisons,
        "outcome": judge_outcome(comparisons[-1]) if comparisons else None,
        "headline": next((row for row in scores if row.name == special.best_metric), None),
        "contrasts": scores,
        "class_contrasts": list_contrasts(runs, special.class_score),
        "score_name": special.score_name,
        "score_term": special.class_score.rstrip("/"),
        "seer": names[-1],
        "colours": list_colours(runs[0].classes) if runs[0].classes.colours else None,
        "curves_drawn": draw_together(runs, names),
        "architectures": compare_architectures(runs),
        "setting_rows": list_settings(runs),
    }
    return Page(
        title=" and ".join(names),
        contents=(*CONTENTS[:1], *((SURE,) if comparisons else ()), *CONTENTS[1:], *special.contents, *LAST_CONTENTS),
        parts=(*PARTS, *special.parts, *LAST_PARTS),
        sources=[str(run.run) for run in runs],
        data={"names": runs[0].classes.names, "unit": "image", **found.data},
        context=context | found.context,
        definitions=runs[0].evaluation.definitions if runs[0].evaluation else {},
        scripts=found.scripts,
        sprites=found.sprites,
    )


def gather_answers(runs: Sequence[Evidence], originals: Originals) -> Findings:
    """The images whose answer turned; with the neighbours of the last run, if it was embedded, all it has."""
    turns = [list_turned_answers(runs[0], run) for run in runs[1:]]
    turned = {turn.after.key for pair in turns for part in pair for turn in part[:TURNS_SHOWN]}
    embedding = runs[-1].embedding if runs[-1].embedding and runs[-1].embedding.similar else None
    images = [answer for answer in runs[-1].images if embedding or answer.key in turned]
    keys = sorted((answer.key for answer in images), key=lambda key: key not in turned)
    sprites = make_sprites(keys, originals.find_image, runs[-1].scale)
    columns = list_images(images, sprites, embedding)
    columns["answers"] = [
        {"name": name, **list_answers(run, columns["key"])} for name, run in zip(name_runs(runs), runs, strict=True)
    ]
    return Findings({"turns": turns, "turns_shown": TURNS_SHOWN}, {"images": columns}, sprites)


def gather_masks(runs: Sequence[Evidence], originals: Originals) -> Findings:
    risen, fallen = rank_changes(runs[0], runs[-1], CHANGES_SHOWN)
    views = [[view for key in keys if (view := make_view(key, runs, originals))] for keys in (risen, fallen)]
    screening = screen_films(runs, originals)
    context = {
        "screening": screening,
        "changed_views": list(zip(("Better", "Worse"), views, strict=True)),
        "colours": list_colours(runs[0].classes),
    }
    return Findings(context, {"film": screening.to_dict() if screening else None}, scripts=masks_scripts(screening))


CONTENTS = (
    ("verdict", "Verdict"), ("metrics", "Metrics"), ("classes", "Classes"), ("curves", "Training"),
)  # fmt: skip
SURE = ("sure", "How sure")
PARTS = ("comparison.html.j2",)
LAST_CONTENTS = (("architecture", "Architectures"), ("settings", "Settings"))
LAST_PARTS = ("comparison_record.html.j2",)
SPECIALTIES = {
    "classification": Specialty(
        "f1/", "F1", "accuracy", ("turned_answers.html.j2",), (("images", "Same images"),), gather_answers
    ),
    "segmentation": Specialty(
        "iou/",
        "IoU",
        "miou",
        ("film.html.j2", "changed_masks.html.j2"),
        (("film", "Films"), ("images", "Same images")),
        gather_masks,
    ),
}
