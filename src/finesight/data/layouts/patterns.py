"""Images and masks named by glob patterns, such as `photos/**/*.jpg`, and paired by their file names."""

import glob
import os
from pathlib import Path

from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.layouts.pair_layouts import read_pairing
from finesight.data.layouts.pairing import pair_names
from finesight.data.layouts.survey import Splits, locate
from finesight.data.leftovers import Note, describe_files
from finesight.errors import ConfigError, DataError


def read_globs(root: str | Path, images: str, masks: str, notes: list[Note]) -> Splits:
    """Items by split of the files two patterns name, relative to the root or absolute. A folder stands for all in it.

    A file that both name is of the narrower one. Raises ConfigError, DataError.
    """
    if not images or not masks:
        raise ConfigError("--images and --masks go together: one pattern for the images, one for their masks.")
    folder = locate(root)
    found = [find_files(folder, pattern, flag) for pattern, flag in ((images, "--images"), (masks, "--masks"))]
    image_paths, mask_paths = _tell_apart(*found)
    base = Path(os.path.commonpath([path.parent for path in (*image_paths, *mask_paths)]))
    others = [path for pattern in (images, masks) for path in _match(folder, pattern, "") if not _is_image(path)]
    notes += describe_files(folder, [os.path.relpath(path, folder).replace(os.sep, "/") for path in others])
    keys = [[path.relative_to(base).as_posix() for path in paths] for paths in (image_paths, mask_paths)]
    pairing = pair_names(keys[0], keys[1])
    if not pairing.pairs and not pairing.twins:
        raise DataError(
            f"No image of {images!r} has the name of a mask of {masks!r}, not even in part: the first are called "
            f"{keys[0][0]!r} and {keys[1][0]!r}; pair them in a CSV file with the columns image,mask."
        )
    number = len(pairing.pairs)
    notes.append(Note(f"{number:,} of {len(keys[0]):,} images and of {len(keys[1]):,} masks are pairs by their names."))
    return read_pairing(base, pairing, notes)


def can_be_read(root: str | Path, images: str, masks: str) -> bool:
    """Whether both patterns name files below the root."""
    try:
        return all(find_files(locate(root), pattern, "") for pattern in (images, masks) if pattern)
    except DataError:
        return False


def find_files(root: Path, pattern: str, flag: str) -> list[Path]:
    """Images that a pattern names, in order. Raises DataError for none. flag: the pattern's, for messages."""
    files = _match(root, pattern, flag)
    found = [each for each in files if _is_image(each)]
    if not found:
        what = f"only files that are not read as images, such as {files[0].name!r}" if files else "no file"
        raise DataError(f"{flag} {pattern!r} names {what} below {str(root)!r}; patterns are relative to it.")
    return [Path(os.path.normpath(each)) for each in found]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _match(root: Path, pattern: str, flag: str) -> list[Path]:
    """All files of a pattern, but hidden ones."""
    path = Path(pattern).expanduser()
    folder, rest = (path, "**/*") if path.is_absolute() and path.is_dir() else split_pattern(root, path)
    if rest != "**/*" and (folder / rest).is_dir():
        folder, rest = folder / rest, "**/*"
    try:
        return [each for each in sorted(folder.glob(rest)) if each.is_file() and not _is_hidden(each, folder)]
    except (ValueError, NotImplementedError, OSError) as error:
        raise DataError(f"{flag} {pattern!r} is not a pattern such as photos/*.jpg: {error}.") from None


def split_pattern(root: Path, path: Path) -> tuple[Path, str]:
    """(folder that holds all files of a pattern, the rest of the pattern)."""
    parts = (root / path).parts
    fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    fixed = max(fixed, len(root.parts)) if not path.is_absolute() else fixed
    return Path(*parts[:fixed]), "/".join(parts[fixed:])


def _tell_apart(images: list[Path], masks: list[Path]) -> tuple[list[Path], list[Path]]:
    both = set(images) & set(masks)
    if both and len(set(images)) == len(set(masks)) == len(both):
        raise ConfigError("--images and --masks name the same files; give each its own pattern.")
    if len(images) > len(masks):
        return [path for path in images if path not in both], masks
    return images, [path for path in masks if path not in both]


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
