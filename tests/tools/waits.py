"""Which operations of torch make Python wait for a device: their result, or its size, is a number of the host."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "bincount", "_assert_async"),
    *("unique_consecutive", "_unique2", "unique_dim", "argwhere", "histc", "allclose"),
}


def is_waited_for(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether Python waits for this operation, copies to the host aside."""
    name = func._schema.name.removeprefix("aten::")
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None and func._overloadname == "Tensor"
    if name in ("index", "index_put", "index_put_"):
        masks = any(index is not None and index.dtype == torch.bool for index in args[1])
        return masks and (name == "index" or args[2].ndim > 0)  # a number is filled in
    return name in WAITS


class Waits(TorchDispatchMode):
    """Counts the operations that are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += is_waited_for(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))
