"""The style sheet that report pages and the explorer share: it stands alone, and both ways into the dark are one."""

import re

import pytest

from hiergeo.report import design

TOKEN = re.compile(r"(--[\w-]+):\s*([^;]+);")


@pytest.fixture(scope="module")
def css() -> str:
    return re.sub(r"/\*.*?\*/", "", design(), flags=re.DOTALL)


def tokens(css: str, selector: str) -> dict[str, str]:
    """Custom properties of the first rule with a selector."""
    found = re.search(re.escape(selector) + r"\s*\{([^}]*)\}", css)
    assert found, selector
    return dict(TOKEN.findall(found.group(1)))


def test_every_token_that_is_used_is_set(css):
    given = set(tokens(css, ":root")) | {"--tint", "--dash"}
    local = {"--low", "--high", "--at"}  # places on a whisker, set by the element
    assert set(re.findall(r"var\((--[\w-]+)", css)) <= given | local


def test_the_switch_and_the_system_give_the_same_dark(css):
    by_system = tokens(css, ':root:not([data-theme="light"])')
    assert by_system == tokens(css, ':root[data-theme="dark"]')
    light = tokens(css, ":root")
    colours = {name for name, value in light.items() if value.startswith(("#", "rgb"))}
    assert set(by_system) == colours
    assert all(by_system[name] != light[name] for name in colours)
