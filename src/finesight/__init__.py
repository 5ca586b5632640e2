"""Fine-tune a pretrained vision network on your own images, and see what it learned.

The same verbs as the command line: `from finesight import inspect, train, evaluate, explain, predict, report, compare`.
Each returns a result with fields that an editor knows; `to_dict()` gives what `--json` prints.
"""

from typing import TYPE_CHECKING, Any

from finesight.errors import FinesightError

if TYPE_CHECKING:
    from finesight.app.compare import compare
    from finesight.app.embed import embed
    from finesight.app.evaluate import evaluate
    from finesight.app.explain import explain
    from finesight.app.findings import findings
    from finesight.app.inspect import inspect
    from finesight.app.labels import labels
    from finesight.app.predict import predict
    from finesight.app.preview import preview
    from finesight.app.prove_resume import prove_resume
    from finesight.app.report import report
    from finesight.app.runs import runs
    from finesight.app.score_masks import score_masks
    from finesight.app.train import train
    from finesight.run.architecture import NetworkDifference
    from finesight.run.inventory import DamagedRun, ListedRun, ListedRuns
    from finesight.run.results import (
        Audited,
        ClassDifference,
        Compared,
        Embedded,
        Evaluated,
        Example,
        Explained,
        Finding,
        Findings,
        Focus,
        FoundLabels,
        Kill,
        McNemar,
        Predicted,
        Previewed,
        Reported,
        ResumeProof,
        ScoredMasks,
        SuspectedLabel,
        Trained,
    )

__all__ = [
    "Audited",
    "ClassDifference",
    "Compared",
    "DamagedRun",
    "Embedded",
    "Evaluated",
    "Example",
    "Explained",
    "Finding",
    "Findings",
    "FinesightError",
    "Focus",
    "FoundLabels",
    "Kill",
    "ListedRun",
    "ListedRuns",
    "McNemar",
    "NetworkDifference",
    "Predicted",
    "Previewed",
    "Reported",
    "ResumeProof",
    "ScoredMasks",
    "SuspectedLabel",
    "Trained",
    "compare",
    "embed",
    "evaluate",
    "explain",
    "findings",
    "inspect",
    "labels",
    "predict",
    "preview",
    "prove_resume",
    "report",
    "runs",
    "score_masks",
    "train",
]


def __getattr__(name: str) -> Any:
    """Verbs and results are imported when first used: `import finesight` stays fast."""
    if name in __all__ and name[0].isupper():
        from finesight.run import inventory, results

        return globals().setdefault(name, getattr(inventory if hasattr(inventory, name) else results, name))
    if name in __all__:
        from finesight.app.guest import import_verb

        return globals().setdefault(name, import_verb(name))
    raise AttributeError(f"module 'finesight' has no attribute {name!r}")
