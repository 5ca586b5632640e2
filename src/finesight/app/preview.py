"""Preview: the first batch of a training as the network sees it, before anything is trained."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finesight.app.training_start import start_run
from finesight.config import Settings, add_given
from finesight.errors import ConfigError
from finesight.progress import say
from finesight.run import schema
from finesight.run.files import write_atomically
from finesight.run.folder import RunFolder
from finesight.run.results import Previewed


def preview(
    recipe: str | Path | None = None,
    *,
    data: str | Path = "",
    val: str | Path = "",
    model: str = "",
    out: str | Path = "",
    settings: Mapping[str, Any] | None = None,
) -> Previewed:
    """Draws images of the first training batch, augmented, cropped and mixed, with their labels or masks, as one PNG.

    Takes what `train` takes, and no weights are loaded. out: the PNG; `preview.png` here by default, which is replaced.
    Raises FinesightError for whatever is wrong with data or settings.
    """
    where = Path(out or schema.PREVIEW)
    if where.suffix.lower() != ".png" or where.is_dir():
        raise ConfigError(f"--preview writes one image: name it with --out FILE.png, not {str(where)!r}.")
    named = {"data.root": str(data), "data.val": str(val), "model.name": model}
    start = start_run(recipe, add_given(settings, named), where.parent / f".{where.name}.run")  # never written
    from finesight.app.first_batch_sheet import draw_first_batch, label_first_batch  # torch, as of `train`
    from finesight.app.preparation import prepare_job
    from finesight.training.first_batch import read_first_batch

    say("No weights are loaded for a preview.")
    job = prepare_job(_without_weights(start.settings), start.run, start.listing)
    batch = read_first_batch(job)
    try:
        write_atomically(where, draw_first_batch(job, batch))
    except OSError as error:
        raise ConfigError(f"{where} cannot be written: {error.strerror}. Name another --out.") from None
    return Previewed(where, len(batch.keys), batch.size, label_first_batch(job, batch))


def _without_weights(settings: Settings) -> Settings:
    """Of a run to start from, its interpolation stays."""
    model, image = settings.model, settings.image
    start = RunFolder(Path(model.weights))
    if start.is_run() and not image.interpolation:
        seen = RunFolder.open(start.path).read_model().preprocessing
        image = dataclasses.replace(image, interpolation=seen.interpolation)
    return dataclasses.replace(settings, image=image, model=dataclasses.replace(model, weights="none"))
