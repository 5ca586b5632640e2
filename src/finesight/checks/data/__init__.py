"""Checks of a data set: what would hurt a training, and what is worth knowing."""

from finesight.checks.contract import Check, collect_checks
from finesight.data.audit import Audit

CHECKS: dict[str, Check[Audit]] = collect_checks(__name__, __path__)
