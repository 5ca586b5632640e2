"""Where finesight keeps what it can make again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Folder of the environment variable FINESIGHT_CACHE, else ~/.cache/finesight."""
    chosen = os.environ.get("FINESIGHT_CACHE", "")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "finesight"
