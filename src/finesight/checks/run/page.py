"""The page of a finding, docs/findings/CODE.md, which every wheel carries."""

from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parent / "pages"  # docs/findings


@dataclass(frozen=True)
class Section:
    """A heading with its paragraphs; one that starts with "- " is a line of a list. Words in `backticks` are code."""

    title: str
    paragraphs: tuple[str, ...]


def read_page(code: str) -> tuple[Section, ...]:
    """What it means, how it is judged, what to do; none for a code that has no page, as of a newer finesight."""
    path = PAGES / f"{code}.md"
    if not path.is_file():
        return ()
    sections = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return tuple(_parse(section) for section in sections)


def _parse(section: str) -> Section:
    title, *lines = section.splitlines()
    return Section(title, tuple(line for line in lines if line))
