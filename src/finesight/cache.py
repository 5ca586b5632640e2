"""Where finesight keeps what it can make again."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Folder of the environment variable FINESIGHT_CACHE, else the system's own place: ~/.cache/finesight on Linux."""
    chosen = os.environ.get("FINESIGHT_CACHE", "")
    return Path(chosen).expanduser() if chosen else user_cache_path("finesight", appauthor=False)
