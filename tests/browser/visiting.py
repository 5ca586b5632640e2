"""A page in a browser, watched for what it must not do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
