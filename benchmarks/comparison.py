"""Two segmentation runs compared with 10,000 resamples of 257 images: counts against pixels.

    python benchmarks/comparison.py

The plain way draws 257 images and counts their pixels again for every resample; ours weighs counts. Both get masks of
512 x 512 pixels and 7 classes. The plain way is timed on 3 resamples, since 10,000 would take hours.
"""

import json
import time
from datetime import date

import numpy as np
import torch

from finesight.metrics.image_statistics import ImageStatistics
from finesight.metrics.segmentation import count_pixels
from finesight.metrics.significance import compare_paired, score_mean

IMAGES, SIZE, CLASSES, RESAMPLES = 257, 512, 7, 10_000


def main() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, CLASSES, (IMAGES, SIZE, SIZE), dtype=np.uint8)
    answers = [np.where(random.random(truth.shape) < share, truth, 1).astype(np.uint8) for share in (0.7, 0.72)]
    rows = []
    started = time.perf_counter()
    for each in answers:
        counts = [
            count_pixels(torch.from_numpy(t)[None], torch.from_numpy(a)[None].long(), CLASSES)[0]
            for t, a in zip(truth, each, strict=True)
        ]
        rows.append(ImageStatistics.of_pixels([""] * IMAGES, torch.stack(counts).numpy(), range(CLASSES - 1)).rows)
    counting = time.perf_counter() - started
    started = time.perf_counter()
    whole, *_ = compare_paired([rows[0]], [rows[1]], score_mean, RESAMPLES)
    resampling = time.perf_counter() - started
    assert whole is not None
    started = time.perf_counter()
    for _ in range(3):
        drawn = random.integers(0, IMAGES, IMAGES)
        for each in answers:
            np.bincount((truth[drawn].astype(np.int64) * CLASSES + each[drawn]).ravel(), minlength=CLASSES**2)
    by_pixels = (time.perf_counter() - started) / 3 * RESAMPLES
    result = {
        "date": date.today().isoformat(),
        "resamples": RESAMPLES,
        "images": IMAGES,
        "seconds_counting_once": round(counting, 2),
        "seconds_resampling": round(resampling, 2),
        "seconds_by_pixels_estimated": round(by_pixels),
        "interval": [round(bound, 5) for bound in whole.interval],
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
