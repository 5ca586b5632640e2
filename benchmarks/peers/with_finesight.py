"""finesight's own commands, with nothing but a clock on their training steps.

Its defaults decode all pictures once, before the first step: that time stands in `first_step_s`, not in the steps'
rate. Best flags: data.store=off, which decodes them anew in every epoch, as the peers do.
"""

import os
from typing import Any

from work import Asked, Clock, read_arguments, run_command


def main() -> None:
    asked = read_arguments()
    clock = Clock(asked.work)
    os.environ["FINESIGHT_CACHE"] = str(asked.out / "cache")  # nothing is there from an earlier turn
    if asked.work.predicts:
        name = "masks" if asked.work.masks else "predictions.csv"
        run_command_quietly("predict", asked.run, str(asked.pictures), "--out", str(asked.out / name))
        clock.finish(len(list(asked.pictures.iterdir())))
    watch_steps(clock)
    run_command(*training_words(asked), "--out", str(asked.out / "run"), "--epochs", "1000")


def training_words(asked: Asked) -> list[str]:
    work = asked.work
    words = ["train", "--data", str(asked.pictures), "--model", work.network, "--weights", "none"]
    words += ["--batch-size", str(work.batch)]
    settings = {"image.size": [work.size, work.size], "image.fit": "squash"}
    if work.masks:
        settings |= {"data.classes": "deepglobe"}
    if asked.best:
        settings |= {"data.store": "off"}
    return words + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def watch_steps(clock: Clock) -> None:
    from finesight.engine.loop import Trainer

    step = Trainer._train_step

    def timed_step(trainer: Trainer, *batch: Any) -> Any:
        loss = step(trainer, *batch)
        clock.tick()
        return loss

    Trainer._train_step = timed_step  # type: ignore[method-assign]


def run_command_quietly(*words: str) -> None:
    """`predict` ends its process with code 0 when it is done."""
    try:
        run_command(*words)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    main()
