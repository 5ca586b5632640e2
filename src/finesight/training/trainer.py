"""The training loop. Reads from top to bottom."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.backend.memory import KeptBuffers, free_memory, is_out_of_memory
from finesight.backend.synced_norm import SyncedNorm, average_statistics
from finesight.data.loader import Batch, load_batches, order_batches
from finesight.errors import ConfigError, DataError, FinesightError
from finesight.inference.predictor import Predictor, predict_samples, score_split
from finesight.inference.restore import load_tensors
from finesight.progress import progress_bar, say
from finesight.run import schema
from finesight.training.augmentation import augment_batch, mix_images
from finesight.training.best_epoch import is_better, judge
from finesight.training.checkpoint import Training, pack_optimiser, save_checkpoint, unpack_optimiser
from finesight.training.ema import AveragedWeights, swapped_weights
from finesight.training.feature_cache import make_feature_cache
from finesight.training.freezing import FreezeLedger, FreezePlan
from finesight.training.job import Job
from finesight.training.nan_guard import LossWatch, are_finite, describe_no_number
from finesight.training.optim import learning_rate_factor, make_optimiser, set_learning_rate

LOOK_EVERY = 10  # steps between looks at the loss: reading it makes an accelerator wait
SMALLEST_PART = 2  # images that a rank computes at a time: statistics of one mean nothing


@dataclass
class Position:
    """Where training is. epoch: from 1; step: batches of it that are done.

    halvings: how often memory was too small, so that a batch is computed in optim.accumulate × 2^halvings parts.
    """

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    num_seen: int = 0
    best: float = -math.inf  # score of the epoch that is kept
    best_epoch: int = 0  # the one that is kept
    metrics: dict[str, float] = field(default_factory=dict)  # of the best epoch
    highest: float = -math.inf  # score of any epoch; above `best` where a lower log loss was kept instead
    highest_epoch: int = 0
    halvings: int = 0


class Trainer:
    def __init__(self, job: Job) -> None:
        self.job = job
        settings = job.settings
        self.network = job.machine.place(job.model.network)
        distributed.broadcast(list(self.network.state_dict().values()))
        self.norm: AbstractContextManager[object] = nullcontext()
        self.plan = FreezePlan.from_settings(job.model, settings.model, settings.optim)
        self.ledger = FreezeLedger(self.plan)
        self.cache = make_feature_cache(job, self.plan)
        self.model = self.cache.model if self.cache else job.model  # what a step runs
        self.predictor = Predictor(self.model, job.machine, settings)
        self.plan.apply(job.model, 1)
        self.optimiser = make_optimiser(job.model, settings.optim, fused=job.machine.device.type != "mps")
        self.average = AveragedWeights(self.network, settings.ema) if settings.ema else None
        self.buffers = KeptBuffers(self.network)
        self.at = Position()
        self.saved = time.monotonic()
        self.steps_per_epoch = len(order_batches(len(job.train), settings.batch_size, shuffle=(settings.seed, 1)))
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
                self._check_numbers()
                self._save()
                raise
            if stopped:
                self._save()
                return stopped
        return 0

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
        values = training.values
        highest = {"highest": values["best"], "highest_epoch": values["best_epoch"]}  # older runs kept the highest
        self.at = Position(**highest | values)
        if self.at.step:  # the journal tells the last step's rate, even if none is left in this epoch
            self._set_learning_rate(self.at.step - 1)

    @property
    def is_done(self) -> bool:
        """After the last epoch, or after checkpoint.patience epochs without a better one."""
        patience = self.job.settings.checkpoint.patience
        at = self.at
        since_best = at.epoch - 1 - max(at.best_epoch, at.highest_epoch)
        return at.epoch > self.job.settings.epochs or 0 < patience <= since_best

    def _train_epoch(self, stop: StopRequest) -> int:
        """The steps that are left of an epoch. Returns 0, or the signal that any rank got, on all of them."""
        job, at, settings = self.job, self.at, self.job.settings
        self.started, self.num_timed = time.perf_counter(), 0
        train = self.cache.training(at.epoch, stop) if self.cache else job.train
        if train is None:
            return stop.signal
        self.plan.apply(job.model, at.epoch)
        self.ledger.watch(job.model, at.epoch)
        batches = order_batches(len(job.train), settings.batch_size, shuffle=(settings.seed, at.epoch))
        workers = settings.data.workers
        pinned = job.machine.device.type == "cuda"
        stopped = 0
        smallest = SMALLEST_PART * settings.optim.accumulate
        parts = [distributed.shard(batch, smallest) for batch in batches[at.step :]]
        self.watch = LossWatch(job.machine.device, at.loss_sum)
        with progress_bar(f"Epoch {at.epoch}/{settings.epochs}", len(job.train), "images") as bar:
            bar.advance(at.num_seen)
            for batch in load_batches(train, parts, workers, pinned):
                count = len(batches[at.step])  # of all ranks
                is_divided = len(batch.indices) < count
                self.norm = SyncedNorm() if settings.machine.sync_norm and is_divided else nullcontext()
                self.watch.add(self._train_step(batch), count, at.step)
                at.step += 1
                at.num_seen += count
                self.num_timed += count
                note = ""
                if at.step % LOOK_EVERY == 0 or at.step == len(batches):
                    self._look()
                    note = f"loss {at.loss_sum / at.num_seen:.3f}"
                bar.advance(count, note)
                if stopped := distributed.all_reduce_max(stop.signal):
                    break
                if self._is_time_to_save() and at.step < len(batches):  # the last step's epoch is saved when scored
                    self._check_numbers()
                    self._save()
        self._check_numbers()
        return stopped

    def _train_step(self, batch: Batch) -> Tensor:
        """One optimiser step, after which all ranks hold the same numbers. batch: this rank's part.

        Returns the whole batch's mean loss, still on the device.
        """
        self._set_learning_rate(self.at.step)
        loss = self._find_gradients(batch)
        distributed.all_reduce(
            [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        )
        average_statistics(self.network)
        if self.job.settings.optim.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.job.settings.optim.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.network)
        return loss

    def _find_gradients(self, batch: Batch) -> Tensor:
        """Gradients of the batch's mean loss, which it returns: in more parts from now on where memory is too small.

        One rank's memory decides for all, for they wait for each other in every part.
        """
        at, before = self.at, self.at.halvings
        fewest = -distributed.all_reduce_max(-len(batch.indices))
        self.buffers.keep()
        while True:
            try:
                with distributed.together():
                    loss = self._back_propagate(batch, min(self._num_parts(), fewest))
                break
            except distributed.GivenUp:
                pass
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._num_parts() >= fewest or isinstance(self.norm, SyncedNorm):
                    raise  # within a message of SyncedNorm others cannot hear
                distributed.give_up()
            self.optimiser.zero_grad(set_to_none=True)
            self.buffers.restore()
            free_memory(self.job.machine.device)
            at.halvings += 1
        if at.halvings > before:
            each = " by each rank" if distributed.num_ranks() > 1 else ""
            say(
                f"Note: memory is too small for this. From epoch {at.epoch}, step {at.step + 1} on a batch of "
                f"{self.job.settings.batch_size} is computed in {self._num_parts()} parts{each}; batch size and "
                "learning rate stay."
            )
        return loss

    def _num_parts(self) -> int:
        return self.job.settings.optim.accumulate << self.at.halvings

    def _back_propagate(self, batch: Batch, num_parts: int) -> Tensor:
        """num_parts: the same on all ranks, at most the images that each has."""
        job, at = self.job, self.at
        torch.manual_seed(_step_seed(job.settings.seed, at.epoch, at.step, distributed.rank()))  # of dropout and mixing
        images, targets = self._make_input(batch)
        total = torch.zeros((), device=job.machine.device)
        parts = list(zip(images.tensor_split(num_parts), targets.tensor_split(num_parts), strict=True))
        lengths = distributed.all_reduce_sum(torch.tensor([len(part) for part, _ in parts], dtype=torch.float64))
        for (part, aims), share in zip(parts, (lengths / lengths.sum()).tolist(), strict=True):
            try:
                with job.machine.autocast(), self.norm:
                    logits = self.model(part)
            except ValueError as error:  # torch's batch normalisation, of one image and a map of one pixel
                raise ConfigError(
                    f"{job.model.name} cannot learn from so few images at a time: {error}. "
                    "Raise batch_size or lower optim.accumulate."
                ) from None
            loss: Tensor = job.loss(logits.float(), aims) * share
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _set_learning_rate(self, step: int) -> None:
        """step: of this epoch, from 0."""
        optim = self.job.settings.optim
        step += (self.at.epoch - 1) * self.steps_per_epoch
        factor = learning_rate_factor(optim, step, self.steps_per_epoch, self.job.settings.epochs)
        set_learning_rate(self.optimiser, optim, factor)

    def _make_input(self, batch: Batch) -> tuple[Tensor, Tensor]:
        device = self.job.machine.device
        if self.cache:
            return batch.images.to(device), batch.targets.to(device)
        images, targets = augment_batch(self.job, batch, self.at.epoch)
        return mix_images(images, targets, self.job.settings, len(self.job.classes), self.at.epoch)

    def _look(self) -> None:
        """Reads the epoch's loss. Raises FinesightError that names the images whose loss is no number."""
        self.at.loss_sum, broken = self.watch.read()
        if broken is not None:
            raise self._gone_astray("The loss is", broken)

    def _check_numbers(self) -> None:
        """Before anything is kept of them, loss and weights are looked at. Raises FinesightError."""
        self._look()
        if not are_finite(self.network.state_dict().values()):
            raise self._gone_astray("The weights are", self.at.step - 1)

    def _gone_astray(self, what: str, step: int) -> FinesightError:
        """step: of this epoch, from 0."""
        job, at = self.job, self.at
        indices = order_batches(len(job.train), job.settings.batch_size, shuffle=(job.settings.seed, at.epoch))[step]
        keys = [job.train.keys[index] for index in indices]
        return FinesightError(describe_no_number(what, at.epoch, step, keys))

    def _finish_epoch(self, stop: StopRequest) -> int:
        """Ledger, validation, journal, checkpoints. Returns 0, or the signal that any rank got, on all of them."""
        job, at = self.job, self.at
        val = self.cache.validation(stop) if self.cache else job.val
        if val is None:
            return stop.signal
        train_seconds = time.perf_counter() - self.started
        rates = {name: group["lr"] for group in self.optimiser.param_groups for name in group["modules"]}
        entry = self.ledger.check(job.model, at.epoch, rates)
        job.run.append_line(schema.FREEZING, entry)
        weights = self.average.weights if self.average else None
        started = time.perf_counter()
        with swapped_weights(self.network, weights):
            empty = job.task.new_score(job.classes, answers=False)
            observe = job.feature_history.add if job.feature_history else None
            score = score_split(self.predictor, val, empty, observe)
            if job.film and distributed.is_main():
                job.film.add(at.epoch, predict_samples(self.predictor, job.val, job.film.indices))
        metrics = score.metrics().values
        is_best = self._judge(metrics)
        line = {
            "epoch": at.epoch,
            "best_epoch": at.best_epoch,
            "train/loss": at.loss_sum / max(at.num_seen, 1),
            "lr": max(rates.values()),
        }
        job.run.append_line(schema.JOURNAL, line | {f"val/{name}": value for name, value in metrics.items()})
        rate = self.num_timed / train_seconds
        val_seconds = time.perf_counter() - started
        timing = {"epoch": at.epoch, "train_s": train_seconds, "val_s": val_seconds, "images_per_second": rate}
        job.run.append_line(schema.TIMINGS, timing)
        say(_describe_epoch(at, job.settings.epochs, line["train/loss"], metrics, rate, is_best))
        self.at = replace(at, epoch=at.epoch + 1, step=0, loss_sum=0.0, num_seen=0)
        if is_best:
            save_checkpoint(job.run, "best", weights or self.network.state_dict())
        last_epoch = self.is_done
        if job.feature_history:
            job.feature_history.keep(at.epoch, last_epoch)
        if at.epoch % job.settings.checkpoint.every == 0 or last_epoch:
            self._save(twin="best" if is_best else "")
        return distributed.all_reduce_max(stop.signal)

    def _judge(self, metrics: dict[str, float]) -> bool:
        """Whether this epoch is to be kept as best; remembers that, and the highest score."""
        job, at = self.job, self.at
        rule = job.settings.checkpoint
        name = rule.best or job.task.best_metric
        score = judge(metrics, name)
        if score > at.highest:
            at.highest, at.highest_epoch = score, at.epoch
        if not is_better(metrics, at.metrics, name, at.highest, len(job.val), rule.tie):
            return False
        at.best, at.best_epoch, at.metrics = score, at.epoch, metrics
        return True

    def _is_time_to_save(self) -> bool:
        return time.monotonic() - self.saved >= 60 * self.job.settings.checkpoint.minutes

    def _save(self, twin: str = "") -> None:
        """Checkpoint `last`. twin: a checkpoint that holds the same weights."""
        weights = self.network.state_dict()
        tensors = pack_optimiser(self.optimiser)
        if self.average:
            tensors |= {f"weights/{name}": tensor for name, tensor in weights.items()}
            weights = self.average.weights
        values = {**self.at.__dict__, "num_averaged": self.average.num_steps if self.average else 0}
        save_checkpoint(self.job.run, "last", weights, Training(tensors, values), twin)
        self.saved = time.monotonic()


def _step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Ranks hold other images of a batch, and drop other features of them."""
    return int(np.random.SeedSequence((seed, epoch, step, *([rank] if rank else []))).generate_state(1)[0])


def _describe_epoch(
    at: Position, epochs: int, loss: float, metrics: dict[str, float], rate: float, is_best: bool
) -> str:
    shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if "/" not in name)
    return f"Epoch {at.epoch}/{epochs}  loss {loss:.4f}  {shown}  {rate:.0f} images/s{_mark(at, is_best)}"


def _mark(at: Position, is_best: bool) -> str:
    """Where the kept epoch is not the one of the highest score, it is said why."""
    if is_best and at.highest_epoch != at.epoch:
        return f"  ★ best: lower log loss, score within one image of epoch {at.highest_epoch}"
    if not is_best and at.highest_epoch == at.epoch:
        return f"  (epoch {at.best_epoch} is kept: lower log loss, score within one image of this)"
    return "  ★ best" if is_best else ""
