"""What the state of a module says it is of, so that no other module takes it."""

from typing import Any

import torch
from torch import Tensor, nn

from hiergeo._core.errors import InputError, warn
from hiergeo._core.text import shortened

ENTRY = "_extra_state"
"""The end of the name under which torch keeps what `get_extra_state` returns."""

QUOTED = 200
"""Characters of a description that an error quotes."""


class Described(nn.Module):
    """A module whose `state_dict` holds its `kind`, and which refuses the state of another kind before it is changed.

    The entry is a tensor of bytes, as safetensors asks for. States of earlier versions, which have none, load with a
    warning.
    """

    @property
    def kind(self) -> str:
        """All that its parameters and buffers do not say, in words."""
        raise NotImplementedError

    def get_extra_state(self) -> Tensor:
        """`kind` as bytes, (n,) uint8."""
        return torch.tensor(list(self.kind.encode()), dtype=torch.uint8, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Raise InputError unless the state is of this kind."""
        written = bytes(state.to(torch.uint8).flatten().tolist()) if isinstance(state, Tensor) else str(state).encode()
        kind = written.decode(errors="replace")
        if kind != self.kind:
            kind = shortened(kind, QUOTED)
            raise InputError(f"this state is of '{kind}' and is loaded into '{self.kind}': make what it is of first.")

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        entry = prefix + ENTRY
        if entry in state_dict:
            self.set_extra_state(state_dict[entry])
        else:
            warn("this state does not say which geometry it is of, as in earlier versions: it is taken as it is.")
            state_dict = {**state_dict, entry: self.get_extra_state()}
        lists = missing_keys, unexpected_keys, error_msgs
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)
