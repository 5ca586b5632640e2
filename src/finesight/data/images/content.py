"""What a file is, by its first bytes or its ending: for sentences about files that cannot be read as images."""

from pathlib import Path

from finesight.data.images.optional_formats import INSTALL, OPTIONAL_FORMATS, READ, name_format

CONVERT = "convert it to JPEG or PNG"
CONVERT_EXACTLY = "convert it to PNG or TIFF"
OTHERS = "tga pcx ico icns cur dds exr hdr sgi xbm xpm pfm pam wmf emf jls qoi bpg"
KINDS = {  # endings: (noun, what to do): images that finesight does not read
    "jp2 j2k j2c jpc jpf jpx jpm": ("JPEG 2000 image", CONVERT_EXACTLY),
    "svg svgz": ("SVG drawing", CONVERT),
    "cr2 cr3 crw nef nrw arw srf sr2 dng orf rw2 raf pef srw x3f 3fr iiq raw": ("camera raw image", CONVERT),
    "psd psb": ("Photoshop image", CONVERT),
    "eps ps": ("PostScript image", CONVERT),
    "xcf kra": ("layered image", CONVERT),
    "dcm dicom nii mha mhd nrrd": ("medical image", CONVERT_EXACTLY),
    "img bil bip bsq vrt ecw sid ntf nitf": ("raster", CONVERT_EXACTLY),
} | {ending: (f"{ending.upper()} image", CONVERT) for ending in OTHERS.split()}
KINDS |= {each.endings: (noun, INSTALL) for noun, each in OPTIONAL_FORMATS.items() if noun not in READ}
CONTAINERS = {  # endings: (noun, what to do): files that may hold images
    "npy npz": ("NumPy file", "save each image as PNG or TIFF"),
    "mat h5 hdf5 hdf nc pkl pickle pt pth tfrecord tfrecords lmdb mdb parquet arrow feather": (
        "array file",
        "save each image as PNG or TIFF",
    ),
    "zip tar gz tgz bz2 xz 7z rar zst": ("archive", "unpack it"),
    "mp4 avi mov mkv webm wmv m4v mpg mpeg": ("video", "save its frames as images"),
}
UNREAD_IMAGES = {f".{ending}": kind for endings, kind in KINDS.items() for ending in endings.split()}
UNREAD_CONTAINERS = {f".{ending}": kind for endings, kind in CONTAINERS.items() for ending in endings.split()}
SIGNATURES = (
    (b"version https://git-lfs", "Git LFS pointer"),
    (b"\x89PNG\r\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 image"),
    (b"8BPS", "Photoshop image"),
    (b"%!PS", "PostScript image"),
    (b"\x93NUMPY", "NumPy file"),
    (b"\x89HDF", "array file"),
    (b"PK\x03\x04", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"<svg", "SVG drawing"),
    (b"<?xml", "XML document"),
    (b"<!doctype", "web page"),
    (b"<html", "web page"),
    (b"%pdf", "PDF document"),
)
READ_IMAGES = READ | {"PNG image", "JPEG image", "GIF image", "TIFF image", "WebP image"}
ADVICE = dict((*KINDS.values(), *CONTAINERS.values())) | {"web page": "the download failed: fetch it again"}


def recognise(path: Path) -> str:
    """What a file's first bytes say that it is, such as `HEIC image`; "" where they say nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except (OSError, ValueError):
        return ""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP image"
    if found := name_format(head):
        return found
    if head[4:8] == b"ftyp":
        return "video"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip() or head
    return next((name for each, name in SIGNATURES if head.startswith(each) or start.lower().startswith(each)), "")


def explain_content(path: Path) -> str:
    """Why a file is not an image that finesight reads: the rest of a sentence; "" where nothing is recognised."""
    found = recognise(path)
    if found == "Git LFS pointer":
        return "is a Git LFS pointer, not the image: run `git lfs pull`"
    if found in READ_IMAGES:
        return ""
    noun, advice = (found, ADVICE.get(found, "")) if found else UNREAD_IMAGES.get(path.suffix.lower(), ("", ""))
    return f"is {article(noun)} {noun}, which finesight does not read{advice and f'; {advice}'}" if noun else ""


def article(noun: str) -> str:
    """`an` or `a`, as the noun is spoken."""
    return "an" if noun.startswith(("A", "a", "SVG", "XML", "E", "IC", "X")) else "a"
