"""File names taken apart: the words that say image or mask, the split, and what a pair's two names have in common."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from typing import Literal

from finesight.classes import compose
from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.splits import SPLIT_WORDS

Word = tuple[str, int, int]  # in lower case, where it begins, where it ends
Kind = Literal["image", "mask", "other", ""]  # other: neither, such as overlays; "": no word says what

WORDS = {
    "mask": """
        mask masks label labels lbl lbls lab labs labelled labeled labelid labelids labeltrainids gt gts gtf gtfine
        gtcoarse seg segs segm segmentation segmentations segmap segmaps segmented ann anns anno annos annot annots
        annotation annotations annotated target targets truth truths groundtruth groundtruths trimap trimaps manual
        manuals msk msks maske masken masque masques mascara mascaras""",
    "image": """
        sat image images img imgs im ims rgb irrg rgbir nir image images pic pics photo photos photograph
        photographs input inputs leftimg8bit jpegimages ortho orthos orthophoto orig original originals org raw frame
        frames bild bilder imagen imagenes""",
    "other": """
        overlay overlays vis viz visual visuals visualization visualizations visualisation visualisations preview
        previews thumb thumbs thumbnail thumbnails blend blended depth depths disparity dsm dem ndsm edge edges contour
        contours heatmap heatmaps aug augmented augmentation augmentations panoptic instance instances instanceid
        instanceids object objects polygon polygons superpixels pred preds predicted prediction predictions""",
    # only as the last word of a name: 7_m.png (LandCover.ai), 7_L.png (CamVid)
    "last": "m l",
}
# What may stand beside such a word and names no data, by how far it is from what is usually trained on.
BESIDE = {
    0: "id ids no fine png jpg jpeg tif tiff gif bmp dir folder folders all class classes semantic for the of and file "
    "files data",
    1: "labeltrainids boundary noboundary eroded participants coarse gtcoarse irrg rgbir nir",
    2: "color colors colour colours coloured colored colormap colormaps palette human",
}
MASK_WORDS, IMAGE_WORDS, OTHER_WORDS, LAST_WORDS = (frozenset(words.split()) for words in WORDS.values())
RANKS = {word: rank for rank, words in BESIDE.items() for word in words.split()}
ROLE_WORDS = MASK_WORDS | IMAGE_WORDS | OTHER_WORDS
KNOWN = ROLE_WORDS | frozenset(RANKS) | frozenset(SPLIT_WORDS)
TASK = re.compile(r"task[-_](\d+)[-_]annotation[-_]\d+.*", re.IGNORECASE)  # Label Studio names masks by its tasks
UPLOAD = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{8}-(?=.)")  # and images by a random start
CHUNK = re.compile(r"[^\W_]+")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
COMPOUND = re.compile(f"({'|'.join(SPLIT_WORDS)})([a-z]+)")
# What the name of a predicted mask leaves out of its image's.
IMAGE_END = re.compile("(.*?)[_.-](sat|image|images|img|rgb|photo|input|im|leftImg8bit)", re.IGNORECASE)


@dataclass(frozen=True)
class Name:
    """A file's key taken apart.

    folder_words, name_words: those of its folders, and at the ends of its name, that tell its kind. rest: what else
    the folders with such words are called. folders, stem: what is left of the others and of the name.
    """

    key: str
    split: str
    folder_words: frozenset[str]
    rest: tuple[str, ...]
    folders: tuple[str, ...]
    name_words: frozenset[str]
    stem: str
    ending: str

    @property
    def parent(self) -> str:
        return self.key.rpartition("/")[0]

    @cached_property
    def exact(self) -> tuple[str, ...]:
        return self.split, *self.rest, *self.folders, self.stem

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Folders, split and the words of the stem, without case, padding with zeros, a second ending."""
        folders = (_plain(folder) for folder in (*self.rest, *self.folders))
        return (*folders, *([self.split] if self.split else ()), *stem_words(self.stem))

    @property
    def unsplit_words(self) -> tuple[str, ...]:
        """Without the split, and without what folders of a kind are called beside it."""
        place = len(self.rest) + len(self.folders)
        return self.words[len(self.rest) : place] + self.words[place + bool(self.split) :]


def take_apart(keys: Sequence[str]) -> list[Name]:
    """Words that all files have at one place, such as a folder around all, say nothing of any of them."""
    parents = {key.rpartition("/")[0] for key in keys}
    shared = frozenset[str].intersection(*(frozenset(parent.split("/")) for parent in parents)) if parents else set()
    stems = [compose(stem_of(key)) for key in keys]
    words = [_words(stem) for stem in stems]
    first = _only({each[0][0] for each in words if each})
    last = _only({each[-1][0] for each in words if each})
    folders = {parent: _take_folders(parent, frozenset(shared)) for parent in parents}
    return [
        Name(key, *folders[key.rpartition("/")[0]], *_take_name(stem, some, first, last), _ending(key))
        for key, stem, some in zip(keys, stems, words, strict=True)
    ]


def stem_of(key: str) -> str:
    """`7.a` of `b/7.a.png`."""
    name = key.rpartition("/")[2]
    return name[: len(name) - len(_ending(key))]


def _ending(key: str) -> str:
    """`.PNG` of `b/7.PNG`."""
    name = key.rpartition("/")[2]
    return name[place:] if (place := name.rfind(".")) > 0 else ""


def kind_of(words: frozenset[str]) -> Kind:
    if words & {"instance", "instances"} and words & {"color", "colour"}:
        return "mask"  # so iSAID calls its masks of classes
    if words & OTHER_WORDS:
        return "other"
    if words & (MASK_WORDS | LAST_WORDS):
        return "mask"
    return "image" if words & IMAGE_WORDS else ""


@lru_cache(maxsize=4096)
def folder_kind(folder: str) -> Kind:
    """What a folder's name says that it holds."""
    return kind_of(_take_folder(folder)[1])


def name_kind(stem: str) -> Kind:
    """What the ends of a file's name say that it is."""
    return kind_of(_take_name(compose(stem), _words(compose(stem)), "", "")[0])


def is_mask(key: str) -> bool:
    """Whether a file's name or folder says that it is a mask."""
    return name_kind(stem_of(key)) == "mask" or any(folder_kind(part) == "mask" for part in key.split("/")[:-1])


def mask_name(key: str) -> str:
    """File of an image's predicted mask: `a/0007_mask.png` for `a/0007_sat.jpg`, `a/0007.png` for `a/0007.jpg`."""
    path = PurePosixPath(key)
    found = IMAGE_END.fullmatch(path.stem)
    return str(path.with_name(f"{found[1]}_mask.png" if found else f"{path.stem}.png"))


def _take_folders(parent: str, shared: frozenset[str]) -> tuple[str, frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """(split, words that tell a kind, what else folders with such words are called, other folders)."""
    split, words = "", frozenset[str]()
    rest: list[str] = []
    folders: list[str] = []
    for folder in parent.split("/") if parent else ():
        found, role, left, is_split = _take_folder(folder)
        split = split or found
        if folder in shared:
            continue
        words |= role
        if role:
            rest += [f"{left}/"] if left else []  # not a number, whatever it is
        elif not is_split or found != split:
            folders.append(folder)
    return split, words, tuple(rest), tuple(folders)


@lru_cache(maxsize=4096)
def _take_folder(folder: str) -> tuple[str, frozenset[str], str, bool]:
    """(split, words that tell a kind, what else it is called, whether it is called like a split and nothing else)."""
    words = [word for word, _, _ in _words(compose(folder))]
    split = next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), "")
    role = frozenset(word for word in words if word in ROLE_WORDS)
    left = [word for word in words if word not in KNOWN]
    is_split = bool(split) and all(word.isdigit() for word in left)
    beside = frozenset(word for word in words if word in RANKS)
    tells = bool(role) or (not left and any(RANKS[word] for word in beside))  # such as colormaps
    return split, role | beside if tells else frozenset(), " ".join(left), is_split


def _take_name(stem: str, words: list[Word], first: str, last: str) -> tuple[frozenset[str], str]:
    """(words that tell a kind at the ends of a name, the name without them). first, last: words that tell nothing."""
    begin, end = 0, len(words)
    while end > 1 and (word := words[end - 1][0]) != last and (word in ROLE_WORDS or word in RANKS):
        end -= 1
    if end == len(words) > 1 and words[-1][0] in LAST_WORDS and words[-1][0] != last:
        end -= 1
    if not any(word in ROLE_WORDS or word in LAST_WORDS for word, _, _ in words[end:]):
        end = len(words)
    while begin < end - 1 and (word := words[begin][0]) != first and word in MASK_WORDS | IMAGE_WORDS:
        begin += 1
    taken = frozenset(word for word, _, _ in (*words[:begin], *words[end:]))
    return taken, stem[words[begin][1] : words[end - 1][2]] if taken else stem


def _words(text: str) -> list[Word]:
    """At separators, digits, capitals, known compounds."""
    found = []
    for chunk in CHUNK.finditer(text):
        lower, start = chunk[0].lower(), chunk.start()
        compound = COMPOUND.fullmatch(lower)
        if lower in KNOWN:
            found.append((lower, start, chunk.end()))
        elif compound and compound[2] in ROLE_WORDS:
            found += [
                (compound[1], start, start + compound.end(1)),
                (compound[2], start + compound.end(1), chunk.end()),
            ]
        else:
            found += [(word[0].lower(), start + word.start(), start + word.end()) for word in WORD.finditer(chunk[0])]
    return found


def stem_words(stem: str) -> tuple[str, ...]:
    """Words of a name without case, padding of numbers, a second ending and what annotation tools add."""
    stem = UPLOAD.sub("", TASK.sub(r"\1", compose(stem)), count=1)
    ending = _ending(stem)
    stem = stem[: len(stem) - len(ending)] if ending.lower() in IMAGE_SUFFIXES else stem
    return tuple(_plain(word) for word, _, _ in _words(stem)) or (stem,)


def _plain(word: str) -> str:
    return (word.lstrip("0") or "0") if word.isdigit() else compose(word).casefold()


def _only(values: set[str]) -> str:
    return values.pop() if len(values) == 1 else ""
