"""What the tests of pages share: a page as its tags and its text, and the scripts that its policy lets run."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "link", "br", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """What a page is made of, and whether its tags are balanced."""

    text: str = ""
    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data

    def having(self, name: str) -> list[dict]:
        return [attributes for tag, attributes in self.tags if tag == name]


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    page.text = re.sub(r"\s+", " ", page.text)  # no-break spaces too
    return page


def scripts(path: Path) -> list[str]:
    """The scripts of a page; its policy allows each by its hash, and nothing else but styles and images as data."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in found]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    policies = [meta["content"] for meta in read(path).having("meta") if "http-equiv" in meta]
    assert policies == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"]
    return found
