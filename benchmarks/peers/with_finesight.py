"""finesight's own commands, with nothing but a clock on their training steps.

Its defaults decode all images once, before the first step: that time stands in `first_step_s`, not in the steps'
rate. Best flags: data.image_cache=off, which decodes them again in every epoch, as the peers do.
"""

import os
import sys

from work import Asked, Clock, read_arguments

from finesight.cli import main as run_command


def main() -> None:
    asked = read_arguments()
    clock = Clock(asked.work)
    os.environ["FINESIGHT_CACHE"] = str(asked.out / "cache")  # nothing is there from an earlier turn
    if asked.work.predicts:
        os.environ["FINESIGHT_CACHE"] = f"{asked.run}-cache"
        out = asked.out / ("masks" if asked.work.masks else "predictions.csv")
        sys.argv = ["finesight", "predict", asked.run, str(asked.images), "--out", str(out)]
        try:
            run_command()
        except SystemExit as end:  # so ends every command
            if end.code:
                raise
        clock.finish(len(list(asked.images.iterdir())))
    watch_steps(clock)
    sys.argv = ["finesight", "train", *training_options(asked), "--out", str(asked.out / "run"), "--epochs", "1000"]
    run_command()


def training_options(asked: Asked) -> list[str]:
    work = asked.work
    settings = {"image.size": [work.size, work.size], "image.fit": "stretch", "image.interpolation": "bilinear"}
    settings |= {"data.classes": "deepglobe"} if work.masks else {}
    settings |= {"data.image_cache": "off"} if asked.best else {}
    options = ["--data", str(asked.images), "--model", work.network, "--weights", "none"]
    options += ["--batch-size", str(work.batch)]
    return options + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def watch_steps(clock: Clock) -> None:
    from finesight.training.trainer import Trainer

    step = Trainer._step

    def timed_step(trainer: Trainer) -> None:
        step(trainer)
        clock.tick()

    Trainer._step = timed_step  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
