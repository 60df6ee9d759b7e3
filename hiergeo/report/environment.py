"""The one jinja environment of all pages: text from outside stays text, and a name that is not there is an error.

Everything a template prints is escaped and `tame`; what can hold a caption or a name of the user's goes through the
filter `outside`, which keeps its direction to itself, or `isolated` where no element can stand.
"""

from typing import TYPE_CHECKING, Any

from hiergeo._limits import CAPTION_CHARACTERS
from hiergeo._text import caption, shortened, tame
from hiergeo.report.words import label, listing, number

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def environment() -> "Environment":
    """Templates of this package with the filters that they use."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("hiergeo.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_tame,
    )
    made.filters |= {"label": label, "number": number, "listing": listing, "outside": _outside, "isolated": caption}
    return made


def _tame(value: Any) -> Any:
    return tame(value) if type(value) is str else value


def _outside(text: Any) -> "Markup":
    from markupsafe import Markup

    return Markup("<bdi>{}</bdi>").format(tame(shortened(str(text), CAPTION_CHARACTERS)))
