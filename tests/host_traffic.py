"""Counts what an accelerator would wait for, or lacks, where no accelerator is: on torch's meta device.

On CUDA these wait for the device: reading a value, finding how many there are of something, and a copy that is not
`non_blocking`. Meta tensors hold no values, so torch itself refuses the first two. Apple's MPS has no float64.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MADE_FROM_VALUES = {torch.tensor: 0, torch.as_tensor: 0, torch.asarray: 0, Tensor.new_tensor: 1}  # which argument
INDEXED = (Tensor.__getitem__, Tensor.__setitem__)


class HostTraffic(TorchFunctionMode):
    """Within the block `waits` collects what would wait: values, lists and tensors of the host that go to the device.

    `doubles` collects the operations that make a float64 tensor on the device.
    torch.tensor on the meta device makes no copy that the dispatcher sees, so calls are watched as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.doubles: list[str] = []
        self._copies = _Copies(self.waits, self.doubles)

    def __enter__(self) -> "HostTraffic":
        self._copies.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._copies.__exit__(*error)

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in MADE_FROM_VALUES and is_on_device(result) and not is_on_device(args[MADE_FROM_VALUES[func]]):
            self.waits.append(f"{func.__name__}({args[MADE_FROM_VALUES[func]]!r})")
        if func in INDEXED and is_on_device(args[0]) and isinstance(args[1], list):
            self.waits.append(f"{func.__name__}, by a list")
        return result


class _Copies(TorchDispatchMode):
    def __init__(self, waits: list[str], doubles: list[str]) -> None:
        super().__init__()
        self.waits, self.doubles = waits, doubles

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        mixed = [*tree_leaves((args, kwargs)), *tree_leaves(result)]
        of_host = any(isinstance(each, Tensor) and each.device.type == "cpu" and each.ndim for each in mixed)
        is_async = kwargs.get("non_blocking") or (func is torch.ops.aten.copy_.default and len(args) > 2 and args[2])
        if of_host and any(map(is_on_device, mixed)) and not is_async:
            self.waits.append(str(func))
        if any(is_on_device(each) and each.dtype == torch.float64 for each in tree_leaves(result)):
            self.doubles.append(str(func))
        return result


def is_on_device(value: object) -> bool:
    return isinstance(value, Tensor) and value.device.type == "meta"
