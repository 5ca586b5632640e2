"""What a command says when Ctrl-C ends it: what is kept, and how to go on. It is no error."""

import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from finesight.errors import Interrupted

KEPT = {
    "train": "The last checkpoint is kept if there is one: `finesight train --resume --out RUN` continues from it.",
    "predict": "Predictions so far are saved; the same command continues with the rest.",
}
OTHERWISE = "No file is left half-written; the same command starts again."


def interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same command, whose KeyboardInterrupt says what is kept; exit code 130."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise Interrupted(f"Stopped. {KEPT.get(command.__name__, OTHERWISE)}", signal.SIGINT) from None

    return run
