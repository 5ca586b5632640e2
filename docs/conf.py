"""The documentation site: `make docs` writes it to build/docs. Commands and settings are generated from the code."""

import subprocess
import sys
from pathlib import Path

from finesight import config
from finesight.run import schema

HERE = Path(__file__).parent

project = "finesight"
copyright = "the finesight authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "finesight"
smartquotes = False  # they would make one dash of --data
autodoc_typehints = "description"
autodoc_member_order = "bysource"
nitpicky = False


def write_commands(path: Path) -> None:
    """Typer's own Markdown of every command, its options and its examples."""
    command = [sys.executable, "-m", "typer", "finesight.cli", "utils", "docs", "--name", "finesight"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    path.write_text(text.replace("# `finesight`", "# Commands", 1), encoding="utf-8")


def write_settings(path: Path) -> None:
    """Every setting with its default and its meaning."""
    rows = [
        f"| `{each.name}` | {'' if each.default is None else f'`{each.default!r}`'} | {each.form.replace('|', 'or')} "
        f"| {' '.join(each.meaning.split()).replace('|', ' ')} |"
        for each in config.describe_settings()
    ]
    start = [
        "# Settings",
        "",
        "Set one with `--set NAME=VALUE`, or in a recipe (TOML). `finesight train --settings` prints this list;",
        "`finesight train --settings --json` prints the JSON schema for editors.",
        "",
        "| name | default | unit, values | meaning |",
        "|---|---|---|---|",
    ]
    path.write_text("\n".join([*start, *rows, ""]), encoding="utf-8")


def write_run_files(path: Path) -> None:
    """Every file of a run folder and what it holds."""
    rows = [f"| `{name}` | {content} |" for name, content in schema.FILES.items()]
    path.write_text("\n".join(["| file | content |", "|---|---|", *rows, ""]), encoding="utf-8")


generated = HERE / "generated"
generated.mkdir(exist_ok=True)
write_commands(generated / "commands.md")
write_settings(generated / "settings.md")
write_run_files(generated / "run-files.md")
