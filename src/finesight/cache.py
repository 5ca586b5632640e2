"""The cache folder, for files that can be made again."""

import os
import tempfile
from pathlib import Path
from typing import IO

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """FINESIGHT_CACHE from the environment, else the system's cache folder: ~/.cache/finesight on Linux."""
    chosen = os.environ.get("FINESIGHT_CACHE", "")
    return Path(chosen).expanduser() if chosen else user_cache_path("finesight", appauthor=False)


def open_scratch() -> IO[bytes]:
    """A file without a name, gone when it is closed. It is in the cache folder, as /tmp is memory on some systems."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)
