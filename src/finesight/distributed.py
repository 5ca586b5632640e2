"""The ranks that `torchrun` starts. The only file that uses torch.distributed.

In a single process every function returns its input at once. torch is imported only where it is needed, so that
`--help` is fast.
"""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
_TOGETHER: list[bool] = []  # one entry within `together`
TIMEOUT = timedelta(hours=2)  # of a barrier, for a rank that reads data; torchrun notices a dead rank at once


def launch() -> str:
    """torchrun's name of this launch, the same after restarts; "" without torchrun."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "")


def rank() -> int:
    return int(os.environ["RANK"]) if launch() else 0


def world_size() -> int:
    return int(os.environ["WORLD_SIZE"]) if launch() else 1


def local_rank() -> int:
    """Number among the ranks on this machine, from 0, and of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launch() else 0


def num_restarts() -> int:
    """How often torchrun has restarted all ranks because one died."""
    return int(os.environ["TORCHELASTIC_RESTART_COUNT"]) if launch() else 0


def is_main() -> bool:
    """Whether this is rank 0, which writes files and prints."""
    return rank() == 0


def num_cores() -> int:
    """CPU cores of this machine per rank."""
    return max(1, (os.cpu_count() or 1) // (int(os.environ["LOCAL_WORLD_SIZE"]) if launch() else 1))


def shard(items: Sequence[T], smallest: int = 0) -> list[T]:
    """This rank's shard of the items: a contiguous slice; the shards in order of rank are all items.

    If shards would be smaller than `smallest`, every rank gets all items.
    """
    total, number, ranks = len(items), rank(), world_size()
    if total < smallest * ranks:
        return list(items)
    return list(items[total * number // ranks : total * (number + 1) // ranks])


def all_reduce_sum(own: "Tensor") -> "Tensor":
    """The sum over all ranks. Its gradient is that of this rank's summand alone.

    So if a loss is computed from sums, the sum of the ranks' gradients (`all_reduce`) is that of the whole batch.
    """
    if world_size() == 1:
        return own
    whole = own.detach().clone()
    if _TOGETHER:
        _check_given_up()
    _group().all_reduce(whole)
    return own - own.detach() + whole  # the first two are exactly 0


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


class GivenUp(Exception):
    """Another rank called `give_up`."""


@contextmanager
def together() -> Iterator[None]:
    """Lets one rank fail within the block: it calls `give_up`, and the others get GivenUp from their next
    `all_reduce_sum` or at the end. This costs one small message each.
    """
    _TOGETHER.append(True)
    try:
        yield
        _check_given_up()
    finally:
        _TOGETHER.pop()


def give_up() -> None:
    """Notifies the other ranks of an error in `together`."""
    all_reduce_max(1)


def _check_given_up() -> None:
    if all_reduce_max(0):
        raise GivenUp


def barrier() -> None:
    """Waits for all ranks."""
    all_reduce_max(0)


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
