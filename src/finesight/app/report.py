"""Report: one offline HTML file of what a run is, how good it is, and what it learned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finesight.app.embed import embed
from finesight.app.preparation import read_data
from finesight.errors import ConfigError, DataError
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
    page = Path(out) if out else folder.path / "report.html"
    try:
        path = render_report(folder, page, find_pictures(folder, split), split)
    except OSError as error:
        raise ConfigError(f"{page} cannot be written: {error.strerror}. Name another --out.") from None
    return {"report": str(path)}


def find_pictures(run: RunFolder, split: str) -> Callable[[str], Path | None]:
    """From a picture's key to its file; None for all when the data are gone, which a report survives."""
    paths: dict[str, Path] = {}
    try:
        splits = read_data(run.read_settings()).splits
        if split in splits:  # else it is of other data, where the same key is another picture
            paths = {item.key: item.path for items in splits.values() for item in items}
    except DataError as error:
        say(f"Note: the report has no pictures: {error}")
    return lambda key: paths.get(key)
