"""Labels: which labels of a run's own data are probably wrong."""

from functools import cache, partial
from pathlib import Path

from finesight.analysis.features import compute_features
from finesight.analysis.label_errors import name_classes, save_label_errors
from finesight.app.embed import embed
from finesight.app.evaluate import check_split_name, evaluate
from finesight.app.run_data import RunData
from finesight.errors import ConfigError
from finesight.inference.engine_choice import choose_engine
from finesight.inference.predictor import Predictor
from finesight.inference.restore import restore_model
from finesight.run.files import write_atomically
from finesight.run.results import FoundLabels
from finesight.tasks.contract import LabelSearch


def labels(run: str | Path | RunData, *, split: str = "val", out: str | Path = "") -> FoundLabels:
    """Finds labels that are probably wrong in a split, and saves them as label_errors/SPLIT.csv and .json in the run.

    Labels of images are judged one by one, masks by connected regions. out: a copy of the CSV file.
    """
    own = RunData.of(run)
    folder = own.run
    check_split_name(split)
    found = own.task.find_label_errors(_prepare_search(own, split))
    classes = folder.read_classes()
    path = save_label_errors(folder, found, classes)
    if out:
        try:
            write_atomically(Path(out), path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{out} cannot be written: {error.strerror}. Name another --out.") from None
    return FoundLabels(
        split=split,
        num_samples=found.num_samples,
        source=found.source,
        errors=tuple(name_classes(error, classes) for error in found.errors),
        num_errors=len(found.errors),
        names=dict(zip(classes.ids, classes.labels, strict=True)),
        csv=Path(out or path),
    )


def _prepare_search(own: RunData, split: str) -> LabelSearch:
    predictor = cache(lambda: choose_engine(own.run, Predictor.here(restore_model(own.run), own.settings)))
    return LabelSearch(
        run=own.run,
        split=split,
        predictor=predictor,
        open_split=partial(own.open_split, split),
        evaluate=partial(evaluate, own, split=split),
        embed=partial(embed, own, split=split),
        compute_features=lambda: compute_features(predictor(), own.open_split(split), own.task.average_regions).images,
    )
