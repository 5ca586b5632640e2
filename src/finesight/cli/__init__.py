"""The command line: one file per command, which parses, calls finesight.app and prints.

Nothing heavy is imported before a command runs, so that --help is fast.
"""

import io
import os
import platform
import sys
import time
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from finesight import distributed
from finesight.cli.cache import cache
from finesight.cli.compare import compare
from finesight.cli.demo import demo
from finesight.cli.embed import embed
from finesight.cli.evaluate import evaluate
from finesight.cli.explain import explain
from finesight.cli.findings import findings
from finesight.cli.foreign_flags import TrainCommand
from finesight.cli.inspect import inspect
from finesight.cli.labels import labels
from finesight.cli.models import models
from finesight.cli.predict import predict
from finesight.cli.report import report
from finesight.cli.runs import runs
from finesight.cli.stopping import interruptible
from finesight.cli.train import train
from finesight.collector import freeze_imports
from finesight.deferred_compiler import defer_compiler
from finesight.errors import ConfigError, FinesightError, Interrupted
from finesight.progress import say

app = typer.Typer(
    name="finesight",
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(demo, inspect, models, train, evaluate, predict, embed, explain),
    *(findings, labels, report, compare, runs, cache),
)
for command in COMMANDS:
    app.command(cls=TrainCommand if command is train else None)(interruptible(command))


@app.callback()
def start(
    print_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions of finesight, torch, torchvision, timm and Python, for a bug report."
        ),
    ] = False,
) -> None:
    """Fine-tune a pretrained vision network on your own images, and see what it learned."""
    if print_version:
        names = ("finesight", "torch", "torchvision", "timm")
        print(", ".join([*(f"{name} {version(name)}" for name in names), f"Python {platform.python_version()}"]))
        raise typer.Exit


SHARED = ("train", "evaluate", "predict")  # commands that run under torchrun
HEADSTART_S = 3  # for the main rank to report an error that all ranks have; torchrun checks every 0.1 s


def report_error(error: str) -> None:
    """If all ranks fail alike, only the main one prints: torchrun ends the others while they wait."""
    if not distributed.is_main():
        time.sleep(HEADSTART_S)
    for line in error.split("\n"):
        say(line, every_rank=True)


def main() -> None:
    """Runs a command. Exit codes: 0 done, 1 done in part, 2 an error to act on, 128 + signal when stopped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console may lack the letters of a name
    defer_compiler()
    freeze_imports()
    try:
        if distributed.world_size() > 1 and not set(sys.argv[1:2]) <= set(SHARED):
            raise ConfigError(f"torchrun is for {', '.join(SHARED)} only: start this command without it.")
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(sys.stdout if distributed.is_main() else nowhere),
        ):
            app()
    except Interrupted as error:
        say(str(error))
        sys.exit(error.exit_code)
    except FinesightError as error:
        report_error(f"Error: {error}")
        sys.exit(2)
    except OSError as error:  # such as a name too long, or a full disk: not a bug
        report_error(f"Error: {error}.")
        sys.exit(2)
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
