"""The command line: one file a command, which parses, calls finesight.app and prints.

Nothing heavy is imported before a command runs, so that --help answers at once.
"""

import io
import sys

import typer

from finesight.cli.compare import compare
from finesight.cli.demo import demo
from finesight.cli.embed import embed
from finesight.cli.evaluate import evaluate
from finesight.cli.findings import findings
from finesight.cli.labels import labels
from finesight.cli.models import models
from finesight.cli.predict import predict
from finesight.cli.report import report
from finesight.cli.train import train
from finesight.errors import FinesightError
from finesight.progress import say

app = typer.Typer(
    name="finesight",
    help="Fine-tune a pretrained vision network on your own pictures, and see what it learned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, models, train, evaluate, predict, embed, findings, labels, report, compare):
    app.command()(command)


def main() -> None:
    """Runs a command. Exit codes: 0 done, 1 done in part, 2 cannot be done as asked, 128 + signal when stopped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console that lacks a name's letters is no error
    try:
        app()
    except FinesightError as error:
        for line in f"Error: {error}".split("\n"):
            say(line)
        sys.exit(getattr(error, "exit_code", 2))
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
