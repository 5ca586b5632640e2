"""The table of layouts: what each looks like on disk, and its items.

A new layout is one Format in FORMATS; one of image-mask pairs gives masks' files as targets instead of labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from finesight.data.layouts.brush_files import fits_brush_files, read_brush_files
from finesight.data.layouts.coco_files import fits_coco, read_coco_files
from finesight.data.layouts.label_folders import (
    fits_class_folders,
    fits_name_prefix,
    read_class_folders,
    read_name_prefix,
)
from finesight.data.layouts.label_studio_files import fits_choices, fits_regions, read_choices, read_regions
from finesight.data.layouts.labelme_files import fits_labelme, read_labelme_files
from finesight.data.layouts.manifest import fits_manifest, read_manifest_of
from finesight.data.layouts.multilabel_manifest import fits_multilabel_manifest, read_multilabel_manifest
from finesight.data.layouts.pair_layouts import fits_pairs, read_pairs
from finesight.data.layouts.roboflow_masks import fits_roboflow_masks, read_roboflow_masks
from finesight.data.layouts.survey import Splits, Survey, list_items
from finesight.data.layouts.yolo_files import fits_masks_dir, fits_yolo, read_masks_dir, read_yolo


@dataclass(frozen=True)
class Format:
    """One layout. fits: whether a survey looks like it; read: its items, or a DataError that says what is wrong.

    is_declared: an annotation file says what is what; --data may name it. refines: a layout that fits as well and knows
    less.
    """

    title: str
    task: str  # a name of tasks.TASKS; none: images without targets
    fits: Callable[[Survey], bool]
    read: Callable[[Survey], Splits]
    is_declared: bool = False
    refines: str = ""


def _read_unlabelled(survey: Survey) -> Splits:
    return {"train": list(list_items(survey.root, survey.images))} if survey.images else {}


FORMATS = {
    "name_prefix": Format(
        "images called CLASS_ID.png (or CLASS.ID.png, CLASS-ID.png), in one folder or in train and val",
        "classification",
        fits_name_prefix,
        read_name_prefix,
    ),
    "class_folders": Format(
        "a folder of images for each of two classes or more, perhaps below train and val",
        "classification",
        fits_class_folders,
        read_class_folders,
    ),
    "manifest": Format(
        "a CSV file with the columns path,label and perhaps split, or others that mean the same",
        "classification",
        partial(fits_manifest, kind="labels"),
        partial(read_manifest_of, kind="labels"),
    ),
    "multilabel_manifest": Format(
        "a CSV file with several labels per image: a cell such as forest;water, or a column of 0 and 1 for each class",
        "multilabel",
        fits_multilabel_manifest,
        read_multilabel_manifest,
    ),
    "mask_suffix": Format(
        "pairs such as 7_sat.jpg and 7_mask.png (or 7.jpg and 7_mask.png), perhaps below train and val",
        "segmentation",
        partial(fits_pairs, way="mask_suffix"),
        partial(read_pairs, way="mask_suffix"),
    ),
    "mask_folders": Format(
        "folders images and masks with pairs of the same name, above or below train and val",
        "segmentation",
        partial(fits_pairs, way="mask_folders"),
        partial(read_pairs, way="mask_folders"),
    ),
    "mask_manifest": Format(
        "a CSV file with the columns image,mask and perhaps split",
        "segmentation",
        partial(fits_manifest, kind="masks"),
        partial(read_manifest_of, kind="masks"),
    ),
    "coco": Format(
        "images and COCO JSON with polygons or run lengths, such as instances_train2017.json",
        "segmentation",
        fits_coco,
        read_coco_files,
        is_declared=True,
    ),
    "yolo": Format(
        "polygons of YOLO in text files, images/ and labels/, with a data.yaml or classes.txt",
        "segmentation",
        fits_yolo,
        read_yolo,
        is_declared=True,
    ),
    "yolo_masks": Format(
        "data.yaml of Ultralytics with masks_dir: images/ and masks of values",
        "segmentation",
        fits_masks_dir,
        read_masks_dir,
        is_declared=True,
        refines="mask_folders",
    ),
    "labelme": Format(
        "images and labelme JSON of the same name", "segmentation", fits_labelme, read_labelme_files, is_declared=True
    ),
    "label_studio": Format(
        "images and Label Studio's JSON or CSV with polygons, brushes or ellipses",
        "segmentation",
        fits_regions,
        read_regions,
        is_declared=True,
        refines="mask_folders",
    ),
    "label_studio_choice": Format(
        "images and Label Studio's JSON or CSV with one choice an image",
        "classification",
        partial(fits_choices, several=False),
        partial(read_choices, several=False),
        is_declared=True,
    ),
    "label_studio_choices": Format(
        "images and Label Studio's JSON or CSV with several choices an image",
        "multilabel",
        partial(fits_choices, several=True),
        partial(read_choices, several=True),
        is_declared=True,
    ),
    "label_studio_brushes": Format(
        "Label Studio's PNG masks of brushes, a file for each label: 12.jpg, task-12-annotation-3-by-1-tag-road-0.png",
        "segmentation",
        fits_brush_files,
        read_brush_files,
        refines="mask_folders",
    ),
    "roboflow_masks": Format(
        "Roboflow's 7.jpg, 7_mask.png and _classes.csv below train and valid",
        "segmentation",
        fits_roboflow_masks,
        read_roboflow_masks,
        refines="mask_suffix",
    ),
    "unlabelled": Format(
        "any folder of images; for prediction", "none", lambda survey: bool(survey.images), _read_unlabelled
    ),
}
