"""The files of the explorer's page: its own, and those that it shares with report pages."""

from hiergeo.report.assets import SAVING, design, script
from hiergeo.search.serving.pages import Page

PAGE = Page(
    "hiergeo.report.explorer",
    {"design.css": lambda: design().encode(), SAVING: lambda: script(SAVING).text.encode()},
)
