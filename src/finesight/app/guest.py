"""Leaves the process of whoever calls finesight from Python as it was.

Training seeds torch's generators, sets its threads and flags, and tells the C library to keep freed memory. On the
command line the process is finesight's own. A call of `finesight.train()` is a guest in a process that is not: what it
changes is put back when it returns or raises.
"""

import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")
WITHOUT_TORCH = ("inspect", "runs")  # do not compute in torch, and return at once
_DEPTH: list[None] = []  # calls within calls: the C library is set back once, at the end of the outermost


def import_verb(name: str) -> Callable[..., Any]:
    """The public function of `finesight.app.NAME`, as a guest. What its imports change is put back, too."""
    uses_torch = name not in WITHOUT_TORCH
    with unchanged_process(uses_torch):
        module = import_module(f"finesight.app.{name}")
    return as_guest(getattr(module, name), uses_torch)


def as_guest(verb: Callable[P, T], uses_torch: bool = True) -> Callable[P, T]:
    """The same function, after which the process is as it was before."""

    @wraps(verb)
    def call(*args: P.args, **options: P.kwargs) -> T:
        with unchanged_process(uses_torch):
            return verb(*args, **options)

    return call


@contextmanager
def unchanged_process(uses_torch: bool = True) -> Iterator[None]:
    """Puts back generators, environment variables, warning filters and, if it is used, torch's threads and flags.

    Signal handlers and Pillow's limits are put back where they are changed. Not for several threads at once: all of
    this belongs to the process.
    """
    with ExitStack() as after:
        if uses_torch:
            _DEPTH.append(None)
            after.callback(_leave_torch)
        after.callback(random.setstate, random.getstate())
        after.callback(_restore_environment, dict(os.environ))
        after.callback(_restore_filters, list(warnings.filters))
        after.callback(np.random.set_state, np.random.get_state())
        if uses_torch:
            _remember_torch(after)
        yield


def _remember_torch(after: ExitStack) -> None:
    import torch

    after.callback(torch.set_num_threads, torch.get_num_threads())
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        after.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    else:  # generators of GPUs are made in the call, with the seed that is the caller's
        after.callback(torch.cuda.manual_seed_all, torch.initial_seed())
    after.callback(torch.set_rng_state, torch.get_rng_state())
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    after.callback(
        torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(), warn_only=warn_only
    )
    cudnn = torch.backends.cudnn
    flags = ((torch.utils.deterministic, "fill_uninitialized_memory"), (cudnn, "benchmark"), (cudnn, "allow_tf32"))
    for owner, name in flags:
        with suppress(RuntimeError):  # torch reads no allow_tf32 where a caller has set it by its newer name
            after.callback(setattr, owner, name, getattr(owner, name))


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def _restore_filters(before: list[Any]) -> None:
    if list(warnings.filters) != before:
        warnings.resetwarnings()  # so that Python forgets which warnings it decided on
        warnings.filters[:] = before  # type: ignore[index] # a list, of which typeshed knows reading only


def _leave_torch() -> None:
    from finesight.backend.freed_memory import release_freed_memory

    _DEPTH.pop()
    if not _DEPTH:
        release_freed_memory()
