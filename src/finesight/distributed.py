"""The processes that `torchrun` starts for one piece of work, called ranks. The only file that uses torch.distributed.

In one process every function answers at once with what it was given. torch is imported where it is needed, so that
a command's help need not wait for it.
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
PATIENCE = timedelta(hours=2)  # for a rank that reads data while others wait; torchrun tells of one that died at once


def launch() -> str:
    """The name torchrun gave to this launch, the same after each of its restarts; "" without torchrun."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "")


def rank() -> int:
    return int(os.environ["RANK"]) if launch() else 0


def num_ranks() -> int:
    return int(os.environ["WORLD_SIZE"]) if launch() else 1


def local_rank() -> int:
    """Of the ranks on this machine, from 0: the number of its GPU."""
    return int(os.environ["LOCAL_RANK"]) if launch() else 0


def num_restarts() -> int:
    """How often torchrun has started all ranks anew because one died."""
    return int(os.environ["TORCHELASTIC_RESTART_COUNT"]) if launch() else 0


def is_main() -> bool:
    """Whether this is the one rank that writes and speaks."""
    return rank() == 0


def num_cores() -> int:
    """This rank's share of the machine's processor cores."""
    return max(1, (os.cpu_count() or 1) // (int(os.environ["LOCAL_WORLD_SIZE"]) if launch() else 1))


def shard(pieces: Sequence[T], smallest: int = 0) -> list[T]:
    """This rank's run of the pieces; the ranks' runs, one after another, are all of them.

    Where runs would be shorter than `smallest` every rank gets all pieces.
    """
    total, number, ranks = len(pieces), rank(), num_ranks()
    if total < smallest * ranks:
        return list(pieces)
    return list(pieces[total * number // ranks : total * (number + 1) // ranks])


def all_reduce_sum(own: "Tensor") -> "Tensor":
    """The sum over all ranks, the same on each. Its gradient is that of this rank's summand alone.

    So if a loss is computed from totals, the sum of the ranks' gradients (`all_reduce`) is that of the whole batch.
    """
    if num_ranks() == 1:
        return own
    whole = own.detach().clone()
    if _TOGETHER:
        _hear()
    _group().all_reduce(whole)
    return own - own.detach() + whole  # the first two are exactly 0


def all_reduce(tensors: Sequence["Tensor"]) -> None:
    """Puts into each tensor its sum over all ranks. One message a type and device, in the same order every time."""
    if num_ranks() == 1:
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
    """Puts the main rank's numbers into the tensors of all."""
    if not is_main():
        for tensor in tensors:
            tensor.detach().zero_()
    all_reduce(tensors)


def all_reduce_max(number: int) -> int:
    """The largest number that any rank gave; all ranks wait for it."""
    if num_ranks() == 1:
        return number
    import torch

    value, group = torch.tensor(number), _group()
    group.all_reduce(value, group.ReduceOp.MAX)
    return int(value)


def all_gather(value: T) -> list[T]:
    """The values of all ranks in their order, on every rank."""
    if num_ranks() == 1:
        return [value]
    values: list[T] = [value] * num_ranks()
    _group().all_gather_object(values, value)
    return values


def broadcast_result(make: Callable[[], T]) -> T:
    """What the main rank makes, told to all."""
    return all_gather(make() if is_main() else None)[0]  # type: ignore[return-value]


class GivenUp(Exception):
    """Another rank gave up what all were at."""


@contextmanager
def together() -> Iterator[None]:
    """Within the block one rank may fail: what it does then is `give_up`, and the others get GivenUp from their next
    `all_reduce_sum`, or at the end. Each of these asks first, which is a small message more.
    """
    _TOGETHER.append(True)
    try:
        yield
        _hear()
    finally:
        _TOGETHER.pop()


def give_up() -> None:
    """After an error in `together`, on the rank that had it: tells the others."""
    all_reduce_max(1)


def _hear() -> None:
    if all_reduce_max(0):
        raise GivenUp


def barrier() -> None:
    """Until all ranks are here."""
    all_reduce_max(0)


@contextmanager
def first_on_machine() -> Iterator[None]:
    """One rank of each machine goes through the block first, so that the others find its cache filled."""
    if local_rank():
        barrier()
    yield
    if not local_rank():
        barrier()


def _group() -> ModuleType:
    """torch.distributed, all ranks joined.

    Its store outlives a restart (torch 2.14), with the addresses of those that died: each start has names of its own.
    """
    import torch
    import torch.distributed as group

    if not group.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, me, size = next(group.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        own = group.PrefixStore(f"start {num_restarts()} of {size}", store)  # type: ignore[attr-defined]
        group.init_process_group(backend, store=own, rank=me, world_size=size, timeout=PATIENCE)
        atexit.register(group.destroy_process_group)
    return group
