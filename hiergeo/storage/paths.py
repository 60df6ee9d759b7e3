"""Paths as people write them, refused where no file system could hold them."""

import os
from pathlib import Path

from hiergeo._limits import NAME_BYTES, PATH_BYTES
from hiergeo.errors import InputError


def path_of(name: str | os.PathLike[str]) -> Path:
    """The path that a user named, with the home folder in place of ``~`` or ``~user``.

    Raises:
        InputError: it is empty, holds a null character, is longer than file systems allow, names a user who is not
            there, or goes through links that lead around in a circle.
    """
    text = os.fspath(name)
    if not text:
        raise InputError("a path is empty: name a file or folder.")
    if "\0" in text:
        raise InputError(f"the path '{text}' holds a null character, which no file name can.")
    try:
        path = Path(text).expanduser()
        longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
        length = len(os.fsencode(path))
    except RuntimeError:
        raise InputError(f"there is no home folder for '{Path(text).parts[0]}': write the path in full.") from None
    except UnicodeEncodeError:
        raise InputError(f"the path '{text}' holds characters that no file name can.") from None
    if longest > NAME_BYTES or length > PATH_BYTES:
        raise InputError(
            f"the path '{text}' is too long: a name may have {NAME_BYTES} bytes and a path {PATH_BYTES} in all."
        )
    try:
        path.resolve()
    except (RuntimeError, OSError) as error:  # a RuntimeError until Python 3.12
        raise InputError(f"the path '{text}' leads nowhere: {error}.") from error
    return path
