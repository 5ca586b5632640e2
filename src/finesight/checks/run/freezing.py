"""Pieces of the checks that read the freeze ledger."""

from finesight.checks.contract import NotApplicable
from finesight.checks.run.case import Case


def count_layers(case: Case) -> tuple[int, int]:
    """(frozen, trained) layers with weights in the last epoch."""
    if not case.evidence.freezing:
        raise NotApplicable("The run has no freeze ledger: no epoch was finished.")
    states = [layer["state"] for layer in case.evidence.freezing[-1]["layers"]]
    return states.count("frozen"), len(states) - states.count("frozen")
