"""fastai's ImageDataLoaders and Learner around the same network. Defaults: Adam of its own, float32.

Best: its ChannelsLast callback, and what its to_bf16 does not do on a CPU (it asks for CUDA's autocast) as a callback
of the same form; torch's fused AdamW through its OptimWrapper; all images resized without a crop, as elsewhere.
"""

from functools import partial

import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.vision.all import (
    Callback,
    CrossEntropyLossFlat,
    ImageDataLoaders,
    Learner,
    Normalize,
    OptimWrapper,
    Resize,
    ResizeMethod,
    imagenet_stats,
)  # fmt: skip
from work import EPOCH_REPEATS, Clock, build_network, class_of, read_arguments, write_labels


class Ticking(Callback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def after_batch(self) -> None:
        if self.training:
            self.clock.tick()


class ProcessorAutocast(Callback):
    order = 10  # of fastai's MixedPrecision

    def before_batch(self) -> None:
        self.autocast = torch.autocast("cpu", torch.bfloat16)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.learn.pred = self.pred.float()

    def after_loss(self) -> None:
        self.autocast.__exit__(None, None, None)


def main() -> None:
    asked = read_arguments()
    clock, network = Clock(asked.work), build_network(asked)
    paths = sorted(asked.images.iterdir())
    repeated = paths * (1 if asked.work.predicts else EPOCH_REPEATS)
    loaders = ImageDataLoaders.from_lists(
        asked.images,
        repeated,
        [class_of(path) for path in repeated],
        item_tfms=Resize(asked.work.size, method=ResizeMethod.Squish if asked.best else ResizeMethod.Crop),
        batch_tfms=Normalize.from_stats(*imagenet_stats),
        bs=asked.work.batch,
        num_workers=asked.workers,
        device=torch.device("cpu"),
    )
    options = {"opt_func": partial(OptimWrapper, opt=torch.optim.AdamW, fused=True)} if asked.best else {}
    callbacks = [*([ChannelsLast()] if asked.best else []), *([ProcessorAutocast()] if asked.bf16 else [])]
    learner = Learner(loaders, network, CrossEntropyLossFlat(), path=asked.out, cbs=callbacks, **options)
    if asked.work.predicts:
        probabilities, _ = learner.get_preds(dl=loaders.test_dl(paths))
        write_labels(asked.out, paths, probabilities.argmax(1).tolist())
        clock.finish(len(paths))
    learner.add_cb(Ticking(clock))
    learner.fit(1000, 1e-4)


if __name__ == "__main__":
    main()
