"""What pages are made of beside their text: the style that the explorer shares, and scripts with their hashes."""

import base64
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

SAVING = "savefiles.js"
"""The script that makes files, of pages and of the explorer."""


@dataclass(frozen=True)
class Script:
    """A script that a page holds, and what a content security policy calls it."""

    text: str

    @property
    def source(self) -> str:
        """The source expression of CSP that allows this text and nothing else."""
        return f"'sha256-{base64.b64encode(sha256(self.text.encode()).digest()).decode()}'"


def design() -> str:
    """The style sheet that report pages and the explorer share, as text: colours, type, tables, controls and plots.

    It stands alone and lays out no page. Dark follows the system; `data-theme="light"` or `"dark"` on the root element
    overrides it.
    """
    return _read("design.css")


def script(name: str) -> Script:
    """The script of a page, by the name of its file in ``templates``."""
    return Script(_read(name))


def downloading() -> list[Script]:
    """The scripts of the buttons that save the tables and figures of a page."""
    return [script(SAVING), script("downloads.js")]


def _read(name: str) -> str:
    return (files("hiergeo.report") / "templates" / name).read_text(encoding="utf-8")
