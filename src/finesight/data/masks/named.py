"""Masks that name the classes of their values themselves: a palette PNG with the names in a text chunk.

finesight draws such masks from annotations. Names hold wherever the mask is read, so that data sets which number the
same classes differently are read alike.
"""

import json
from typing import Any

from PIL import Image

from finesight.classes import IGNORE_INDEX

TEXT = "finesight classes"  # key of the text chunk


def read_text(image: Image.Image) -> dict[str, Any]:
    """What `encode_named` wrote beside the pixels of a file whose header is read; {} for any other."""
    text = image.info.get(TEXT)
    if image.format != "PNG" or image.mode != "P" or not isinstance(text, str):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    names = found.get("names") if isinstance(found, dict) else None
    if not isinstance(names, list) or not 0 < len(names) <= IGNORE_INDEX:
        return {}
    return found if all(isinstance(name, str) for name in names) else {}
