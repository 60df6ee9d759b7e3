"""The one look of every chart, and figures of matplotlib as SVG inside a page.

Charts are drawn in the colours of light paper. In a page each of them becomes the CSS variable of its name
(`templates/design.css`), so that charts follow the scheme of the page; text stays text.
"""

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from hiergeo._core.text import caption

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

INK, SOFT, LINE, PAPER, TRUE = "#1d1f23", "#5c6068", "#dddad3", "#fdfcfa", "#7a4b00"

TIERS = ("#1b4f9c", "#1f77a6", "#b15700", "#8f2417")
"""Colours of tiers, general to specific."""

SERIES = (TIERS[0], "#b04a00", "#1f7a4d", "#8b2f8f", "#6d5f00", SOFT)
"""Colours of geometries, in order."""

DASHES = ("-", (0, (3.5, 1.25)), (0, (1.25, 1)), (0, (4.5, 1, 1, 1)), (0, (2, 1.5)), (0, (6, 1.5)))
"""Line styles of geometries, in order, so that colour is not needed to tell them apart."""

VARIABLES = {
    INK: "--ink",
    LINE: "--line",
    PAPER: "--paper",
    TRUE: "--mark",
    **{colour: f"--s{at}" for at, colour in enumerate(SERIES)},
    **{colour: f"--tier{at}" for at, colour in enumerate(TIERS)},
    SOFT: "--soft",
}

STYLE: dict[Any, Any] = {
    "font.size": 12,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 12,
    "axes.linewidth": 0.75,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "grid.color": LINE,
    "grid.linewidth": 0.75,
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "xtick.labelsize": 12,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
    "ytick.labelsize": 12,
}
"""Parameters of matplotlib under which every figure is made."""

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def words(text: str) -> str:
    """Text from outside as a figure writes it: tame, and never read as a formula."""
    return caption(text).replace("$", r"\$")


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers within [low, high], about `wanted` of them, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough)))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(index * step) + 0.0 for index in np.arange(first, last + 1)]


def svg(figure: "Figure", label: str) -> "Markup":
    """A figure as an SVG element of a page.

    The same figure gives the same bytes. It asks for nothing from outside and holds no style sheet.

    Args:
        figure: what to draw.
        label: what it shows, for those who do not see it; differs between the figures of a page.
    """
    import matplotlib
    from markupsafe import Markup

    label, written = caption(label), io.StringIO()
    empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(written, format="svg", transparent=True, metadata=empty)
    drawn = ElementTree.fromstring(written.getvalue())
    root = ElementTree.Element("svg", {"class": "panel", "role": "img", "aria-label": label})
    root.set("viewBox", drawn.attrib["viewBox"])
    ElementTree.SubElement(root, "title").text = label
    root.extend(_plain(part) for part in drawn if part.tag == f"{SVG}g" or part.find(f".//{SVG}clipPath") is not None)
    targets = set(re.findall(r"#(\w+)", " ".join(value for part in root.iter() for value in part.attrib.values())))
    for part in root.iter():
        if part.get("id") not in targets:
            part.attrib.pop("id", None)
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _plain(part: ElementTree.Element) -> ElementTree.Element:
    """A copy without namespaces, with the colours, fonts and numbers of a page."""
    made = ElementTree.Element(part.tag.removeprefix(SVG))
    made.text, made.tail = (text if text and text.strip() else None for text in (part.text, part.tail))
    for name, value in part.attrib.items():
        if name == "style":
            value = re.sub(r"#[0-9a-f]{6}\b", lambda match: f"var({VARIABLES[match[0]]})", value)
            value = re.sub(r"font-family: [^;]*(; |$)", "", value)
        elif name in ("d", "x", "y"):
            value = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.2f}", " ".join(value.split()))
        elif name == "transform" and value.startswith("rotate(-0 "):
            continue
        made.set(name.removeprefix(XLINK), value)
    made.extend(map(_plain, part))
    return made
