"""Tiny annotation files in the form that tools write them: a lake on the left half of a field."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FIELD, LAKE = [(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]  # fractions of the sides
NAMES = ("field", "lake")
Size = tuple[int, int]


def scale(ring: Sequence[tuple[float, float]], size: Size) -> list[list[float]]:
    return [[x * size[1], y * size[0]] for x, y in ring]


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def flat(ring: Sequence[tuple[float, float]], size: Size) -> list[float]:
    return [number for point in scale(ring, size) for number in point]


def make_coco(names: Sequence[str], size: Size) -> dict[str, list[dict[str, object]]]:
    shapes = {1: FIELD, 2: LAKE}
    return {
        "images": [
            {"id": number, "file_name": name, "height": size[0], "width": size[1]} for number, name in enumerate(names)
        ],
        "annotations": [
            {
                "id": 10 * image + category,
                "image_id": image,
                "category_id": category,
                "segmentation": [flat(ring, size)],
                "iscrowd": 0,
                "bbox": [0, 0, 1, 1],
                "area": 1,
            }
            for image in range(len(names))
            for category, ring in shapes.items()
        ],
        "categories": [{"id": number, "name": name, "supercategory": "land"} for number, name in enumerate(NAMES, 1)],
    }


def write_coco(path: Path, names: Sequence[str], size: Size) -> Path:
    return write_text(path, json.dumps({"info": {}, "licenses": [], **make_coco(names, size)}))


def write_labels(path: Path, reverse: bool = False) -> Path:
    """reverse: the lake is class 0, as in a `data.yaml` that lists it first."""
    lines = [
        [1 - index if reverse else index, *(number for point in ring for number in point)]
        for index, ring in enumerate((FIELD, LAKE))
    ]
    return write_text(path, "\n".join(" ".join(map(str, line)) for line in lines) + "\n")


def write_data_yaml(
    path: Path, reverse: bool = False, splits: Sequence[str] = ("train", "val"), masks_dir: str = ""
) -> Path:
    lines = [f"{split}: images/{split}" for split in splits]
    lines += ["names:", *(f"  {index}: {name}" for index, name in enumerate(NAMES[::-1] if reverse else NAMES))]
    return write_text(path, "\n".join([*lines, *([f"masks_dir: {masks_dir}"] if masks_dir else [])]) + "\n")


def make_labelme(image: str, size: Size, shapes: Sequence[Mapping[str, object]] = ()) -> dict[str, object]:
    drawn = [
        {
            "label": name,
            "points": scale(ring, size),
            "group_id": None,
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for name, ring in zip(NAMES, (FIELD, LAKE), strict=True)
    ]
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [*(shapes or drawn)],
        "imagePath": image,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def write_labelme(path: Path, image: str, size: Size, shapes: Sequence[Mapping[str, object]] = ()) -> Path:
    return write_text(path, json.dumps(make_labelme(image, size, shapes)))


def write_values(path: Path, size: Size) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(size, np.uint8)
    mask[:, : size[1] // 2] = 1
    Image.fromarray(mask).save(path)
    return path


def choose(labels: Sequence[str], control: str = "choice") -> dict[str, object]:
    """A result of Label Studio's Choices."""
    value = {"choices": list(labels)}
    return {"id": "c", "type": "choices", "value": value, "to_name": "image", "from_name": control, "origin": "manual"}


def draw_region(label: str, size: Size, **value: object) -> dict[str, object]:
    """A result of Label Studio's BrushLabels, PolygonLabels or RectangleLabels, in percent."""
    kind = "brushlabels" if "rle" in value else "polygonlabels" if "points" in value else "rectanglelabels"
    return {
        "id": f"r{label}{len(value)}", "type": kind, "value": {**value, kind: [label]}, "origin": "manual",
        "to_name": "image", "from_name": "label", "image_rotation": 0,
        "original_width": size[1], "original_height": size[0],
    }  # fmt: skip


def draw_regions(size: Size) -> list[dict[str, object]]:
    rings = zip(NAMES, (FIELD, LAKE), strict=True)
    return [draw_region(name, size, points=scale(ring, (100, 100)), closed=True) for name, ring in rings]


def make_task(
    number: int, image: str, *annotations: Sequence[dict[str, object]], cancelled: bool = False
) -> dict[str, object]:
    """A task of Label Studio's JSON. image: its address."""
    return {
        "id": number, "file_upload": image.rpartition("/")[2], "drafts": [], "predictions": [], "meta": {},
        "data": {"image": image}, "project": 1, "total_annotations": len(annotations), "inner_id": number,
        "annotations": [
            {"id": 10 * number + place, "completed_by": 1, "was_cancelled": cancelled, "result": list(result)}
            for place, result in enumerate(annotations)
        ],
    }  # fmt: skip


def write_label_studio(path: Path, names: Sequence[str], answers: Sequence[Sequence[dict[str, object]]]) -> Path:
    """answers: the results of each image's one annotation. The images were uploaded."""
    tasks = [
        make_task(number, f"/data/upload/7/3f2a1b8c-{name}", answer)
        for number, (name, answer) in enumerate(zip(names, answers, strict=True), 1)
    ]
    return write_text(path, json.dumps(tasks))


def write_label_studio_table(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Path:
    """As csv2.py of label_studio_sdk: a row an annotation, whose controls hold a choice's name or JSON; sorted columns.

    tasks: as `make_task` makes them. Those that were skipped have no row.
    """
    rows = []
    for task in tasks:
        kept = [each for each in task["annotations"] if not each["was_cancelled"]]
        for annotation in kept if task["annotations"] else [{"id": None, "result": []}]:
            row = {"id": task["id"], **task["data"], "annotator": "a@b.c", "annotation_id": annotation["id"]}
            row |= {"created_at": "2026-11-30T10:00:00Z", "updated_at": "2026-11-30T10:00:00Z", "lead_time": 2.5}
            for name in {each["from_name"]: 0 for each in annotation["result"]}:
                results = [each for each in annotation["result"] if each["from_name"] == name]
                sizes = ("original_width", "original_height")
                values = [{**each["value"], **{key: each[key] for key in sizes if key in each}} for each in results]
                is_choice = [list(value) == ["choices"] for value in values] == [True]
                value = values[0] if is_choice else values
                plain = value["choices"][0] if is_choice and len(value["choices"]) == 1 else None
                row[name] = plain or json.dumps(value, ensure_ascii=False)
            rows.append(row)
    columns = sorted({name for row in rows for name in row})
    with path.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, columns, quoting=csv.QUOTE_NONNUMERIC, delimiter="\t" if path.suffix == ".tsv" else ","
        )
        writer.writeheader()
        writer.writerows(rows)
    return path
