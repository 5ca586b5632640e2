"""What a training planned within its time, in words."""

import math

from finesight.analysis.evidence import Evidence
from finesight.run import schema
from finesight.run.folder import RunFolder


def describe_budget(evidence: Evidence) -> str:
    """In sentences; empty for a training without a time budget. Raises ValueError, KeyError for a damaged file."""
    plan, run = evidence.settings.budget.plan, RunFolder(evidence.run)
    if not plan:
        return ""
    text = f"{plan[0][1]:.3g} epochs were planned."
    for done, epochs in plan[1:]:
        text += f" After {done:.3g} epochs, the plan was changed to {epochs:.3g}."
    if not run.has(schema.BUDGET):
        return text
    values = run.read_json(schema.BUDGET)
    hours, minutes = float(values["hours"]), float(values["used_s"]) / 60
    return f"Of {60 * hours:.3g} minutes, the training used {minutes:.3g} until its last checkpoint. {text}"


def count_epochs(evidence: Evidence) -> int:
    """Of the whole training, as it was planned last."""
    plan = evidence.settings.budget.plan
    return math.ceil(plan[-1][1] - 1e-9) if plan else evidence.settings.epochs
