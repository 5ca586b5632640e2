"""Small data sets in the layouts that people have: pairs as they are published or exported, and folders of classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

NUMBERS = range(3, 9)  # files a pattern stands for


@dataclass(frozen=True)
class Layout:
    """pairs: (image, mask) patterns, in which {} is a number. splits: pairs by split; val may be drawn.

    photos, drawings: patterns of what else lies there. texts: files by name. used: a part of the names of used masks.
    """

    pairs: tuple[tuple[str, str], ...]
    splits: Mapping[str, int] = field(default_factory=lambda: {"train": 5, "val": 1})
    format: str = "mask_folders"
    photos: tuple[str, ...] = ()
    drawings: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    used: str = ""


def _of(*splits: str) -> dict[str, int]:
    return {split: len(NUMBERS) for split in splits}


def _lines(pattern: str, numbers: range = NUMBERS) -> str:
    return "".join(pattern.format(number) + "\n" for number in numbers)


def _each(values: tuple[str, ...], *patterns: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(pattern.replace("SPLIT", value) for pattern in patterns) for value in values)


CITYSCAPES = "gtFine/SPLIT/aachen/aachen_0000{}_000019_gtFine_"
LAYOUTS: dict[str, Layout] = {
    "VOC": Layout(
        (("VOC2012/JPEGImages/2007_00{}.jpg", "VOC2012/SegmentationClass/2007_00{}.png"),),
        {"train": 4, "val": 2},
        drawings=("VOC2012/SegmentationObject/2007_00{}.png",),
        photos=("VOC2012/JPEGImages/2008_00{}.jpg",),
        texts={
            "VOC2012/ImageSets/Segmentation/train.txt": _lines("2007_00{}", NUMBERS[:4]),
            "VOC2012/ImageSets/Segmentation/val.txt": _lines("2007_00{}", NUMBERS[4:]),
            "VOC2012/ImageSets/Segmentation/trainval.txt": _lines("2007_00{}"),
            "VOC2012/ImageSets/Main/cat_train.txt": _lines("2007_00{}  -1"),
        },
        used="SegmentationClass/",
    ),
    "labelme2voc": Layout(
        (("JPEGImages/{}.jpg", "SegmentationClassPNG/{}.png"),),
        photos=("SegmentationClassVisualization/{}.jpg",),
        texts={"class_names.txt": "_background_\nlake\n"},
    ),
    "labelme2voc with objects": Layout(
        (("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),),
        photos=("SegmentationClassVisualization/{}.jpg", "SegmentationObjectVisualization/{}.jpg"),
        drawings=("SegmentationObject/{}.png",),
        used="SegmentationClass/",
    ),
    "CVAT, Segmentation mask": Layout(
        (("JPEGImages/frame_00{}.png", "SegmentationClass/frame_00{}.png"),),
        drawings=("SegmentationObject/frame_00{}.png",),
        texts={
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\n",
            "ImageSets/Segmentation/default.txt": _lines("frame_00{}"),
        },
        used="SegmentationClass/",
    ),
    "Cityscapes": Layout(
        _each(
            ("train", "val"),
            "leftImg8bit/SPLIT/aachen/aachen_0000{}_000019_leftImg8bit.png",
            f"{CITYSCAPES}labelIds.png",
        ),  # type: ignore[arg-type]
        _of("train", "val"),
        drawings=tuple(
            f"{CITYSCAPES}{kind}.png".replace("SPLIT", split)
            for split in ("train", "val")
            for kind in ("labelTrainIds", "color", "instanceIds")
        ),
        photos=("leftImg8bit/test/berlin/berlin_0000{}_000019_leftImg8bit.png",),
        texts={"gtFine/train/aachen/aachen_00003_000019_gtFine_polygons.json": "{}"},
        used="_labelIds",
    ),
    "Cityscapes, train ids only": Layout(
        (
            (
                "leftImg8bit/train/aachen/aachen_{}_000019_leftImg8bit.png",
                "gtFine/train/aachen/aachen_{}_000019_gtFine_labelTrainIds.png",
            ),
        ),
        drawings=("gtFine/train/aachen/aachen_{}_000019_gtFine_color.png",),
        used="_labelTrainIds",
    ),
    "Potsdam": Layout(
        (("2_Ortho_RGB/top_potsdam_2_1{}_RGB.tif", "5_Labels_all/top_potsdam_2_1{}_label.tif"),),
        photos=(
            "1_DSM/dsm_potsdam_02_1{}.tif",
            "3_Ortho_IRRG/top_potsdam_2_1{}_IRRG.tif",
            "4_Ortho_RGBIR/top_potsdam_2_1{}_RGBIR.tif",
        ),
        drawings=("5_Labels_all_noBoundary/top_potsdam_2_1{}_label_noBoundary.tif",),
        used="5_Labels_all/",
    ),
    "Potsdam, eroded": Layout(
        (("2_Ortho_RGB/top_potsdam_2_1{}_RGB.tif", "5_Labels_noBoundary/top_potsdam_2_1{}_label_noBoundary.tif"),)
    ),
    "Vaihingen": Layout(
        (("top/top_mosaic_09cm_area{}.tif", "gts_for_participants/top_mosaic_09cm_area{}.tif"),),
        photos=("dsm/dsm_09cm_matching_area{}.tif",),
    ),
    "LoveDA": Layout(
        tuple(
            (f"{split}/{scene}/images_png/{start}{{}}.png", f"{split}/{scene}/masks_png/{start}{{}}.png")
            for split, first in (("Train", 1), ("Val", 3))
            for start, scene in enumerate(("Rural", "Urban"), start=first)
        ),
        {"train": 12, "val": 12},
        photos=("Test/Rural/images_png/5{}.png",),
    ),
    "LandCover.ai": Layout((("images/N-33-60-D-c-4-{}.tif", "masks/N-33-60-D-c-4-{}.tif"),)),
    "LandCover.ai, cut": Layout(
        (("output/N-33-60-D-c-4-2_{}.jpg", "output/N-33-60-D-c-4-2_{}_m.png"),),
        {"train": 3, "val": 2, "test": 1},
        "mask_suffix",
        texts={
            "train.txt": _lines("N-33-60-D-c-4-2_{}", NUMBERS[:3]),
            "val.txt": _lines("N-33-60-D-c-4-2_{}", NUMBERS[3:5]),
            "test.txt": _lines("N-33-60-D-c-4-2_{}", NUMBERS[5:]),
        },
    ),
    "CamVid (SegNet)": Layout(
        tuple((f"{split}/0001TP_00{{}}.png", f"{split}annot/0001TP_00{{}}.png") for split in ("train", "val", "test")),
        _of("train", "val", "test"),
        texts={
            f"{split}.txt": _lines(
                f"/SegNet/CamVid/{split}/0001TP_00{{0}}.png /SegNet/CamVid/{split}annot/0001TP_00{{0}}.png"
            )
            for split in ("train", "val", "test")
        },
    ),
    "CamVid (Cambridge)": Layout((("images/0001TP_00{}.png", "labels/0001TP_00{}_L.png"),)),
    "CamVid (Kaggle)": Layout(
        tuple((f"{split}/0001TP_00{{}}.png", f"{split}_labels/0001TP_00{{}}_L.png") for split in ("train", "val")),
        _of("train", "val"),
        texts={"class_dict.csv": "name,r,g,b\nAnimal,64,128,64\n"},
    ),
    "FloodNet": Layout(
        tuple(
            (f"{split}/{split}-org-img/6{{}}.jpg", f"{split}/{split}-label-img/6{{}}_lab.png")
            for split in ("train", "val", "test")
        ),
        _of("train", "val", "test"),
    ),
    "iSAID": Layout(
        _each(
            ("train", "val"),
            "SPLIT/images/images/P000{}.png",
            "SPLIT/Semantic_masks/images/P000{}_instance_color_RGB.png",
        ),  # type: ignore[arg-type]
        _of("train", "val"),
        drawings=tuple(f"{s}/Instance_masks/images/P000{{}}_instance_id_RGB.png" for s in ("train", "val")),
        used="color_RGB",
    ),
    "iSAID, side by side": Layout(
        _each(("train", "val"), "SPLIT/images/P000{}.png", "SPLIT/images/P000{}_instance_color_RGB.png"),  # type: ignore[arg-type]
        _of("train", "val"),
        "mask_suffix",
        drawings=tuple(f"{split}/images/P000{{}}_instance_id_RGB.png" for split in ("train", "val")),
        used="color_RGB",
    ),
    "Massachusetts": Layout(
        tuple(
            (f"tiff/{split}/2287_{{}}_15.tiff", f"tiff/{split}_labels/2287_{{}}_15.tif") for split in ("train", "val")
        ),
        _of("train", "val"),
    ),
    "Massachusetts, PNG": Layout(
        tuple((f"png/{split}/2287_{{}}_15.png", f"png/{split}_labels/2287_{{}}_15.png") for split in ("train", "test")),
        {"train": 5, "val": 1, "test": 6},
    ),
    "ADE20K": Layout(
        tuple(
            (f"images/{folder}/ADE_{short}_000{{}}.jpg", f"annotations/{folder}/ADE_{short}_000{{}}.png")
            for folder, short in (("training", "train"), ("validation", "val"))
        ),
        _of("train", "val"),
        texts={"objectInfo150.txt": "Idx\tRatio\n", "sceneCategories.txt": "ADE_train_0003 airport\n"},
    ),
    "mmseg": Layout(
        _each(("train", "val"), "img_dir/SPLIT/{}.jpg", "ann_dir/SPLIT/{}.png"),  # type: ignore[arg-type]
        _of("train", "val"),
    ),
    "INRIA": Layout(
        (("train/images/austin{}.tif", "train/gt/austin{}.tif"),), photos=("test/images/bellingham{}.tif",)
    ),
    "DeepGlobe": Layout(
        (("train/{}_sat.jpg", "train/{}_mask.png"),), format="mask_suffix", photos=("valid/4{}_sat.jpg",)
    ),
    "Carvana": Layout(
        (("train/00087a6bd4dc_0{}.jpg", "train_masks/00087a6bd4dc_0{}_mask.gif"),),
        photos=("test/0004d4463b50_0{}.jpg",),
    ),
    "Oxford pets": Layout(
        (("images/Abyssinian_{}.jpg", "annotations/trimaps/Abyssinian_{}.png"),),
        texts={"annotations/list.txt": "#Image CLASS-ID\n"},
    ),
    "COCO-Stuff": Layout(
        _each(("train2017", "val2017"), "images/SPLIT/0000{}.jpg", "annotations/SPLIT/0000{}.png"),  # type: ignore[arg-type]
        _of("train", "val"),
    ),
    "BDD100K": Layout(
        _each(("train", "val"), "images/10k/SPLIT/a{}-b.jpg", "labels/sem_seg/masks/SPLIT/a{}-b.png"),  # type: ignore[arg-type]
        _of("train", "val"),
        drawings=tuple(f"labels/sem_seg/colormaps/{split}/a{{}}-b.png" for split in ("train", "val")),
        used="masks/",
    ),
    "UAVid": Layout(
        (
            ("uavid_train/seq1/Images/0000{}.png", "uavid_train/seq1/Labels/0000{}.png"),
            ("uavid_val/seq16/Images/0000{}.png", "uavid_val/seq16/Labels/0000{}.png"),
        ),
        _of("train", "val"),
    ),
    "ISIC": Layout(
        (
            (
                "ISIC2018_Task1-2_Training_Input/ISIC_000000{}.jpg",
                "ISIC2018_Task1_Training_GroundTruth/ISIC_000000{}_segmentation.png",
            ),
        )
    ),
    "GID": Layout((("image_RGB/GF2_PMS1__L1A{}-MSS1.tif", "label_5classes/GF2_PMS1__L1A{}-MSS1_label.tif"),)),
    "Roboflow, PNG masks": Layout(
        _each(("train", "valid"), "SPLIT/a{}_jpg.rf.8e1f0b.jpg", "SPLIT/a{}_jpg.rf.8e1f0b_mask.png"),  # type: ignore[arg-type]
        _of("train", "val"),
        "roboflow_masks",
        texts={"train/_classes.csv": "Pixel Value, Class\n0, background\n1, lake\n"},
    ),
    "Supervisely": Layout(
        (("ds0/img/IMG_{}.jpg", "ds0/masks_machine/IMG_{}.png"),),
        drawings=("ds0/masks_human/IMG_{}.png",),
        texts={"meta.json": "{}", "ds0/ann/IMG_3.jpg.json": "{}"},
        used="machine",
    ),
    "Label Studio": Layout((("images/{}.jpg", "masks/task-{}-annotation-3-by-1-tag-road-0.png"),)),
    "Label Studio, uploads": Layout((("images/3f2a1b8c-tile_{}.png", "masks/tile_{}.png"),)),
    "images and masks": Layout((("images/{}.jpg", "masks/{}.png"),)),
    "images and masks below splits": Layout(
        _each(("train", "val"), "SPLIT/images/{}.jpg", "SPLIT/masks/{}.png"),  # type: ignore[arg-type]
        _of("train", "val"),
    ),
    "images and annot": Layout((("images/{}.jpg", "annot/{}.png"),)),
    "overlays": Layout((("images/{}.jpg", "masks/{}.png"),), photos=("overlays/{}.png",)),
    "augmented": Layout((("images/{}.jpg", "masks/{}.png"),), photos=("aug/{}.jpg",)),
    "case": Layout((("Images/Tile_{}.JPG", "Masks/tile_{}.PNG"),)),
    "zeros": Layout((("images/{}.jpg", "masks/000{}.png"),)),
    "double endings": Layout((("images/{}.jpg", "masks/{}.jpg.png"),)),
    "a task's number": Layout((("images/tile_{}.png", "masks/12_tile_{}.png"),)),
    "targets": Layout((("images/{}.jpg", "masks/{}_target.png"),)),
    "unknown ends": Layout((("images/{}_a.jpg", "masks/klass_{}.png"),)),
    "prefixes": Layout((("image_{}.png", "mask_{}.png"),), format="mask_suffix"),
    "suffixes": Layout((("{}_sat.jpg", "{}_mask.png"),), format="mask_suffix"),
    "masks beside images": Layout((("{}.jpg", "{}_mask.png"),), format="mask_suffix"),
    "two endings": Layout((("{}.jpg", "{}.png"),), format="mask_suffix"),
    "one folder a colour": Layout((("images/{}.jpg", "masks/{}.bmp"),), drawings=("masks/red/{}.bmp",), used="masks/"),
    "splits of images only": Layout(
        (("images/train/{}.jpg", "masks/{}.png"), ("images/val/1{}.jpg", "masks/1{}.png")), _of("train", "val")
    ),
    "areas": Layout(
        (("area1_images/{}.png", "area1_masks/{}.png"), ("area2_images/{}.png", "area2_masks/{}.png")),
        {"train": 11, "val": 1},
    ),
}

# Pairs whose halves cannot be told for sure, or do not match: an error that names them, and how to say which is which.
UNCLEAR: dict[str, Layout] = {
    "unknown words": Layout((("ansicht/{}.png", "klassen/{}.png"),)),
    "unknown prefixes": Layout((("ansicht_{}.png", "klassen_{}.png"),)),
    "two kinds of masks": Layout((("images/{}.jpg", "masks/{}.png"),), drawings=("labels/{}.png",)),
    "DRIVE": Layout(
        (("training/images/2{}_training.tif", "training/1st_manual/2{}_manual1.gif"),),
        drawings=("training/mask/2{}_training_mask.gif",),
    ),
    "LEVIR-CD": Layout((("train/A/{}.png", "train/label/{}.png"),), photos=("train/B/{}.png",)),
    "masks of two folders": Layout((("cat/{}.jpg", "masks/{}.png"),), photos=("dog/{}.jpg",)),
    "overlays only": Layout((), photos=("images/{}.jpg", "overlays/{}.png")),
    "CHASE": Layout((("Image_0{}L.jpg", "Image_0{}L_1stHO.png"),), drawings=("Image_0{}L_2ndHO.png",)),
    "splits in names": Layout((("trainA/{}.png", "trainB/{}.png"), ("valA/1{}.png", "valB/1{}.png"))),
    "masks first": Layout((("zeichnung/{}.png", "abdruck/{}.png"),)),
    "other names": Layout((), photos=("images/{}.jpg",), drawings=("masks/1{}7.png",)),
}

# Photographs, or drawings, by class: patterns of each class's files.
CLASSES: dict[str, dict[str, str]] = {
    "folders": {"fox": "fox/{}.png", "wolf": "wolf/{}.png"},
    "face masks": {"mask": "mask/{}.png", "no_mask": "no_mask/{}.png"},
    "face masks below splits": {"with": "train/with_mask/{}.png", "without": "train/without_mask/{}.png"},
    "faces and masks": {"face": "face/{}.png", "mask": "mask/{}.png"},
    "targets and clutter": {"clutter": "clutter/{}.png", "target": "target/{}.png"},
    "prefixes": {"fox": "fox_{}.png", "wolf": "wolf_{}.png"},
    "masks as prefixes": {"mask": "mask_{}.png", "nomask": "nomask_{}.png"},
    "image as a name": {"ant": "ant/image_000{}.jpg", "bee": "bee/image_000{}.jpg", "cat": "cat/image_000{}.jpg"},
    "many classes": {name: f"{name}/{{}}.jpg" for name in ("barn", "mask", "road", "sea", "tree")},
    "real and fake": {"real": "real/img_{}.jpg", "fake": "fake/img_{}.jpg"},
    "originals": {"original": "original/{}.jpg", "retouched": "retouched/{}.jpg"},
    "digits": {str(digit): f"{digit}/{{}}.png" for digit in range(4)},
}


def draw_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def draw_mask(path: Path, seed: int, value: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((24, 32), np.uint8)
    pixels[: 8 + seed % 8, : 8 + seed % 16] = value
    Image.fromarray(pixels).save(path)


def make_layout(layout: Layout, root: Path) -> None:
    for number in NUMBERS:
        for image, mask in layout.pairs:
            draw_photo(root / image.format(number), number)
            draw_mask(root / mask.format(number), number)
        for pattern in layout.photos:
            draw_photo(root / pattern.format(number), number + 100)
        for pattern in layout.drawings:
            draw_mask(root / pattern.format(number), number, 7)
    for name, text in layout.texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def make_classes(patterns: Mapping[str, str], root: Path, drawn: bool) -> None:
    for seed, pattern in enumerate(patterns.values()):
        for number in NUMBERS:
            (draw_mask if drawn else draw_photo)(root / pattern.format(number), 100 * seed + number)
