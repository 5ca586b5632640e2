"""The cache folder, for files that can be made again."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """FINESIGHT_CACHE from the environment, else the system's cache folder: ~/.cache/finesight on Linux."""
    chosen = os.environ.get("FINESIGHT_CACHE", "")
    return Path(chosen).expanduser() if chosen else user_cache_path("finesight", appauthor=False)
