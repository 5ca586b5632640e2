"""The training loop. Reads from top to bottom."""

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from finesight import distributed
from finesight.backend.device import allocate_gradients, compile_network
from finesight.backend.interrupt import StopRequest
from finesight.backend.synced_norm import average_statistics, use_sync_batch_norm
from finesight.data.loader import Batch, ImageDataset, load_batches, order_batches
from finesight.distributed import LateSum
from finesight.errors import DataError
from finesight.inference.predictor import Predictor, predict_samples, score_split
from finesight.inference.restore import load_tensors
from finesight.progress import progress_bar, say
from finesight.run import schema
from finesight.training.augmentation import make_input, seed_step
from finesight.training.budget import Budget
from finesight.training.checkpoint import Training
from finesight.training.checkpoint_writer import CheckpointWriter
from finesight.training.data_parallel import DataParallel
from finesight.training.ema import AveragedWeights, swapped_weights
from finesight.training.engine_trial import decide_engine
from finesight.training.feature_cache import make_feature_cache
from finesight.training.freezing import FreezeLedger, FreezePlan
from finesight.training.job import Job
from finesight.training.microbatch import SMALLEST_SHARD, MicroBatches, split_evenly
from finesight.training.nan_guard import NanGuard
from finesight.training.optim import make_optimiser, set_learning_rate
from finesight.training.position import Clock, Position
from finesight.training.records import forget_epochs, record_epoch
from finesight.training.schedule import count_epochs, count_steps, find_rate_factor

LOG_EVERY = 10  # steps between looks at the loss: reading it makes an accelerator wait


class Trainer:
    def __init__(self, job: Job) -> None:
        settings = job.settings
        self.job = job
        syncs_norm = settings.machine.sync_norm and distributed.world_size() > 1
        if syncs_norm and job.machine.device.type == "cuda":
            job.model.network = use_sync_batch_norm(job.model.network)
        self.network = job.machine.place(job.model.network)
        distributed.broadcast(list(self.network.state_dict().values()))
        self.plan = FreezePlan.from_settings(job.model, settings.model, settings.optim)
        self.ledger = FreezeLedger(self.plan)
        self.cache = make_feature_cache(job, self.plan)
        self.model = self.cache.model if self.cache else job.model  # what a step runs
        self.parallel = DataParallel(self.model, syncs_norm and job.machine.device.type == "cpu")
        self.plan.apply(job.model, 1)
        self.optimiser = make_optimiser(job.model, settings.optim, fused=job.machine.device.type != "mps")
        self.average = AveragedWeights(self.network, settings.ema) if settings.ema else None
        self.micro_batches = MicroBatches(self.network, job.machine.device, settings.optim.accumulate)
        self.guard = NanGuard(self.network, job.machine.device, job.train.keys)
        self.at = Position()
        self.steps_per_epoch = len(order_batches(len(job.train), settings.batch_size, shuffle=(settings.seed, 1)))
        self.batches = self.order_batches()  # of this epoch
        self.clock = Clock()
        self.heard = distributed.LateMax()  # of a step: a signal, and whether it is time to save
        self.writer = CheckpointWriter(job.run)
        self.budget: Budget | None = None  # of time
        self.rate_factor = find_rate_factor
        self.saved = time.monotonic()
        if settings.machine.compile:
            compile_network(self.network, job.machine.device)

    def run(self, stop: StopRequest) -> int:
        """Trains from where it is to the last epoch. Returns 0, or the signal that ended it early.

        An image that was deleted or damaged since is a DataError: the steps before it are kept.
        """
        with self.writer:
            while not self.is_done:
                try:
                    stopped = self._train_epoch(stop) or self._finish_epoch(stop)
                except DataError:
                    if distributed.world_size() == 1:  # the other ranks are within a step
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
        return at.epoch > self.num_epochs or 0 < patience <= since_best

    @property
    def num_epochs(self) -> int:
        return count_epochs(self.job.settings, self.steps_per_epoch)

    # -- the steps of an epoch

    def _train_epoch(self, stop: StopRequest) -> int:
        """The steps that are left of an epoch. Returns 0, or the signal that any rank got, on all of them."""
        job, at = self.job, self.at
        self.clock = Clock(time.perf_counter())
        self.batches = self.order_batches()
        self.guard.begin(at.epoch, self.batches, at.loss_sum)
        train = self.cache.training(at.epoch, stop) if self.cache else job.train
        if train is None:
            return stop.signal
        self.ledger.watch(job.model, at.epoch)
        stopped = 0
        with progress_bar(f"Epoch {at.epoch}/{self.num_epochs}", len(job.train), "images") as bar:
            bar.advance(at.num_seen)
            for loss in self.take_steps(train):
                bar.advance(*self._log(loss))
                self._keep_to_budget()
                stopped, is_due = self.heard.exchange(stop.signal, self._is_time_to_save())
                is_due = is_due or not job.settings.checkpoint.minutes
                if not stopped and is_due and at.step < len(self.batches):
                    self._check_finite()
                    self._save()
                    stopped, _ = self.heard.finish(2)  # and asks for the checkpoint that was just made
                if stopped or at.step >= len(self.batches):
                    break
        self._check_finite()
        return max(stopped, self.heard.finish(2)[0])

    def take_steps(self, train: ImageDataset) -> Iterator[LateSum]:
        """The steps that are left of an epoch: the batch's loss, after the optimiser's step. train: what is read."""
        self.plan.apply(self.job.model, self.at.epoch)
        self._prepare_ranks(train)
        for batch in self._fetch(train):
            loss = LateSum(self._forward_backward(batch) / distributed.world_size())
            self._step()
            yield loss

    @property
    def _smallest_shard(self) -> int:
        return SMALLEST_SHARD * self.job.settings.optim.accumulate

    def _prepare_ranks(self, train: ImageDataset) -> None:
        """On several ranks, before the first step and whenever freezing changed: passes of the largest shape."""
        if distributed.world_size() == 1:
            return
        lengths, longest = max((self._shard_lengths(len(batch)), number) for number, batch in enumerate(self.batches))
        batch = train.__getitems__(distributed.shard(self.batches[longest], self._smallest_shard))
        compute = partial(self._accumulate, batch, len(self.batches[longest]), self.job.settings.epochs)
        self.parallel.prepare(self.micro_batches, self.optimiser, self.at, min(lengths), compute)

    def _shard_lengths(self, num_images: int) -> list[int]:
        return distributed.shard_lengths(num_images, self._smallest_shard)

    def _fetch(self, train: ImageDataset) -> Iterator[Batch]:
        """This rank's shards of the batches that are left of the epoch."""
        job = self.job
        if job.settings.data.workers:
            self.writer.wait()  # a process that is forked while a thread holds a lock can wait for it forever
        shards = [distributed.shard(batch, self._smallest_shard) for batch in self.batches[self.at.step :]]
        return load_batches(train, shards, job.settings.data.workers, job.machine.device.type == "cuda")

    def _forward_backward(self, batch: Batch) -> Tensor:
        """Gradients of the whole batch's loss; returns that of this rank's shard, see `task.Loss`, on the device."""
        num_images = len(self.batches[self.at.step])
        compute = partial(self._accumulate, batch, num_images, self.at.epoch)
        return self.micro_batches.run(self.at, min(self._shard_lengths(num_images)), compute)

    def _accumulate(self, batch: Batch, num_images: int, epoch: int, count: int) -> Tensor:
        """Forward and backward in `count` micro-batches, the same on all ranks, at most the images that each has.

        batch: this rank's shard, of num_images. epoch: by which images are augmented.
        """
        job, at = self.job, self.at
        seed_step(job.settings.seed, at.epoch, at.step)
        images, targets = self._make_input(batch, epoch)
        if count > 1 and job.settings.machine.compile and distributed.world_size() == 1:
            allocate_gradients(self.network)
        total = torch.zeros((), device=job.machine.device)
        norm = self.parallel.syncing_norm(is_shard=len(batch.indices) < num_images)
        fractions = split_evenly(self._shard_lengths(num_images), count)
        micro_batches = zip(images.tensor_split(count), targets.tensor_split(count), fractions, strict=True)
        for number, (inputs, truth, fraction) in enumerate(micro_batches, 1):
            with self.parallel.reducing(is_last=number == count):
                weight = job.loss.start(truth)
                with job.machine.autocast(), norm:
                    logits = self.parallel(inputs)
                loss = job.loss(logits.float(), truth, weight) * fraction
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _make_input(self, batch: Batch, epoch: int) -> tuple[Tensor, Tensor]:
        """What the network takes, and targets, on the device."""
        device = self.job.machine.device
        if self.cache:
            return batch.images.to(device, non_blocking=True), batch.targets.to(device, non_blocking=True)
        return make_input(self.job, batch, epoch)

    def _step(self) -> None:
        """The optimiser's, after which all ranks hold the same weights."""
        optim, parameters = self.job.settings.optim, list(self.network.parameters())
        self._set_learning_rate(self.at.step)
        if optim.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, optim.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.network)

    def _log(self, loss: LateSum) -> tuple[int, str]:
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

    def order_batches(self) -> list[list[int]]:
        """Of this epoch; where a plan says so, of the last one only some."""
        settings = self.job.settings
        batches = order_batches(len(self.job.train), settings.batch_size, shuffle=(settings.seed, self.at.epoch))
        left = count_steps(settings, self.steps_per_epoch) - (self.at.epoch - 1) * self.steps_per_epoch
        return batches[: max(left, 1)] if settings.budget.plan else batches

    def _set_learning_rate(self, step: int) -> None:
        """step: of this epoch, from 0."""
        step += (self.at.epoch - 1) * self.steps_per_epoch
        factor = self.rate_factor(self.job.settings, step, self.steps_per_epoch)
        set_learning_rate(self.optimiser, self.job.settings.optim, factor)

    def _keep_to_budget(self) -> None:
        """After a step: ends the training earlier or later, where the time asks for it."""
        done = (self.at.epoch - 1) * self.steps_per_epoch + self.at.step
        if self.budget and (settings := self.budget.replan(self.job.settings, done)):
            self.job.settings = settings
            self.batches = self.order_batches()

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
        average_statistics(self.network, weights or {})
        with swapped_weights(self.network, weights):
            metrics = self._validate(val)
        rule = job.settings.checkpoint
        is_best = at.judge(metrics, rule.best or job.task.best_metric, len(job.val), rule.tie)
        speed = self.clock.num_images / train_seconds
        timings = {"train_s": train_seconds, "val_s": time.perf_counter() - started, "images_per_second": speed}
        record_epoch(job.run, job.settings, at, max(rates.values()), metrics, timings)
        say(at.describe(self.num_epochs, metrics, speed, is_best))
        self.at = at.next_epoch()
        is_last = self.is_done
        if is_best:
            self.writer.save("best", weights or self.network.state_dict())
        for callback in job.callbacks:
            callback.end_epoch(at.epoch, is_last)
        if at.epoch % rule.every == 0 or is_last:
            self._save(twin="best" if is_best else "")
        return distributed.all_reduce_max(stop.signal)

    def _validate(self, val: ImageDataset) -> dict[str, float]:
        """Metrics of the validation split; what is kept of its images goes to the run on the way."""
        job = decide_engine(self.job)
        observers = [callback.observe for callback in job.callbacks if callback.observes]
        predictor = Predictor(self.model, job.machine, job.settings)
        if self.cache and not isinstance(self.network, nn.Linear):  # a head alone that only torch computes
            predictor = predictor.computed_by("torch")
        score = score_split(predictor, val, job.task.new_score(job.classes, to_save=False), observers)
        for callback in job.callbacks:
            callback.end_validation(self.at.epoch, partial(predict_samples, predictor, job.val))
        return score.metrics().values

    # -- checkpoints

    def _is_time_to_save(self) -> bool:
        """By this rank's clock."""
        return time.monotonic() - self.saved >= 60 * self.job.settings.checkpoint.minutes

    def _save(self, twin: str = "") -> None:
        """Checkpoint `last`. twin: a checkpoint that holds the same weights."""
        weights, training = Training.pack(self.network, self.optimiser, self.average, self.at)
        self.writer.save("last", weights, training, twin)
        self.saved = time.monotonic()
        if self.budget:
            self.budget.record()

    def resume(self) -> None:
        """Goes back to checkpoint `last`, or to the start where none was kept.

        The journal is cut to it: what came later will be done again.
        """
        run = self.job.run
        if run.checkpoint("last").is_dir():
            weights, _ = load_tensors(run.checkpoint("last") / schema.WEIGHTS)
            self.at = Training.load(run).restore(weights, self.network, self.optimiser, self.average)
            if self.at.step:  # the journal holds the last step's rate, even if no step is left in this epoch
                self._set_learning_rate(self.at.step - 1)
        forget_epochs(run, self.at.epoch)
