"""A model that waits before it embeds until a gate is open, so that processes can be killed in the middle of work."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tests.search.corpus.corpus_common import Quick


class Gate(Quick):
    """Embeds as `Quick`; the gate is the file ``open`` in a folder, and whoever waits is the file ``waiting-PID``."""

    def __init__(self, folder: str) -> None:
        super().__init__(f"gate:{folder}")
        self.folder = Path(folder)

    def text_rows(self, texts: Sequence[str]) -> torch.Tensor:
        gate = self.folder / "open"
        if any(texts) and not gate.exists():
            (self.folder / f"waiting-{os.getpid()}").touch()
            while not gate.exists():
                time.sleep(0.01)
        return super().text_rows(texts)


def load(rest: str, *, device: object) -> Gate:
    return Gate(rest)
