"""Which engine computes a run's predictions: that of its validation figures, unless another is named."""

from importlib.metadata import version
from typing import Any

from finesight.backend.engines import ENGINES, check_engine, why_not
from finesight.inference.predictor import Predictor
from finesight.progress import say
from finesight.run import schema
from finesight.run.computed_by import read_engine
from finesight.run.folder import RunFolder


def choose_engine(run: RunFolder, predictor: Predictor, named: str = "auto") -> Predictor:
    """named: of ENGINES, or `auto`, that of the run's validation figures, or torch where it cannot be used here.

    Says where predictions come from another engine than those figures: they agree to rounding, not to the bit.
    Raises ConfigError for a named engine that cannot be used here.
    """
    measured, device = read_engine(run), predictor.machine.device.type
    measured = measured if measured in ENGINES else "torch"
    if named == "auto":
        if not (reason := why_not(measured, device)):
            return predictor.computed_by(measured)
        say(f"Note: {_name_figures(run, measured)}, which {reason}. Using torch: it agrees to rounding.")
        return predictor.computed_by("torch")
    check_engine(named, device)
    if named != measured:
        say(f"Note: {_name_figures(run, measured)}. {named} agrees to rounding; `evaluate --engine` measures it.")
    return predictor.computed_by(named)


def _name_figures(run: RunFolder, engine: str) -> str:
    return f"the validation figures of {run.path} were measured with {engine}"


def record_engine(run: RunFolder, split: str, predictor: Predictor) -> None:
    """Beside a split's figures, what computed them."""
    machine = predictor.machine
    found: dict[str, Any] = {
        "engine": machine.engine,
        "version": version(ENGINES[machine.engine].package),
        "device": str(machine.device),
        "precision": machine.precision,
        **predictor.engine.describe(),
    }
    run.write_json(f"{schema.evaluation(split)}/{schema.COMPUTED_BY}", found)
