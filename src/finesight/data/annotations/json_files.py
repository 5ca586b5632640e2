"""JSON files of annotation tools: read whole, or recognised by how they begin."""

import json
import re
from pathlib import Path
from typing import Any

from finesight.errors import DataError

START = 1 << 16  # bytes that are looked at to recognise a file
COCO = re.compile(rb'"(images|annotations)"\s*:\s*\[')  # categories alone are in other files, too


def load_json(path: Path) -> dict[str, Any]:
    """Raises DataError for what is not a JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{str(path)!r} is not in UTF-8; save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        if path.stat().st_size < 1024 and path.read_bytes().startswith(b"version https://git-lfs"):
            raise DataError(f"{str(path)!r} is a Git LFS pointer, not the file: run `git lfs pull`.") from None
        raise DataError(f"{str(path)!r} is not valid JSON ({error}): export it once more.") from None
    if not isinstance(found, dict):
        raise DataError(f"{str(path)!r} does not hold a JSON object: it is not an annotation file that is read.")
    return found


def looks_like_coco(path: Path) -> bool:
    """Whether it begins as a COCO file does; large files are not read for it."""
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError:
        return False
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") and bool(COCO.search(start))
