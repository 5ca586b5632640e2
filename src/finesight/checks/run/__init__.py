"""Checks of a run: what is wrong with it or worth knowing."""

from finesight.checks.contract import Check, collect_checks
from finesight.checks.run.case import Case

CHECKS: dict[str, Check[Case]] = collect_checks(__name__, __path__)
