"""One process at a time trains in a run folder; any number may read it.

filelock and not our own lock: it also locks on Windows, and on file systems without locks. The lock is the system's and
ends with its process, however that ends. A forked loader worker does not keep it, which holds from filelock 4.0 on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finesight.errors import RunError
from finesight.run import schema


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Within the block no other process can lock the folder. Raises RunError when one has already."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / schema.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{folder} is being trained by another process: wait for it, or stop it first.") from None
    except OSError as error:
        raise RunError(f"{folder} cannot be locked for training: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()
