"""The page on a data set: what it holds, and every problem with its images."""

from pathlib import Path

from finesight.checks.contract import SEVERITIES
from finesight.data.audit import Audit
from finesight.reporting.html import Page
from finesight.reporting.thumbnails import make_sprites
from finesight.run.results import Audited

EXAMPLES_SHOWN = 60  # per problem
IMAGES_SHOWN = 12  # per example
MASK = "mask of "  # prefix of the thumbnail key of a mask


def make_audit_page(audit: Audit, summary: Audited) -> Page:
    problems = summary.problems
    examples = [example for problem in problems for example in problem.examples[:EXAMPLES_SHOWN]]
    keys = dict.fromkeys(key for example in examples for key in example.keys[:IMAGES_SHOWN])
    tiles = [tile for key in keys for tile in (key, MASK + key) if _find(audit, tile)]
    return Page(
        title=audit.root.name,
        contents=[("verdict", "Verdict"), ("data", "Data"), *((each.code, each.title) for each in problems)],
        parts=("audit.html.j2",),
        sources=[str(audit.root)],
        data={},
        context={
            "audit": audit,
            "summary": summary,
            "problems": problems,
            "tally": {each: sum(problem.severity == each for problem in problems) for each in SEVERITIES},
            "what": "Colour or value" if summary.codes else "Class",
            "counts": {"all": summary.codes} if summary.codes else summary.class_counts,
            "unit": audit.unit or "images",
            "examples_shown": EXAMPLES_SHOWN,
            "images_shown": IMAGES_SHOWN,
            "mask": MASK,
        },
        sprites=make_sprites(tiles, lambda tile: _find(audit, tile), audit.scale),
    )


def _find(audit: Audit, tile: str) -> Path | None:
    """The file a thumbnail is made of: that of the image, or of its mask."""
    key = tile.removeprefix(MASK)
    if key in audit.items and tile != key:
        mask = audit.items[key].target
        return mask if isinstance(mask, Path) else None
    return audit.items[tile].path if tile in audit.items else None
