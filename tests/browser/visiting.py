"""A page in a browser, watched for what it must not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from finesight.analysis.features import load_features


@dataclass
class Visit:
    """A page that was opened, and what it did that it should not have."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def open_page(browser: Any, file: Path, **context: Any) -> Visit:
    """Opens a file and listens to errors, dialogs and requests from the first moment."""
    visit = Visit(browser.new_page(**context))
    visit.page.set_default_timeout(20_000)
    visit.page.on("console", lambda message: message.type in ("error", "warning") and visit.errors.append(message.text))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("dialog", lambda dialog: (visit.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    visit.page.on("request", lambda request: request.url.startswith("data:") or visit.requests.append(request.url))
    visit.page.goto(file.as_uri())
    return visit


@contextmanager
def visit_map(browser: Any, report: Path) -> Iterator[Visit]:
    """A report whose map is drawn and in view; afterwards it must have done nothing that it should not."""
    visit = open_page(browser, report, viewport={"width": 1400, "height": 1000})
    visit.page.wait_for_selector("html.plot-drawn")
    visit.page.locator("#plot").scroll_into_view_if_needed()
    visit.page.wait_for_timeout(300)  # the plot's scales are set when it is painted
    yield visit
    assert visit.errors == []
    assert visit.requests == [report.as_uri()]
    visit.page.close()


def find_near(embedding: Path) -> dict[str, list[str]]:
    """key → keys of the six images of highest cosine similarity, from the whole table of features."""
    saved = load_features(embedding)
    unit = saved.features / np.linalg.norm(saved.features, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :6]
    return {key: [saved.keys[i] for i in row] for key, row in zip(saved.keys, order, strict=True)}
