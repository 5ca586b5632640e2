"""computed_by.json of a split: the engine that computed its figures, and what their rounding depends on."""

from finesight.run import schema
from finesight.run.folder import RunFolder


def read_engine(run: RunFolder, split: str = "val") -> str:
    """That measured a split. Of runs older than this choice, and before the first evaluation, torch."""
    name = f"{schema.evaluation(split)}/{schema.COMPUTED_BY}"
    return str(run.read_json(name).get("engine", "torch")) if run.has(name) else "torch"
