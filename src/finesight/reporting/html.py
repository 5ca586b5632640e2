"""Templates → one HTML file."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finesight.analysis.wording import count_of
from finesight.errors import ConfigError, blame_files
from finesight.metrics.metric_labels import label_metric, mention_metric
from finesight.reporting.glossary import Glossary
from finesight.reporting.sections import percent
from finesight.reporting.thumbnails import Sprites
from finesight.run.files import write_atomically

SPLIT_NAMES = {"val": "validation", "train": "training", "test": "test"}
NO_SPRITES = Sprites((), {}, (), 0)


@dataclass(frozen=True)
class Page:
    """contents: (anchor, label) of every section. parts: templates, top to bottom. sources: run folders.

    data: for the scripts. context: for the parts. scripts: of templates/, after report.js. definitions: of metrics.
    """

    title: str
    contents: Sequence[tuple[str, str]]
    parts: Sequence[str]
    sources: Sequence[str]
    data: Mapping[str, Any]
    context: Mapping[str, Any]
    scripts: Sequence[str] = ()
    bundled_script: str = ""  # a script that `scripts` need
    package: str = "finesight.reporting"  # whose templates/ holds parts of its own
    sprites: Sprites = NO_SPRITES
    definitions: Mapping[str, str] = field(default_factory=dict)


def write_page(page: Page, out: Path) -> Path:
    """Raises ConfigError where the file cannot be written."""
    return _write(_render(page), out)


def write_book(pages: Mapping[str, Page], out: Path, note: str = "") -> Path:
    """Several pages in one file, one tab each. Each is a document of its own, so that ids and scripts cannot collide.

    pages: title → page. note: a sentence below the tabs. Raises ConfigError where the file cannot be written.
    """
    chapters = {title: _render(page) for title, page in pages.items()}
    return _write(_environment().get_template("book.html.j2").render(chapters=chapters, note=note), out)


def _render(page: Page) -> str:
    environment = _environment(page.package)
    images = page.data.get("images", {}).get("key", ())
    # Globals, as macros have no access to the context.
    environment.globals["glossary"] = Glossary(page.definitions)
    environment.globals["number_of"] = {key: number for number, key in enumerate(images)}.get
    with blame_files(Path(page.sources[-1])):
        return environment.get_template("page.html.j2").render(page=page, sprites=page.sprites, **page.context)


def _write(html: str, out: Path) -> Path:
    try:
        write_atomically(out, html.encode("utf-8", "replace"))  # file names need not be UTF-8
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    return out


def name_split(split: str) -> str:
    return SPLIT_NAMES.get(split, split)


def _environment(package: str = "finesight.reporting") -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("finesight.reporting"), PackageLoader(package)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Bokeh refers back to earlier keys, so they keep their order.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False, "separators": (",", ":")}
    environment.filters["percent"] = percent
    environment.filters["count_of"] = count_of
    environment.filters["unbroken"] = keep_together
    environment.filters["name_split"] = name_split
    environment.filters["signed"] = _sign
    environment.filters["metric"] = label_metric
    environment.filters["mention"] = mention_metric
    environment.filters["shell"] = _quote
    environment.globals["asset"] = _read_asset
    return environment


def keep_together(text: str) -> str:
    """With a no-break space in `83 %`, and a minus sign, after which no line breaks, in `-0.1`."""
    return re.sub(r"(?<!\S)-(?=\d)", "\N{MINUS SIGN}", re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text))


def _quote(path: object) -> str:
    return shlex.quote(str(path))


def _sign(number: float) -> str:
    """+0.0200, −0.1300, ±0.0000."""
    text = f"{abs(number):.4f}"
    sign = "±" if float(text) == 0 else "+" if number > 0 else "\N{MINUS SIGN}"
    return sign + text


def _read_asset(name: str) -> Markup:
    """A style sheet or script of this package, as it is."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))
