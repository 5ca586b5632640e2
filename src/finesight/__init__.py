"""Fine-tune a pretrained vision network on your own images, and see what it learned.

The same verbs as the command line: `from finesight import inspect, train, evaluate, explain, predict, report, compare`.
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
    from finesight.app.prove_resume import prove_resume
    from finesight.app.report import report
    from finesight.app.train import train

__all__ = [
    "FinesightError",
    "compare",
    "embed",
    "evaluate",
    "explain",
    "findings",
    "inspect",
    "labels",
    "predict",
    "prove_resume",
    "report",
    "train",
]


def __getattr__(name: str) -> Any:
    """Verbs are imported when first used: `import finesight` stays fast."""
    if name in __all__:
        from finesight.app.guest import import_verb

        return globals().setdefault(name, import_verb(name))
    raise AttributeError(f"module 'finesight' has no attribute {name!r}")
