"""The Python frames of hiergeo that a call runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import hiergeo

HOME = Path(hiergeo.__file__).parent


def frames_of(call: Callable[[], object]) -> list[tuple[str, str]]:
    """The file and the function of every frame, once what is prepared on first use is there."""
    call()
    frames: list[tuple[str, str]] = []

    def record(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and HOME in path.parents:
            frames.append((str(path.relative_to(HOME)), frame.f_code.co_name))

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        call()
    finally:
        sys.setprofile(before)
    return sorted(frames)
