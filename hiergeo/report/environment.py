"""The one jinja environment of all pages: captions are escaped, and a name that is not there is an error."""

from typing import TYPE_CHECKING

from hiergeo.report.words import label, listing, number

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> "Environment":
    """Templates of this package with the filters that they use."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("hiergeo.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {"label": label, "number": number, "listing": listing}
    return made
