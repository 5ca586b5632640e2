"""The page on a data set: what it holds, what it looks like, and every problem with its images and its remedy."""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finesight.checks.contract import SEVERITIES, read_page
from finesight.classes import Colour
from finesight.config import DataSettings
from finesight.data.audit import Audit
from finesight.reporting.audit_masks import MaskPainter
from finesight.reporting.audit_samples import Samples, choose_samples
from finesight.reporting.audit_sizes import draw_sizes
from finesight.reporting.html import Page
from finesight.reporting.thumbnails import cut_tile, draw_sprites, read_tile
from finesight.run.results import Audited, Finding

EXAMPLES_SHOWN = 60  # per problem
IMAGES_SHOWN = 12  # per example
FILES_LISTED = 500  # per problem
CLASSES_SHOWN = 1000
MASK = "mask of "  # prefix of the thumbnail key of a mask


@dataclass(frozen=True)
class ShownProblem:
    """remedy: what to do, in paragraphs with `code`. commands: those in it, of this data set."""

    finding: Finding
    remedy: tuple[str, ...]
    commands: tuple[str, ...]


def make_audit_page(audit: Audit, summary: Audited, seed: int = 0) -> Page:
    """seed: of the choice of samples."""
    painter = MaskPainter(audit)
    samples = choose_samples(audit, painter, seed)
    problems = tuple(_show(problem, audit) for problem in summary.problems)
    return Page(
        title=audit.root.name,
        contents=[
            ("verdict", "Verdict"),
            ("data", "Data"),
            *([("samples", "Samples")] if samples.keys else []),
            *((each.code, each.title) for each in summary.problems),
        ],
        parts=("audit.html.j2",),
        sources=[str(audit.root)],
        data={},
        scripts=("enlarge.js",) if samples.pairs else (),
        context={
            "audit": audit,
            "summary": summary,
            "problems": problems,
            "samples": samples,
            "sizes": {
                size.replace("x", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"): count
                for size, count in summary.sizes.items()
            },
            "size_plot": draw_sizes(audit),
            "seed": seed,
            "legend": {name: _css(colour) for name, colour in painter.legend.items()} if audit.looks else {},
            "tally": {each: sum(problem.severity == each for problem in summary.problems) for each in SEVERITIES},
            "label": audit.classes.label if audit.classes else str,
            "what": "Colour or value" if summary.codes else "Class",
            "counts": {"all": summary.codes} if summary.codes else summary.class_counts,
            "unit": audit.unit or "images",
            "classes_shown": CLASSES_SHOWN,
            "examples_shown": EXAMPLES_SHOWN,
            "images_shown": IMAGES_SHOWN,
            "files_listed": FILES_LISTED,
            "mask": MASK,
        },
        sprites=draw_sprites(
            _list_tiles(audit, summary, samples), lambda tile, most: _draw(audit, painter, tile, most)
        ),
    )


def _show(problem: Finding, audit: Audit) -> ShownProblem:
    page = read_page(problem.code)
    remedy = page[-1].paragraphs if page else ()
    data, manifest = _spell_data(audit.settings), shlex.quote(str(_find_folder(audit) / "split.csv"))
    commands = (found for text in remedy for found in re.findall(r"`(finesight [^`]+)`", text))
    return ShownProblem(
        problem, remedy, tuple(command.replace("MANIFEST", manifest).replace("DATA", data) for command in commands)
    )


def _spell_data(settings: DataSettings) -> str:
    """The data set as a command takes it."""
    given = {"--val": settings.val, "--images": settings.images, "--masks": settings.masks}
    given |= {"--format": "" if settings.format == "auto" else settings.format, "--classes": settings.classes}
    flags = (f" {flag} {shlex.quote(value)}" for flag, value in given.items() if value)
    return shlex.quote(settings.root) + "".join(flags)


def _find_folder(audit: Audit) -> Path:
    """One that lies above all images, where a manifest of them can be."""
    settings = audit.settings
    root = Path(settings.root) if Path(settings.root).is_dir() else audit.root
    return Path(os.path.commonpath([root.resolve(), Path(settings.val).resolve()])) if settings.val else root


def _list_tiles(audit: Audit, summary: Audited, samples: Samples) -> list[str]:
    """Keys of the thumbnails: of samples, of the images of problems, and of their masks."""
    examples = (example for problem in summary.problems for example in problem.examples[:EXAMPLES_SHOWN])
    keys = dict.fromkeys(key for example in examples for key in example.keys[:IMAGES_SHOWN] if key in audit.items)
    pictures = [tile for key in keys for tile in ((key, MASK + key) if audit.mask_of(key) else (key,))]
    return list(dict.fromkeys([*(key for sheet in samples.sheets for key in sheet.keys), *pictures]))


def _draw(audit: Audit, painter: MaskPainter, tile: str, most: int) -> np.ndarray | None:
    """The thumbnail of an image, or of the mask of one."""
    if tile in audit.items:
        return read_tile(audit.items[tile].path, most, audit.scale)
    mask = painter.paint(tile.removeprefix(MASK))
    return None if mask is None else cut_tile(mask, most)


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
