"""Names of masks: what the mask of a predicted image is called, and which files are masks."""

import re
from pathlib import PurePosixPath

from finesight.data.layouts.names import folder_kind, name_kind, stem_of

IMAGE_WORDS = "sat|image|images|img|rgb|image|photo|input|im|leftImg8bit"
MASK_WORDS = "mask|masks|label|labels|lbl|gt|gtf|seg|segmentation|annotation|target|truth|ground_truth|gtFine_labelIds"
IMAGE_SUFFIX = re.compile(f"^(.*?)[_.-]({IMAGE_WORDS})$", re.IGNORECASE)
IMAGE_FOLDERS = frozenset((IMAGE_WORDS + "|imgs|images|photos|input|inputs|jpegimages").lower().split("|"))
MASK_FOLDERS = frozenset(
    (MASK_WORDS + "|annotations|gts|groundtruth|targets|segs|segmentations|segmentationclass|gtfine").lower().split("|")
)


def image_stem(stem: str) -> str:
    """`0007` of `0007_sat`."""
    match = IMAGE_SUFFIX.match(stem)
    return match[1] if match else stem


def mask_name(key: str) -> str:
    """File of an image's predicted mask: `a/0007_mask.png` for `a/0007_sat.jpg`, `a/0007.png` for `a/0007.jpg`."""
    path = PurePosixPath(key)
    common = image_stem(path.stem)
    return str(path.with_name(f"{common}_mask.png" if common != path.stem else f"{path.stem}.png"))


def is_mask_half(key: str) -> bool:
    """Whether a file's name or folder says that it is a mask."""
    return name_kind(stem_of(key)) == "mask" or any(folder_kind(part) == "mask" for part in key.split("/")[:-1])
