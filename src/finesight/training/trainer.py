"""The training loop. Reads from top to bottom."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.backend.synced_norm import SyncedNorm, average_statistics
from finesight.data.loader import Batch, ImageDataset, load_batches, order_batches
from finesight.errors import ConfigError, DataError
from finesight.inference.predictor import Predictor, predict_samples, score_split
from finesight.inference.restore import load_tensors
from finesight.progress import progress_bar, say
from finesight.run import schema
from finesight.training.augmentation import augment_batch, mix_images
from finesight.training.checkpoint import Training, pack_optimiser, save_checkpoint, unpack_optimiser
from finesight.training.ema import AveragedWeights, swapped_weights
from finesight.training.feature_cache import make_feature_cache
from finesight.training.freezing import FreezeLedger, FreezePlan
from finesight.training.job import Job
from finesight.training.microbatch import SMALLEST_SHARD, MicroBatches
from finesight.training.nan_guard import NanGuard
from finesight.training.optim import learning_rate_factor, make_optimiser, set_learning_rate
from finesight.training.position import Position

LOG_EVERY = 10  # steps between looks at the loss: reading it makes an accelerator wait


@dataclass
class Clock:
    """When the steps of an epoch began in this process, and how many images they trained on."""

    started: float = 0.0
    num_images: int = 0


class Trainer:
    def __init__(self, job: Job) -> None:
        settings = job.settings
        self.job = job
        self.network = job.machine.place(job.model.network)
        distributed.broadcast(list(self.network.state_dict().values()))
        self.plan = FreezePlan.from_settings(job.model, settings.model, settings.optim)
        self.ledger = FreezeLedger(self.plan)
        self.cache = make_feature_cache(job, self.plan)
        self.model = self.cache.model if self.cache else job.model  # what a step runs
        self.predictor = Predictor(self.model, job.machine, settings)
        self.plan.apply(job.model, 1)
        self.optimiser = make_optimiser(job.model, settings.optim, fused=job.machine.device.type != "mps")
        self.average = AveragedWeights(self.network, settings.ema) if settings.ema else None
        self.micro_batches = MicroBatches(self.network, job.machine.device, settings.optim.accumulate)
        self.guard = NanGuard(self.network, job.machine.device, job.train.keys)
        self.at = Position()
        self.batches = self._order_batches()  # of this epoch
        self.steps_per_epoch = len(self.batches)
        self.clock = Clock()
        self.saved = time.monotonic()
        if settings.machine.compile:
            self.network.compile()

    def run(self, stop: StopRequest) -> int:
        """Trains from where it is to the last epoch. Returns 0, or the signal that ended it early.

        An image that was deleted or damaged since is a DataError: the steps before it are kept.
        """
        while not self.is_done:
            try:
                stopped = self._train_epoch(stop) or self._finish_epoch(stop)
            except DataError:
                self._check_finite()
                self._save()
                raise
            if stopped:
                self._save()
                return stopped
        return 0

    @property
    def is_done(self) -> bool:
        """After the last epoch, or after checkpoint.patience epochs without a better one."""
        patience = self.job.settings.checkpoint.patience
        at = self.at
        since_best = at.epoch - 1 - max(at.best_epoch, at.highest_epoch)
        return at.epoch > self.job.settings.epochs or 0 < patience <= since_best

    # -- the steps of an epoch

    def _train_epoch(self, stop: StopRequest) -> int:
        """The steps that are left of an epoch. Returns 0, or the signal that any rank got, on all of them."""
        job, at = self.job, self.at
        self.clock = Clock(time.perf_counter())
        self.batches = self._order_batches()
        self.guard.begin(at.epoch, self.batches, at.loss_sum)
        train = self.cache.training(at.epoch, stop) if self.cache else job.train
        if train is None:
            return stop.signal
        self.plan.apply(job.model, at.epoch)
        self.ledger.watch(job.model, at.epoch)
        stopped = 0
        with progress_bar(f"Epoch {at.epoch}/{job.settings.epochs}", len(job.train), "images") as bar:
            bar.advance(at.num_seen)
            for batch in self._fetch(train):
                loss = self._forward_backward(batch)
                self._step()
                bar.advance(*self._log(loss))
                if stopped := distributed.all_reduce_max(stop.signal):
                    break
                if self._is_time_to_save():
                    self._check_finite()
                    self._save()
        self._check_finite()
        return stopped

    def _fetch(self, train: ImageDataset) -> Iterator[Batch]:
        """This rank's shards of the batches that are left of the epoch."""
        job = self.job
        smallest = SMALLEST_SHARD * job.settings.optim.accumulate
        shards = [distributed.shard(batch, smallest) for batch in self.batches[self.at.step :]]
        return load_batches(train, shards, job.settings.data.workers, job.machine.device.type == "cuda")

    def _forward_backward(self, batch: Batch) -> Tensor:
        """Gradients of the whole batch's mean loss, which it returns, still on the device. batch: this rank's shard."""
        is_shard = len(batch.indices) < len(self.batches[self.at.step])
        is_synced = self.job.settings.machine.sync_norm and is_shard
        norm = SyncedNorm() if is_synced else nullcontext()
        return self.micro_batches.run(
            self.at, len(batch.indices), lambda count: self._accumulate(batch, count, norm), can_retry=not is_synced
        )

    def _accumulate(self, batch: Batch, count: int, norm: AbstractContextManager[object]) -> Tensor:
        """Forward and backward in `count` micro-batches, the same on all ranks, at most the images that each has."""
        job, at = self.job, self.at
        torch.manual_seed(_step_seed(job.settings.seed, at.epoch, at.step, distributed.rank()))  # of dropout and mixing
        images, targets = self._make_input(batch)
        total = torch.zeros((), device=job.machine.device)
        micro_batches = list(zip(images.tensor_split(count), targets.tensor_split(count), strict=True))
        lengths = torch.tensor([len(each) for each, _ in micro_batches], dtype=torch.float64)
        lengths = distributed.all_reduce_sum(lengths)
        for (inputs, truth), fraction in zip(micro_batches, (lengths / lengths.sum()).tolist(), strict=True):
            try:
                with job.machine.autocast(), norm:
                    logits = self.model(inputs)
            except ValueError as error:  # torch's batch normalisation, of one image and a map of one pixel
                raise ConfigError(
                    f"{job.model.name} cannot be trained on so few images at a time: {error}. "
                    "Raise batch_size or lower optim.accumulate."
                ) from None
            loss: Tensor = job.loss(logits.float(), truth) * fraction
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _make_input(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network takes, and targets, on the device."""
        device = self.job.machine.device
        if self.cache:
            return batch.images.to(device), batch.targets.to(device)
        images, targets = augment_batch(self.job, batch, self.at.epoch)
        return mix_images(images, targets, self.job.settings, len(self.job.classes), self.at.epoch)

    def _step(self) -> None:
        """The optimiser's, after which all ranks hold the same numbers."""
        optim, parameters = self.job.settings.optim, list(self.network.parameters())
        self._set_learning_rate(self.at.step)
        distributed.all_reduce([parameter.grad for parameter in parameters if parameter.grad is not None])
        average_statistics(self.network)
        if optim.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, optim.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.network)

    def _log(self, loss: Tensor) -> tuple[int, str]:
        """Counts a step that is done. Returns how many images it took on all ranks, and a note for the progress bar."""
        at, count = self.at, len(self.batches[self.at.step])
        self.guard.add(loss, count, at.step)
        at.step += 1
        at.num_seen += count
        self.clock.num_images += count
        if at.step % LOG_EVERY and at.step < len(self.batches):
            return count, ""
        at.loss_sum = self.guard.read_loss()
        return count, f"loss {at.loss:.3f}"

    def _order_batches(self) -> list[list[int]]:
        settings = self.job.settings
        return order_batches(len(self.job.train), settings.batch_size, shuffle=(settings.seed, self.at.epoch))

    def _set_learning_rate(self, step: int) -> None:
        """step: of this epoch, from 0."""
        optim = self.job.settings.optim
        step += (self.at.epoch - 1) * self.steps_per_epoch
        factor = learning_rate_factor(optim, step, self.steps_per_epoch, self.job.settings.epochs)
        set_learning_rate(self.optimiser, optim, factor)

    def _check_finite(self) -> None:
        """Before a checkpoint is made of them: loss and weights. Raises FinesightError."""
        self.at.loss_sum = self.guard.read_loss()
        self.guard.check_weights(self.at.step - 1)

    # -- after an epoch

    def _finish_epoch(self, stop: StopRequest) -> int:
        """Ledger, validation, journal, checkpoints. Returns 0, or the signal that any rank got, on all of them."""
        job, at = self.job, self.at
        val = self.cache.validation(stop) if self.cache else job.val
        if val is None:
            return stop.signal
        train_seconds = time.perf_counter() - self.clock.started
        rates = {name: group["lr"] for group in self.optimiser.param_groups for name in group["modules"]}
        job.run.append_line(schema.FREEZING, self.ledger.check(job.model, at.epoch, rates).to_dict())
        started = time.perf_counter()
        weights = self.average.weights if self.average else None
        with swapped_weights(self.network, weights):
            metrics = self._validate(val)
        rule = job.settings.checkpoint
        is_best = at.judge(metrics, rule.best or job.task.best_metric, len(job.val), rule.tie)
        line = {"epoch": at.epoch, "best_epoch": at.best_epoch, "train/loss": at.loss, "lr": max(rates.values())}
        job.run.append_line(schema.JOURNAL, line | {f"val/{name}": value for name, value in metrics.items()})
        speed = self.clock.num_images / train_seconds
        seconds = {"train_s": train_seconds, "val_s": time.perf_counter() - started}
        job.run.append_line(schema.TIMINGS, {"epoch": at.epoch, **seconds, "images_per_second": speed})
        say(at.describe(job.settings.epochs, metrics, speed, is_best))
        self.at = at.next_epoch()
        is_last = self.is_done
        if is_best:
            save_checkpoint(job.run, "best", weights or self.network.state_dict())
        for callback in job.callbacks:
            callback.end_epoch(at.epoch, is_last)
        if at.epoch % rule.every == 0 or is_last:
            self._save(twin="best" if is_best else "")
        return distributed.all_reduce_max(stop.signal)

    def _validate(self, val: ImageDataset) -> dict[str, float]:
        """Metrics of the validation split; what is kept of its images goes to the run on the way."""
        job = self.job
        observers = [callback.observe for callback in job.callbacks if callback.observes]
        score = score_split(self.predictor, val, job.task.new_score(job.classes, to_save=False), observers)
        for callback in job.callbacks:
            callback.end_validation(self.at.epoch, partial(predict_samples, self.predictor, job.val))
        return score.metrics().values

    # -- checkpoints

    def _is_time_to_save(self) -> bool:
        """Within an epoch: after its last step it is saved when it is scored."""
        is_due = time.monotonic() - self.saved >= 60 * self.job.settings.checkpoint.minutes
        return is_due and self.at.step < len(self.batches)

    def _save(self, twin: str = "") -> None:
        """Checkpoint `last`. twin: a checkpoint that holds the same weights."""
        weights = self.network.state_dict()
        tensors = pack_optimiser(self.optimiser)
        if self.average:
            tensors |= {f"weights/{name}": tensor for name, tensor in weights.items()}
            weights = self.average.weights
        values = {**self.at.to_dict(), "num_averaged": self.average.num_steps if self.average else 0}
        save_checkpoint(self.job.run, "last", weights, Training(tensors, values), twin)
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Goes back to checkpoint `last`, or to the start where none was kept.

        The journal is cut to it: what came later will be done again.
        """
        run = self.job.run
        if run.checkpoint("last").is_dir():
            self._restore(Training.load(run), load_tensors(run.checkpoint("last") / schema.WEIGHTS)[0])
        for name in (schema.JOURNAL, schema.TIMINGS, schema.FREEZING):
            run.write_lines(name, [line for line in run.read_lines(name) if line["epoch"] < self.at.epoch])

    def _restore(self, training: Training, weights: dict[str, Tensor]) -> None:
        """weights: the run's, which are averages where the settings ask for them."""
        num_averaged = training.values.pop("num_averaged")
        if self.average:
            self.average.restore(weights, num_averaged)
            weights = {name[8:]: value for name, value in training.tensors.items() if name.startswith("weights/")}
        self.network.load_state_dict(weights)
        unpack_optimiser(self.optimiser, training.tensors)
        self.at = Position.from_dict(training.values)
        if self.at.step:  # the journal holds the last step's rate, even if no step is left in this epoch
            self._set_learning_rate(self.at.step - 1)


def _step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Ranks hold other images of a batch, and drop other features of them."""
    return int(np.random.SeedSequence((seed, epoch, step, *([rank] if rank else []))).generate_state(1)[0])
