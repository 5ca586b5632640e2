"""The settings of a run that is resumed: its own, and those of a command that may change."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finesight.analysis.wording import count_of
from finesight.config import AUTO, BudgetSettings, Settings, dotted_settings, list_given, load_settings, locate
from finesight.errors import ConfigError, blame_files
from finesight.run import schema
from finesight.run.folder import RunFolder

FREE = {"data.workers", "machine.threads", "checkpoint.every", "checkpoint.minutes", "data.image_cache_gb"}


def choose_settings(run: RunFolder, recipe: str | Path | None, overrides: Mapping[str, Any]) -> Settings:
    """The run's settings, with those of `overrides` that may change: FREE ones, or epochs in place of a budget.

    Raises ConfigError for any other that would change the result.
    """
    settings = load_settings(run.path / schema.CONFIG, {name: overrides[name] for name in overrides if name in FREE})
    if settings.checkpoint.tie == "auto":  # begun before there was this choice
        settings = dataclasses.replace(settings, checkpoint=dataclasses.replace(settings.checkpoint, tie="first"))
    may_change = FREE | ({"epochs"} if "epochs" in overrides else set())
    given = list_given(recipe, overrides)
    wanted = dict(dotted_settings(locate(load_settings(recipe, overrides))))
    for name, value in dotted_settings(settings):
        same = (value, "auto", AUTO.get(name))
        if name in given and wanted[name] not in same and name not in may_change:
            raise ConfigError(
                f"{run.path} was trained with {name} = {value!r}; continuing with {wanted[name]!r} would mix two runs."
            )
    if "epochs" not in overrides:
        return settings
    begun = _count_begun(run)
    if wanted["epochs"] < begun:
        raise ConfigError(
            f"{run.path} has begun {count_of(begun, 'epoch')} already; --epochs {wanted['epochs']} cannot undo them: "
            f"name {begun} or more, or start a new run with another --out."
        )
    return dataclasses.replace(settings, epochs=wanted["epochs"], budget=BudgetSettings())


def _count_begun(run: RunFolder) -> int:
    """Epochs of which at least a step is kept."""
    if not run.checkpoint("last").is_dir():
        return 0
    from finesight.training.checkpoint import Training

    with blame_files(run.path):
        values = Training.load(run).values
        return int(values["epoch"]) - (0 if values["step"] else 1)
