"""Data sets read as `train` reads them."""

from pathlib import Path

from finesight.app.training_data import read_listing as read
from finesight.config import DataSettings
from finesight.data.listing import Listing


def read_listing(root: str | Path, *, seed: int = 0, **settings: object) -> Listing:
    """settings: of data, such as `val` or `classes`."""
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    return read(DataSettings(root=str(root), **texts), seed)  # type: ignore[arg-type]
