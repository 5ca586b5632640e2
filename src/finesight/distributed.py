"""The ranks that `torchrun` starts. The only file that uses torch.distributed.

In a single process every function returns its input at once. torch is imported only where it is needed, so that
`--help` is fast.
"""

import atexit
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from finesight.cores import count_cores

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed import Work
    from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
BUCKET_MB = 25  # of gradients in one message: torch's default
_ALONE: list[bool] = []  # one entry within `alone`
TIMEOUT = timedelta(hours=2)  # of a barrier, for a rank that reads data; torchrun notices a dead rank at once


def launch() -> str:
    """torchrun's name of this launch, the same after restarts; "" without torchrun."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "")


def rank() -> int:
    return int(os.environ["RANK"]) if launch() else 0


def world_size() -> int:
    """Number of ranks on all machines; 1 without torchrun, and within `alone`."""
    return int(os.environ["WORLD_SIZE"]) if launch() and not _ALONE else 1


@contextmanager
def alone() -> Iterator[None]:
    """Within the block this rank computes as the only one: it sends nothing, and waits for nobody."""
    _ALONE.append(True)
    try:
        yield
    finally:
        _ALONE.pop()


def local_rank() -> int:
    """Number among the ranks on this machine, from 0, and of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launch() else 0


def local_world_size() -> int:
    """Number of ranks on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if launch() else 1


def num_restarts() -> int:
    """How often torchrun has restarted all ranks because one died."""
    return int(os.environ["TORCHELASTIC_RESTART_COUNT"]) if launch() else 0


def is_main() -> bool:
    """Whether this is rank 0, which writes files and prints."""
    return rank() == 0


def num_cores() -> int:
    """CPU cores that each rank of this machine may use."""
    return max(1, count_cores() // local_world_size())


def shard(items: Sequence[T], smallest: int = 0) -> list[T]:
    """This rank's shard of the items: a contiguous slice; the shards in order of rank are all items.

    If shards would be smaller than `smallest`, every rank gets all items.
    """
    total, number, ranks = len(items), rank(), world_size()
    if total < smallest * ranks:
        return list(items)
    return list(items[total * number // ranks : total * (number + 1) // ranks])


def shard_lengths(total: int, smallest: int = 0) -> list[int]:
    """Of each rank's `shard` of `total` items, in order of rank."""
    ranks = world_size()
    if total < smallest * ranks:
        return [total] * ranks
    return [total * (number + 1) // ranks - total * number // ranks for number in range(ranks)]


def all_reduce_sum(own: "Tensor") -> "Tensor":
    """The sum over all ranks. Its gradient is that of this rank's summand, times the number of ranks.

    So if a loss is computed from sums, the mean of the ranks' gradients is that of the whole batch, and the mean is
    what DistributedDataParallel takes.
    """
    if world_size() == 1:
        return own
    whole = own.detach().clone()
    _group().all_reduce(whole)
    return (own - own.detach()) * world_size() + whole  # the first is exactly 0


def all_reduce(tensors: Sequence["Tensor"]) -> None:
    """Sums each tensor over all ranks, in place. One message per dtype and device, always in the same order."""
    if world_size() == 1:
        return
    import torch

    alike: dict[object, list[Tensor]] = {}
    for tensor in tensors:
        alike.setdefault((tensor.dtype, tensor.device), []).append(tensor.detach())
    for group in alike.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        _group().all_reduce(flat)
        sums = torch.split(flat, [tensor.numel() for tensor in group])
        for tensor, summed in zip(group, sums, strict=True):
            tensor.copy_(summed.view(tensor.shape))


def broadcast(tensors: Sequence["Tensor"]) -> None:
    """Copies the main rank's tensors to all ranks, in place."""
    if not is_main():
        for tensor in tensors:
            tensor.detach().zero_()
    all_reduce(tensors)


def all_reduce_max(number: int) -> int:
    """The largest number of any rank."""
    if world_size() == 1:
        return number
    import torch

    value, group = torch.tensor(number), _group()
    group.all_reduce(value, group.ReduceOp.MAX)
    return int(value)


def all_gather_object(value: T) -> list[T]:
    """The values of all ranks, in order of rank, on every rank."""
    if world_size() == 1:
        return [value]
    values: list[T] = [value] * world_size()
    _group().all_gather_object(values, value)
    return values


def broadcast_result(make: Callable[[], T]) -> T:
    """Calls `make` on the main rank and broadcasts its result."""
    return all_gather_object(make() if is_main() else None)[0]  # type: ignore[return-value]


def barrier() -> None:
    """Waits for all ranks."""
    all_reduce_max(0)


def data_parallel(model: "nn.Module", has_unused: bool) -> "DistributedDataParallel":
    """The model as every step calls it on several ranks: a backward pass leaves the mean of the ranks' gradients.

    has_unused: whether some of the trainable parameters get no gradient.
    """
    from torch.nn.parallel import DistributedDataParallel

    is_new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters  # renamed in torch 2.14
    sync_buffers = {"forward_sync_buffers" if is_new else "broadcast_buffers": False}
    return DistributedDataParallel(
        model,
        process_group=_group().group.WORLD,
        init_sync=False,  # all ranks have the same weights already
        bucket_cap_mb=BUCKET_MB,
        gradient_as_bucket_view=True,
        find_unused_parameters=has_unused,
        **sync_buffers,  # type: ignore[arg-type]
    )


class LateSum:
    """The sum of the ranks' tensors, on its way from when this is made: whoever needs it later hardly waits.

    In a single process it is the tensor itself. It has no gradient.
    """

    def __init__(self, own: "Tensor") -> None:
        self._sum = own.detach()
        self._work: Work | None = None
        if world_size() > 1:
            self._sum = self._sum.clone()
            self._work = _group().all_reduce(self._sum, async_op=True)

    def wait(self) -> "Tensor":
        if self._work:
            self._work.wait()
            self._work = None
        return self._sum


class LateMax:
    """The largest of the ranks' numbers, heard one call later: it has long arrived by then, and nobody waits."""

    def __init__(self) -> None:
        self._sent: tuple[Work, Tensor] | None = None

    def exchange(self, *numbers: int) -> list[int]:
        """Sends this rank's numbers. Returns the largest of each of the call before, on all ranks; at first zeros.

        In a single process it returns the numbers themselves.
        """
        if world_size() == 1:
            return list(numbers)
        import torch

        before = self.finish(len(numbers))
        group, sent = _group(), torch.tensor(numbers)
        self._sent = group.all_reduce(sent, group.ReduceOp.MAX, async_op=True), sent
        return before

    def finish(self, count: int) -> list[int]:
        """Waits for the `count` numbers of the last call, and returns the largest of each; zeros where none is left."""
        if self._sent is None:
            return [0] * count
        work, sent = self._sent
        work.wait()
        self._sent = None
        return [int(number) for number in sent]


@contextmanager
def first_on_machine() -> Iterator[None]:
    """One rank of each machine runs the block first, so that the others find the cache filled."""
    if local_rank():
        barrier()
    yield
    if not local_rank():
        barrier()


def _group() -> ModuleType:
    """torch.distributed, initialised.

    torchrun's store survives a restart (torch 2.14) with addresses of dead ranks, so each start has its own prefix.
    """
    import torch
    import torch.distributed as group

    if not group.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, me, size = next(group.rendezvous("env://", timeout=TIMEOUT))  # type: ignore[attr-defined]
        own = group.PrefixStore(f"start {num_restarts()} of {size}", store)  # type: ignore[attr-defined]
        group.init_process_group(backend, store=own, rank=me, world_size=size, timeout=TIMEOUT)
        atexit.register(group.destroy_process_group)
    return group
