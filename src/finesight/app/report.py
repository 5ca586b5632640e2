"""Report: one offline HTML file of what a run is, how good it is, and what it learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finesight.app.embed import embed
from finesight.app.evaluate import list_pictures_for
from finesight.errors import DataError
from finesight.progress import say
from finesight.reporting import render_report
from finesight.run import RunFolder


def report(run: str | Path, *, out: str | Path = "", split: str = "val") -> dict[str, Any]:
    """Writes the report of a run; what it needs and is not there yet, evaluation and map, is made first.

    Returns `report`, the path of the HTML file.
    """
    folder = RunFolder.open(run)
    if not (folder.embedding(split) / "map.json").exists() or not (folder.evaluation(split) / "metrics.json").exists():
        embed(run, split=split)
    path = render_report(folder, Path(out) if out else folder.path / "report.html", find_pictures(folder, split), split)
    return {"report": str(path)}


def find_pictures(run: RunFolder, split: str) -> Callable[[str], Path | None]:
    """From a picture's key to its file; None for all when the data are gone, which a report survives."""
    paths: dict[str, Path] = {}
    try:
        for part in ("train", "val", split):  # a key of two parts means that of `split`
            listing = list_pictures_for(run, run.read_settings(), "", part)
            paths |= {item.key: item.path for items in listing.splits.values() for item in items}
    except DataError as error:
        say(f"Note: the report has no pictures: {error}")
    return lambda key: paths.get(key)
